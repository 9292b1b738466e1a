"""Total variation of gray images of at least two rows: over-relaxed Chambolle-Pock in place, and the certificate.

A plane is a flat array: `MARGIN` zeros, the rows, each filled up with zeros to a multiple of a vector, and a margin again.
Every number is rounded on its own, so that it does not depend on how rows are cut into bands, strips and vectors.
"""

import numpy as np

from ._jit import borrowed, inlined, jit
from ._vectors import (
    add,
    added_up,
    largest,
    least,
    load,
    load_double,
    mul,
    root,
    shifted,
    size,
    splat,
    store,
    sub,
    vfma,
)
from .balls import into_ball, squared
from .data_steps import nearest

#: numbers before the first row of a plane, and behind the last
MARGIN = 16


@inlined
def _bounded(v, limits, cut):
    """Soft-thresholding by `cut`, then the bounds: limits = soft, lo, hi; None where there are none."""
    if limits is not None:
        zero = splat(cut - cut)
        v = add(largest(sub(v, splat(cut)), zero), least(add(v, splat(cut)), zero))
        v = least(largest(v, splat(limits[1])), splat(limits[2]))
    return v


@inlined
def primal(x, y, i, ktp, tau, inverse, rho, rest, limits, cut, step, form):
    """Write x + relaxation (v - x) for the proximal step v, and return v + (v - x)."""
    old = load(x, i)
    if form is None:
        v = _bounded(mul(vfma(tau, sub(load(y, i), ktp), old), inverse), limits, cut)
    else:
        v = _bounded(nearest(sub(old, mul(tau, ktp)), y, i, step, x.dtype.type(1), form), limits, cut)
    further = sub(v, old)
    if limits is None and form is None:
        store(x, i, vfma(rho, further, old))
    else:
        # at the relaxation 1 exactly v: within the bounds, and 0 where it is
        store(x, i, vfma(rho, v, mul(rest, old)))
    return add(v, further)


@inlined
def _scaled(v, scales, axis, place):
    if scales is None:
        return v
    return mul(v, load(scales[axis], place))


@inlined
def _first_primal(x, py, px, y, scales, ring, here, place, columns, limits, form, steps, k):
    """The primal of the first row, whose xbar goes to ring at `here`."""
    one = x.dtype.type(1)
    tau, inverse, rho, rest = splat(steps[k, 0]), splat(steps[k, 2]), splat(steps[k, 3]), splat(one - steps[k, 3])
    cut = steps[k, 4]
    zero = splat(x.dtype.type(0))
    for j in range(0, columns, 64 // x.itemsize):
        i = place + j
        ktp = add(
            sub(zero, _scaled(load(py, i), scales, 0, i)),
            sub(_scaled(load(px, i - 1), scales, 1, i - 1), _scaled(load(px, i), scales, 1, i)),
        )
        store(ring, here + j, primal(x, y, i, ktp, tau, inverse, rho, rest, limits, cut, steps[k, 0], form))


@inlined
def _row(
    x, py, px, y, scales, ring, here, following, mask, place, columns, is_last, radius, limits, form, anisotropic, inner, steps,
    k,
):  # fmt: skip
    """The primal of the row below, whose xbar goes to `following`, and the dual of the row at `place`, whose xbar is at `here`.

    Below the last row of the image there is none.
    """
    tau, sigma, inverse, cut = splat(steps[k, 0]), splat(steps[k, 1]), splat(steps[k, 2]), steps[k, 4]
    rho, rest = splat(steps[k, 3]), splat(x.dtype.type(1) - steps[k, 3])
    most, minus, relaxed = splat(radius), splat(-radius), splat(radius * steps[k, 3])
    inside = squared(radius, x.dtype.type(1))
    ahead = load(ring, here)
    for j in range(0, columns, 64 // x.itemsize):
        i = place + j
        pixel, ahead = ahead, load(ring, here + j + 64 // x.itemsize)
        down, across = load(py, i), load(px, i)
        if is_last:
            below = pixel
        else:
            z = i + columns
            ktp = add(
                sub(_scaled(down, scales, 0, i), _scaled(load(py, z), scales, 0, z)),
                sub(_scaled(load(px, z - 1), scales, 1, z - 1), _scaled(load(px, z), scales, 1, z)),
            )
            below = primal(x, y, z, ktp, tau, inverse, rho, rest, limits, cut, steps[k, 0], form)
            store(ring, following + j, below)
        a = vfma(_scaled(sigma, scales, 0, i), sub(below, pixel), down)
        b = mul(vfma(_scaled(sigma, scales, 1, i), sub(shifted(pixel, ahead), pixel), across), load(mask, j))
        if inner is not None:
            a = mul(a, load(mask, j + columns))
        if anisotropic is None:
            square = vfma(a, a, mul(b, b))
            scale = into_ball(relaxed, square, inside)
            store(py, i, vfma(scale, a, mul(rest, down)))
            store(px, i, vfma(scale, b, mul(rest, across)))
        else:
            a, b = largest(least(a, most), minus), largest(least(b, most), minus)
            store(py, i, vfma(rho, a, mul(rest, down)))
            store(px, i, vfma(rho, b, mul(rest, across)))


@jit
def sweep(
    x,
    py,
    px,
    y,
    scales,
    ring,
    mask,
    columns,
    radius,
    limits,
    form,
    anisotropic,
    inner,
    steps,
    depth,
    band,
    begin,
    end,
):
    """Over-relaxed Chambolle-Pock iterations for 1/2 ||x - y||^2 + TV(x) + soft |x|_1 within [lo, hi], in place.

    steps[k] = tau, sigma, 1 / (1 + tau), relaxation, tau soft / (1 + tau) of iteration k. `depth` iterations at a time go
    down the rows together, a band of rows each, every one a row behind the one before it: the dual of a row needs the
    extrapolated primal of that row and the next, which are in ring, two rows and margins for each iteration, and the primal
    the dual of that row and the one before. Only the bands `begin` to `end` are worked.
    `limits` = soft, lo, hi, or None where there are none. Differences are multiplied by scales = (down, across), planes too, or
    None. `form` is None, or that of another data term than 1/2 ||x - y||^2, see `data_steps`; soft is 0 then. `anisotropic` is
    None or not. `columns` are those of a plane; mask holds a 0 for the last of each row of the image.
    `inner` is None, or says of the last row whether its pixels have no dual; those of the
    columns that have none are 0 in the second row of mask.
    """
    x, py, px, y, ring, mask, steps = (
        borrowed(x), borrowed(py), borrowed(px), borrowed(y), borrowed(ring), borrowed(mask), borrowed(steps),
    )  # fmt: skip
    rows = (x.size - 2 * MARGIN) // columns
    for chunk in range(0, steps.shape[0], depth):
        for b in range(begin, end):
            for k in range(chunk, min(chunk + depth, steps.shape[0])):
                own = 2 * (k - chunk) * (columns + MARGIN)
                for i in range(max(b * band - (k - chunk), 0), min((b + 1) * band - (k - chunk), rows)):
                    place = MARGIN + i * columns
                    here, following = own, own + columns + MARGIN
                    if i & 1:
                        here, following = following, here
                    if i == 0:
                        _first_primal(x, py, px, y, scales, ring, here, place, columns, limits, form, steps, k)
                    if i < rows - 1 or inner is None or not inner:
                        _row(
                            x, py, px, y, scales, ring, here, following, mask, place, columns, i == rows - 1, radius, limits,
                            form, anisotropic, inner, steps, k,
                        )  # fmt: skip


@inlined
def _scaled_double(v, scales, axis, place):
    if scales is None:
        return v
    return mul(v, load_double(scales[axis], place))


@inlined
def with_pixels(loss, data, length, t, v, ktp, inside, limits):
    """The last three sums of `certificate` with those of pixels t of an image v; inside where there are limits."""
    zero, half = splat(0.0), splat(0.5)
    off, u = sub(t, v), sub(v, ktp)
    if limits is None:
        lost = sub(t, u)
        loss = vfma(mul(half, lost), lost, loss)
    else:
        cut, lo, hi = splat(limits[0]), splat(limits[1]), splat(limits[2])
        best = add(largest(sub(u, cut), zero), least(add(u, cut), zero))
        best = least(largest(best, lo), hi)
        lost = mul(mul(half, sub(t, best)), sub(add(t, best), add(u, u)))
        lost = vfma(cut, sub(size(t), size(best)), lost)
        loss = vfma(inside, lost, loss)
        off = mul(off, inside)
        length = vfma(inside, size(t), length)
    return loss, vfma(mul(half, off), off, data), length


@jit
def certificate(sums, x, py, px, y, scales, mask, columns, radius, limits, anisotropic, inner, begin, end):
    """For each row from `begin` to `end`, in float64, sums over its pixels in sums[row].

    They are of w h(Kx) - <p, Kx>; w h(Kx); what x loses against the primal that p induces in
    1/2 ||x - y||^2 + <K^T p, x> + soft |x| within [lo, hi]; 1/2 (x - y)^2; |x|, where there are limits. No term of the first
    and the third is negative for a feasible p. Arguments as in `sweep`: pixels without a dual cost nothing.
    """
    x, py, px, y, mask = borrowed(x), borrowed(py), borrowed(px), borrowed(y), borrowed(mask)
    rows = (x.size - 2 * MARGIN) // columns
    zero = splat(0.0)
    for row in range(begin, end):
        first, is_last = MARGIN + row * columns, row == rows - 1
        cost = splat(0.0 if inner is not None and inner and is_last else np.float64(radius))
        gap, value, loss, data, length = zero, zero, zero, zero, zero
        for j in range(0, columns, 8):
            i = first + j
            t, v = load_double(x, i), load_double(y, i)
            down, across = load_double(py, i), load_double(px, i)
            dy = zero
            if not is_last:
                dy = _scaled_double(sub(load_double(x, i + columns), t), scales, 0, i)
            dx = mul(_scaled_double(sub(load_double(x, i + 1), t), scales, 1, i), load_double(mask, j))
            if inner is not None:
                dy = mul(dy, load_double(mask, j + columns))
            own_length = root(vfma(dx, dx, mul(dy, dy))) if anisotropic is None else add(size(dx), size(dy))
            own = mul(cost, own_length)
            value = add(value, own)
            gap = add(gap, sub(own, vfma(dx, across, mul(dy, down))))
            up = zero
            if row > 0:
                up = _scaled_double(load_double(py, i - columns), scales, 0, i - columns)
            ktp = add(
                sub(up, _scaled_double(down, scales, 0, i)),
                sub(
                    _scaled_double(load_double(px, i - 1), scales, 1, i - 1),
                    _scaled_double(across, scales, 1, i),
                ),
            )
            inside = zero if limits is None else load_double(mask, j + 2 * columns)
            loss, data, length = with_pixels(loss, data, length, t, v, ktp, inside, limits)
        sums[row, 0], sums[row, 1], sums[row, 2] = added_up(gap), added_up(value), added_up(loss)
        sums[row, 3], sums[row, 4] = added_up(data), added_up(length)
