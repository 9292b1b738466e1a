"""Proximal steps of data terms, in vectors: what the sweeps do to a pixel where it is not least squares alone.

A form is (m, corner, absolute, background): weights of the pixels, a plane or None where they are 1; and where not None
Huber's corner, whether it is absolute deviations, and the background of counts. All None is least squares.
"""

from ._jit import inlined
from ._vectors import add, div, largest, least, load, mul, root, splat, sub, vfma, where_larger


@inlined
def nearest(v, y, i, tau, one, form):
    """argmin over z of 1/2 (z - v)^2 + tau D(z), D the data term of that form at the vector at i; `one` is 1 in the type."""
    # what is None is told from arguments alone
    return _nearest(v, y, i, tau, one, form[0], form[1], form[2], form[3])


@inlined
def _nearest(v, y, i, tau, one, m, corner, absolute, background):
    own, step, zero = load(y, i), splat(tau), splat(one - one)
    if m is not None:
        step = mul(step, load(m, i))
    if background is not None:
        # the positive root of s^2 - a s - step y = 0, in the form that does not cancel
        b, half, two = splat(background), splat(one / (one + one)), splat(one + one)
        a, product = sub(add(v, b), step), mul(mul(two, step), own)
        length = root(vfma(two, product, mul(a, a)))
        other = div(product, sub(length, a))
        found = sub(where_larger(zero, a, other, mul(half, add(a, length))), b)
        if m is not None:
            found = where_larger(step, zero, found, v)
        return found
    if absolute is not None:
        return largest(least(add(v, step), own), sub(v, step))
    change = mul(div(step, add(splat(one), step)), sub(v, own))
    if corner is not None:
        most = mul(step, splat(corner))
        change = largest(least(change, most), sub(zero, most))
    return sub(v, change)
