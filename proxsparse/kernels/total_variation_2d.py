"""Total variation of gray images of at least two rows: Chambolle-Pock in place, and the certificate, in one pass each.

Arrays are flat. Several rows at a time are worked as one long row: the difference across the end of a row is multiplied
by 0, and the last element of each row of px, and the last row of py, are 0 and stay 0. Every operation is rounded by
itself or in one `fma`, so that a number does not depend on how rows are cut into bands, strips and vectors.
"""

import numpy as np

from ._jit import borrowed, fma, jit, jit_sum


@jit
def _mask(size, columns, like):
    """1, and 0 at the end of each row."""
    mask = np.empty(size, like.dtype)
    for j in range(size):
        mask[j] = 1
    for j in range(columns - 1, size, columns):
        mask[j] = 0
    return mask


@jit
def _shift(out, row):
    """The number to the left of each pixel of a row."""
    out[0] = 0
    for j in range(1, out.size):
        out[j] = row[j - 1]


@jit
def _dual_isotropic(py, px, pixel, below, right, mask, sigma, radius, floor):
    for j in range(pixel.size):
        a = fma(sigma, below[j] - pixel[j], py[j])
        b = fma(sigma, right[j] - pixel[j], px[j]) * mask[j]
        s = fma(a, a, b * b)
        length = np.sqrt(s)
        scale = radius / (length if length > floor else floor)
        py[j] = scale * a
        px[j] = scale * b


@jit
def _dual_anisotropic(py, px, pixel, below, right, mask, sigma, radius):
    for j in range(pixel.size):
        a = fma(sigma, below[j] - pixel[j], py[j])
        b = fma(sigma, right[j] - pixel[j], px[j]) * mask[j]
        a = a if a < radius else radius
        b = b if b < radius else radius
        py[j] = a if a > -radius else -radius
        px[j] = b if b > -radius else -radius


@jit
def _scaled_dual_isotropic(py, px, pixel, below, right, mask, sy, sx, sigma, radius, floor):
    for j in range(pixel.size):
        a = fma(sigma * sy[j], below[j] - pixel[j], py[j])
        b = fma(sigma * sx[j], right[j] - pixel[j], px[j]) * mask[j]
        s = fma(a, a, b * b)
        length = np.sqrt(s)
        scale = radius / (length if length > floor else floor)
        py[j] = scale * a
        px[j] = scale * b


@jit
def _scaled_dual_anisotropic(py, px, pixel, below, right, mask, sy, sx, sigma, radius):
    for j in range(pixel.size):
        a = fma(sigma * sy[j], below[j] - pixel[j], py[j])
        b = fma(sigma * sx[j], right[j] - pixel[j], px[j]) * mask[j]
        a = a if a < radius else radius
        b = b if b < radius else radius
        py[j] = a if a > -radius else -radius
        px[j] = b if b > -radius else -radius


@jit
def _scaled_primal(x, xbar, above, py, left, px, above_sy, sy, left_sx, sx, y, soft, lo, hi, steps):
    """`_primal` with the differences scaled."""
    tau, theta, inverse = steps[0], steps[2], steps[3]
    zero = x.dtype.type(0)
    cut = tau * soft * inverse
    for j in range(x.size):
        ktp = (above[j] * above_sy[j] - py[j] * sy[j]) + (left[j] * left_sx[j] - px[j] * sx[j])
        v = fma(tau, y[j] - ktp, x[j]) * inverse
        more, less = v - cut, v + cut
        v = (more if more > zero else zero) + (less if less < zero else zero)
        v = v if v > lo else lo
        v = v if v < hi else hi
        xbar[j] = fma(theta, v - x[j], v)
        x[j] = v


@jit
def _primal(x, xbar, above, py, left, px, y, soft, lo, hi, steps):
    """x and xbar after the proximal step: soft-thresholding, then the bounds. steps = tau, sigma, theta, 1 / (1 + tau)."""
    tau, theta, inverse = steps[0], steps[2], steps[3]
    zero = x.dtype.type(0)
    cut = tau * soft * inverse
    for j in range(x.size):
        ktp = (above[j] - py[j]) + (left[j] - px[j])
        v = fma(tau, y[j] - ktp, x[j]) * inverse
        more, less = v - cut, v + cut
        v = (more if more > zero else zero) + (less if less < zero else zero)
        v = v if v > lo else lo
        v = v if v < hi else hi
        xbar[j] = fma(theta, v - x[j], v)
        x[j] = v


@jit
def sweep(
    x,
    xbar,
    py,
    px,
    y,
    sy,
    sx,
    columns,
    isotropic,
    without_dual,
    radius,
    soft,
    lo,
    hi,
    steps,
    cuts,
    depth,
    done,
    band,
    begin,
    end,
):
    """Chambolle-Pock iterations for 1/2 ||x - y||^2 + TV(x) + soft |x|_1 within [lo, hi], in place.

    Differences down and across are multiplied by sy and sx, a number a pixel; as they are where these are empty.

    steps[k] = tau, sigma, theta, 1 / (1 + tau) of iteration k. `depth` iterations at a time go down the rows together, a
    band of rows each, every one a row behind the one before it: the dual of a row needs the extrapolated primal of that row
    and the next, the primal the dual of that row and the one before. Only the bands `begin` to `end` are worked.
    `cuts` says whether the rows are a strip of an image, cut off above, below: there each iteration, `done` earlier ones
    counted, is right on one row less. `without_dual` says of the last row and of the last column whether the pixels there have
    no dual, which is 0 and stays 0.
    """
    # slices of arrays that count references cost as much as a short row
    x, xbar, py, px, y = borrowed(x), borrowed(xbar), borrowed(py), borrowed(px), borrowed(y)
    steps, sy, sx = borrowed(steps), borrowed(sy), borrowed(sx)
    cut_first, cut_last = cuts
    free_row, free_column = without_dual
    rows = x.size // columns
    mask = _mask(min(band, rows) * columns, columns, x)
    none, first_left, first_sx = np.zeros(columns, x.dtype), np.empty(columns, x.dtype), np.zeros(columns, x.dtype)
    floor = radius if radius > 0 else x.dtype.type(1)
    for chunk in range(0, steps.shape[0], depth):
        for b in range(begin, end):
            for k in range(chunk, min(chunk + depth, steps.shape[0])):
                last = rows - (done + k + 1 if cut_last else 0)
                first = max(b * band - (k - chunk), done + k if cut_first else 0)
                stop = min((b + 1) * band - (k - chunk), last)
                # the dual: rows that have one below, then the last row of the image but for its last pixel
                row, upto = first, min(stop, rows - 1)
                end_of_dual = upto if free_row else stop
                while row < end_of_dual:
                    o, e, n = row * columns, upto * columns, columns
                    if upto == rows:
                        e, n = e - 1, 0
                    pixel, below, right = xbar[o:e], xbar[o + n : e + n], xbar[o + 1 : e + 1]
                    if sy.size > 0:
                        if isotropic:
                            _scaled_dual_isotropic(
                                py[o:e], px[o:e], pixel, below, right, mask, sy[o:e], sx[o:e], steps[k, 1], radius, floor
                            )
                        else:
                            _scaled_dual_anisotropic(
                                py[o:e], px[o:e], pixel, below, right, mask, sy[o:e], sx[o:e], steps[k, 1], radius
                            )
                    elif isotropic:
                        _dual_isotropic(py[o:e], px[o:e], pixel, below, right, mask, steps[k, 1], radius, floor)
                    else:
                        _dual_anisotropic(py[o:e], px[o:e], pixel, below, right, mask, steps[k, 1], radius)
                    if free_column:
                        for j in range(o + columns - 1, e, columns):
                            py[j] = 0
                    row, upto = upto, stop
                # the primal: the first row of the image, then rows that have one above
                row = max(first, done + k + 1 if cut_first else 0)
                while row < stop:
                    o, e = row * columns, (stop if row > 0 else 1) * columns
                    above, left = none, first_left
                    if row > 0:
                        above, left = py[o - columns : e - columns], px[o - 1 : e - 1]
                    else:
                        _shift(first_left, px)
                    if sy.size > 0:
                        above_sy, left_sx = none, first_sx
                        if row > 0:
                            above_sy, left_sx = sy[o - columns : e - columns], sx[o - 1 : e - 1]
                        else:
                            _shift(first_sx, sx)
                        _scaled_primal(
                            x[o:e], xbar[o:e], above, py[o:e], left, px[o:e], above_sy, sy[o:e], left_sx, sx[o:e], y[o:e],
                            soft, lo, hi, steps[k],
                        )  # fmt: skip
                    else:
                        _primal(x[o:e], xbar[o:e], above, py[o:e], left, px[o:e], y[o:e], soft, lo, hi, steps[k])
                    row = e // columns


@jit_sum
def _sums(pixel, below, right, down, across, above, py, left, px, y, isotropic, radius, soft, lo, hi):
    """The sums of one long row, in float64; see `certificate`."""
    gap, value, loss, data, size = 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(pixel.size):
        t, v = np.float64(pixel[j]), np.float64(y[j])
        dy = (np.float64(below[j]) - t) * down[j]
        dx = (np.float64(right[j]) - t) * across[j]
        length = radius * (np.sqrt(dx * dx + dy * dy) if isotropic else abs(dx) + abs(dy))
        value += length
        gap += length - (dx * px[j] + dy * py[j])
        u = v - ((np.float64(above[j]) - py[j]) + (np.float64(left[j]) - px[j]))
        best = max(u - soft, 0.0) + min(u + soft, 0.0)
        best = min(max(best, lo), hi)
        loss += 0.5 * (t - best) * (t + best - 2 * u) + soft * (abs(t) - abs(best))
        data += 0.5 * (t - v) * (t - v)
        size += abs(t)
    return gap, value, loss, data, size


@jit_sum
def _scaled_sums(
    pixel, below, right, down, across, above, py, left, px, above_sy, sy, left_sx, sx, y, isotropic, radius, soft, lo, hi
):
    """`_sums` with the differences scaled."""
    gap, value, loss, data, size = 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(pixel.size):
        t, v = np.float64(pixel[j]), np.float64(y[j])
        dy = (np.float64(below[j]) - t) * (down[j] * sy[j])
        dx = (np.float64(right[j]) - t) * (across[j] * sx[j])
        length = radius * (np.sqrt(dx * dx + dy * dy) if isotropic else abs(dx) + abs(dy))
        value += length
        gap += length - (dx * px[j] + dy * py[j])
        u = v - ((above[j] * above_sy[j] - py[j] * sy[j]) + (left[j] * left_sx[j] - px[j] * sx[j]))
        best = max(u - soft, 0.0) + min(u + soft, 0.0)
        best = min(max(best, lo), hi)
        loss += 0.5 * (t - best) * (t + best - 2 * u) + soft * (abs(t) - abs(best))
        data += 0.5 * (t - v) * (t - v)
        size += abs(t)
    return gap, value, loss, data, size


@jit
def certificate(sums, x, py, px, y, sy, sx, columns, isotropic, without_dual, radius, soft, lo, hi, band, begin, stop_band):
    """For each band of rows from `begin` to `stop_band`, in float64, sums over its pixels in sums[band].

    They are of w h(Kx) - <p, Kx>; w h(Kx); what x loses against the primal that p induces in
    1/2 ||x - y||^2 + <K^T p, x> + soft |x| within [lo, hi]; 1/2 (x - y)^2; |x|. No term of the first and the third is
    negative for a feasible p. `without_dual` as in `sweep`: pixels without a dual cost nothing.
    """
    x, py, px, y, sy, sx = borrowed(x), borrowed(py), borrowed(px), borrowed(y), borrowed(sy), borrowed(sx)
    rows = x.size // columns
    across = _mask(min(band, rows) * columns, columns, x)
    down = across if without_dual[1] else np.ones(across.size, x.dtype)
    none = np.zeros(columns, x.dtype)
    row, end = np.empty(columns, x.dtype), np.empty(columns, x.dtype)
    no_scale, first_sx = np.zeros(columns, sy.dtype), np.zeros(columns, sy.dtype)
    for b in range(begin, stop_band):
        for i in range(5):
            sums[b, i] = 0.0
        first, stop = b * band, min((b + 1) * band, rows)
        while first < stop:
            # the first and the last row of the image by themselves
            last = 1 if first == 0 else (rows if first == rows - 1 else min(stop, rows - 1))
            o, e = first * columns, last * columns
            above, left = none, row
            if first > 0:
                above, left = py[o - columns : e - columns], px[o - 1 : e - 1]
            else:
                _shift(row, px)
            below, right = x[o:e], end
            if last < rows:
                below, right = x[o + columns : e + columns], x[o + 1 : e + 1]
            else:
                # beside the last pixel stands itself
                for j in range(columns):
                    end[j] = x[min(o + 1 + j, e - 1)]
            cost = 0.0 if without_dual[0] and last == rows and first == rows - 1 else radius
            if sy.size > 0:
                above_sy, left_sx = no_scale, first_sx
                if first > 0:
                    above_sy, left_sx = sy[o - columns : e - columns], sx[o - 1 : e - 1]
                else:
                    _shift(first_sx, sx)
                part = _scaled_sums(
                    x[o:e], below, right, down, across, above, py[o:e], left, px[o:e], above_sy, sy[o:e], left_sx, sx[o:e],
                    y[o:e], isotropic, cost, soft, lo, hi,
                )  # fmt: skip
            else:
                part = _sums(
                    x[o:e], below, right, down, across, above, py[o:e], left, px[o:e], y[o:e], isotropic, cost, soft, lo, hi
                )  # fmt: skip
            for i in range(5):
                sums[b, i] += part[i]
            first = last


@jit
def sweep_each(x, xbar, p, y, columns, isotropic, radius, soft, lo, hi, steps, done, count, band, chosen):
    """`sweep` for each of the chosen images x[i], p[i] = (py, px): count[i] iterations after the done[i] of before."""
    x, xbar, p, y, steps = borrowed(x), borrowed(xbar), borrowed(p), borrowed(y), borrowed(steps)
    bands = (x.shape[1] // columns + band - 1) // band
    for i in chosen:
        some = steps[done[i] : done[i] + count[i]]
        no, as_they_are = (False, False), x[i, :0]
        sweep(
            x[i], xbar[i], p[i, 0], p[i, 1], y[i], as_they_are, as_they_are, columns, isotropic, no, radius, soft, lo, hi, some,
            no, 1, 0, band, 0, bands,
        )  # fmt: skip


@jit
def certificate_each(sums, x, p, y, columns, isotropic, radius, soft, lo, hi, band, chosen):
    """`certificate` for each of the chosen images, in sums[i]."""
    x, p, y = borrowed(x), borrowed(p), borrowed(y)
    for i in chosen:
        no, bands, none = (False, False), sums.shape[1], x[i, :0]
        certificate(
            sums[i], x[i], p[i, 0], p[i, 1], y[i], none, none, columns, isotropic, no, radius, soft, lo, hi, band, 0, bands
        )
