"""Kernels on each pixel by itself; all arrays are flat."""

import numpy as np

from ._jit import fma, inlined, jit, jit_sum


@jit
def clip(p, radius):
    """p = clip(p, -radius, radius) for a scalar radius."""
    for j in range(p.size):
        v = p[j]
        v = v if v < radius else radius
        p[j] = v if v > -radius else -radius


@jit
def soft_threshold(out, v, cut, largest):
    """Write sign(v) max(|v| - cut, 0) into out; returns how many numbers of v are NaN or beyond the largest."""
    zero = v.dtype.type(0)
    bad = 0
    for j in range(v.size):
        bad += 0 if abs(v[j]) <= largest else 1
        more, less = v[j] - cut, v[j] + cut
        out[j] = (more if more > zero else zero) + (less if less < zero else zero)
    return bad


@jit
def primal_step(x, xbar, ktp, y, soft, lo, hi, steps):
    """Chambolle-Pock's primal step for 1/2 ||x - y||^2 + soft |x|_1 within [lo, hi].

    steps = tau, sigma, theta, 1 / (1 + tau).
    """
    tau, theta, inverse = steps[0], steps[2], steps[3]
    zero = x.dtype.type(0)
    cut = tau * soft * inverse
    for j in range(x.size):
        v = fma(tau, y[j] - ktp[j], x[j]) * inverse
        above, below = v - cut, v + cut
        v = (above if above > zero else zero) + (below if below < zero else zero)
        v = v if v > lo else lo
        v = v if v < hi else hi
        xbar[j] = fma(theta, v - x[j], v)
        x[j] = v


@inlined
def pixel_loss(t, v, ktp, soft, lo, hi):
    """The suboptimality of t for 1/2 (t - v)^2 + ktp t + soft |t| within [lo, hi]; float64, and >= 0."""
    u = v - ktp
    best = max(u - soft, 0.0) + min(u + soft, 0.0)
    best = min(max(best, lo), hi)
    return 0.5 * (t - best) * (t + best - 2 * u) + soft * (abs(t) - abs(best))


@jit
def weighted_step(x, new, xbar, kt, new_kt, y, m, lo, hi, tau, relaxation):
    """Relax x and K^T p; new = Chambolle-Pock's primal step for 1/2 sum m (x - y)^2 within [lo, hi], xbar = 2 new - x."""
    one = x.dtype.type(1)
    for j in range(x.size):
        x[j] += relaxation * (new[j] - x[j])
        kt[j] += relaxation * (new_kt[j] - kt[j])
        step = tau * m[j]
        v = (x[j] - tau * kt[j] + step * y[j]) / (one + step)
        v = v if v > lo else lo
        v = v if v < hi else hi
        new[j] = v
        xbar[j] = v - x[j] + v


@jit
def threshold_duals(out, x, ktp, y, soft, share):
    """The part `share` of the dual of soft |x| that goes with x, and with K^T p where x is 0: its subgradient there."""
    for j in range(out.size):
        u = y[j] - ktp[j]
        u = u if u < soft else soft
        u = u if u > -soft else -soft
        t = x[j]
        out[j] = share * (u if t == 0 else (soft if t > 0 else -soft))


@jit
def add_multiple(out, row, factor):
    """out += factor row, in place, each number rounded once."""
    for j in range(out.size):
        out[j] = fma(factor, row[j], out[j])


@jit
def relax(old, new, relaxation):
    """old += relaxation (new - old), in place."""
    for j in range(old.size):
        old[j] += relaxation * (new[j] - old[j])


@jit
def relax_both(old, new, relaxation):
    """old += relaxation (new - old), and new the same, in place."""
    for j in range(old.size):
        old[j] += relaxation * (new[j] - old[j])
        new[j] = old[j]


@jit_sum
def l1_gap(x, p, radius):
    """Sums (radius |x| - p x, radius |x|) in float64."""
    gap = 0.0
    value = 0.0
    for j in range(x.size):
        length = radius * abs(np.float64(x[j]))
        value += length
        gap += length - np.float64(x[j]) * p[j]
    return gap, value


@jit_sum
def data_gap(x, ktp, y, soft, lo, hi):
    """Return L(x) - min L and 1/2 ||x - y||^2, for L(x) = 1/2 ||x - y||^2 + <K^T p, x> + soft |x|_1 within [lo, hi].

    Each term is >= 0; float64, in partial sums of 4096 pixels.
    """
    loss_total = 0.0
    data_total = 0.0
    for first in range(0, x.size, 4096):
        loss = 0.0
        data = 0.0
        for j in range(first, min(first + 4096, x.size)):
            t, v = np.float64(x[j]), np.float64(y[j])
            loss += pixel_loss(t, v, np.float64(ktp[j]), soft, lo, hi)
            data += 0.5 * (t - v) * (t - v)
        loss_total += loss
        data_total += data
    return loss_total, data_total
