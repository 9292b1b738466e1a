"""Small images solved whole in one kernel: iterations, certificates, when to check and when to stop, without Python between.

What `solvers.driver.run` does with one image is done here with each of many. A call ends after so many pixels times iterations,
and the next one goes on from there. An image that goes no usual way is left to the driver.
"""

import math

import numpy as np

from ..arrays.roundoff import UNIT
from ._jit import jit
from .pace import first_check, iterations_ahead
from .region_means import flatten
from .rounding import of_loss, of_part
from .total_variation_2d import MARGIN, certificate, sweep

#: how an image ended: not yet, the gap met the tolerance, the limit of iterations, left to the driver
RUNNING, MET, LIMIT, LEFT = -1, 0, 1, -2

#: what is found of an image: F(x), its gap, the data term, w h(Kx), |x|_1, what of the gap is for rounding, the iterations, how
#: it ended, the number of checks
FUN, GAP, DATA, VALUE, SIZE, ROUNDING, NIT, STATUS, CHECKS = range(FIELDS := 9)

#: what the solves share: when to stop
TOL, MAXITER = range(2)
#: the first step, its acceleration, where it is held, tau sigma, over-relaxation, the threshold of the primal step, and the
#: checks without a smaller gap after which the step is held
TAU, GAMMA, LEAST, PRODUCT, RELAXATION, SOFT, HOLD = range(2, 9)
#: for the rounding of certificates: numbers in a group and in the dual, the most that K^T p is long, roundings in it, the
#: length of the thresholds; how many times longer than y K^T p may be before it is measured
GROUP, DUAL, REACH, ROUNDINGS, CUT, BEYOND = range(9, 15)
#: the most that an image of length 1 costs, eps of the dtype, the sizes of the largest pixel between which an image is solved
#: as it is, bounds, whether constant images cost nothing, and below which size of its dual a difference is taken for 0 in the
#: end, 0 where none is
SPREAD, EPS, SMALLEST, LARGEST, LO, HI, FREE, JOINED = range(15, 23)
NUMBERS = 23

#: where a call left off: the place among the chosen images, whether that one has begun, its iterations, those at the next
#: check, the step, where it is held, the iterations and the relative gap at the last check, the checks without a smaller gap,
#: the length of y, F of the best image that costs nothing, and the last gap, and its iterations, that was smaller by a tenth
PLACE, BEGUN, DONE, NEXT, STEP, HELD, BEFORE, GAP_BEFORE, WORSE, LENGTH, TRIVIAL, FALLEN, SINCE = range(STATE := 13)


@jit
def _three(memory, first, apart, size):
    """Planes of the memory, from that one on."""
    a, b, c = first * apart, (first + 1) * apart, (first + 2) * apart
    return memory[a : a + size], memory[b : b + size], memory[c : c + size]


@jit
def _load(image, x, y, columns, limits, numbers, state):
    """Write the image into y, and into x what the dual 0 induces; whether it is solved as it is."""
    total, largest, finite = 0.0, 0.0, True
    for i in range(image.shape[0]):
        row = MARGIN + i * columns
        for j in range(image.shape[1]):
            v = image[i, j]
            y[row + j] = v
            if limits is not None:
                t = np.float64(v)
                t = max(t - limits[0], 0.0) + min(t + limits[0], 0.0)
                x[row + j] = min(max(t, limits[1]), limits[2])
            else:
                x[row + j] = v
            total += np.float64(v)
            largest = max(largest, abs(np.float64(v)))
            finite &= abs(v) < np.inf
    mean = total / image.size if numbers[FREE] > 0 else 0.0
    squares, spread = 0.0, 0.0
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            v = np.float64(image[i, j])
            squares += v * v
            spread += (v - mean) * (v - mean)
    state[LENGTH] = math.sqrt(squares)
    state[TRIVIAL] = 0.5 * spread if numbers[LO] <= mean <= numbers[HI] else np.inf
    return finite and (largest == 0.0 or numbers[SMALLEST] <= largest < numbers[LARGEST])


@jit
def _measure(sums, numbers, pixels, length, no_dual, found):
    """F, the gap and their terms from the sums of the rows, as `Denoising.measure`."""
    own, value, loss, data, size = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(sums.shape[0]):
        own += sums[i, 0]
        value += sums[i, 1]
        loss += sums[i, 2]
        data += sums[i, 3]
        size += sums[i, 4]
    loss = max(loss, 0.0)
    gap, off = loss + max(own, 0.0), 0.0
    if gap > 0 or numbers[SOFT] > 0 or not no_dual:
        cut = min(numbers[CUT], length + numbers[REACH])
        off = of_part(value, own, numbers[GROUP], numbers[DUAL]) + UNIT * pixels * loss
        off += of_loss(loss, data, length, numbers[REACH], cut, numbers[ROUNDINGS])
    found[FUN], found[GAP], found[DATA] = data + value + numbers[SOFT] * size, gap + off, data
    found[VALUE], found[SIZE], found[ROUNDING] = value, size, off


@jit
def _is_unusual(fun, gap, rel_gap, numbers, state):
    """Not finite; no better than what costs nothing; an objective of the size of rounding; a weight beyond reach; a stall."""
    eps, length = numbers[EPS], state[LENGTH]
    if not (fun < np.inf and gap < np.inf):
        return True
    if state[DONE] > 0 and state[TRIVIAL] <= fun * (1 + 1e-6):
        return True
    if numbers[REACH] > numbers[BEYOND] * length:
        return True
    if gap < 0.9 * state[FALLEN]:
        state[FALLEN], state[SINCE] = gap, state[DONE]
    # as `driver._Stall`, which then has the say
    if rel_gap > numbers[TOL] and state[DONE] - state[SINCE] >= max(200.0, state[SINCE]):
        return True
    # as little as what is stored may make of 0, see `problems.rounding_floor`
    return fun > 0 and fun <= 4 * eps * length * (numbers[SPREAD] + eps * length)


@jit
def _checked(found, best, numbers, state, planes, kept, is_linear):
    """What becomes of the image after a check: how it ended, or RUNNING; the best planes so far are kept."""
    fun, gap = found[FUN], found[GAP]
    rel_gap = 0.0 if gap == 0 else (gap / fun if fun > 0 else np.inf)
    best[CHECKS] += 1
    if _is_unusual(fun, gap, rel_gap, numbers, state):
        return LEFT
    if gap <= best[GAP] or best[CHECKS] == 1 or rel_gap <= numbers[TOL]:
        state[WORSE] = 0
        for k in range(ROUNDING + 1):
            best[k] = found[k]
        # what met the tolerance is where it is
        if rel_gap > numbers[TOL]:
            for k in range(3):
                for i in range(planes[k].size):
                    kept[k][i] = planes[k][i]
    else:
        state[WORSE] += 1
        if state[WORSE] == numbers[HOLD]:
            state[HELD] = np.inf
    nit = int(state[DONE])
    best[NIT] = nit
    if rel_gap <= numbers[TOL]:
        return MET
    if nit >= numbers[MAXITER]:
        return LIMIT
    ahead = first_check(fun, gap, state[TRIVIAL], numbers[TOL])
    if nit > 0:
        ahead = iterations_ahead(nit, rel_gap, numbers[TOL], int(state[BEFORE]), state[GAP_BEFORE], is_linear)
    state[BEFORE], state[GAP_BEFORE] = state[DONE], rel_gap
    state[NEXT] = min(nit + ahead, numbers[MAXITER])
    return RUNNING


@jit
def relaxed_steps(steps, tau, gamma, least, product, relaxation, soft, ends):
    """Rows of steps as `sweep` takes them, the last without over-relaxation where it `ends`; the step that comes after them."""
    for k in range(steps.shape[0]):
        inverse = 1.0 / (1.0 + tau)
        steps[k, 0] = tau
        steps[k, 1] = product / tau
        steps[k, 2] = inverse
        steps[k, 3] = relaxation
        steps[k, 4] = tau * soft * inverse
        if tau > least:
            tau *= 1.0 / math.sqrt(1.0 + 2.0 * gamma * tau)
    if ends:
        steps[steps.shape[0] - 1, 3] = 1
    return tau


@jit
def total_variation(
    images, chosen, x_out, p_out, found, history, numbers, state, budget, memory, apart, mask, columns, radius, limits,
    anisotropic, weight, exact_limits,
):  # fmt: skip
    """Solve the chosen gray images under total variation, until all are or the budget of pixels times iterations is spent.

    What is found goes to x_out, p_out and found, at each one's place; of checks (iterations, F, gap) as many to history as it
    has rows. `memory` holds y, x, down, across, the last three once more, and the ring of `total_variation_2d.sweep`, so far
    apart; the other settings are as there, limits in the images' type and exactly.
    Returns whether all are solved; elsewhere the next call goes on from `state`.
    """
    size = images.shape[1] * columns + 2 * MARGIN
    y, ring = memory[:size], memory[7 * apart : 7 * apart + 2 * (columns + MARGIN)].reshape(1, 2, columns + MARGIN)
    x, down, across = planes = _three(memory, 1, apart, size)
    kept = _three(memory, 4, apart, size)
    rows, pixels = images.shape[1], images.shape[1] * images.shape[2]
    sums, now = np.empty((rows, 5)), np.zeros(FIELDS)
    band = max(1, 4096 // columns)
    bands = (rows + band - 1) // band
    while state[PLACE] < chosen.size:
        one = chosen[int(state[PLACE])]
        best, status = found[one], RUNNING
        if state[BEGUN] == 0:
            for k in range(FIELDS):
                best[k] = 0.0
            down[:] = 0
            across[:] = 0
            state[BEGUN], state[DONE], state[NEXT], state[STEP], state[HELD] = 1, 0, 0, numbers[TAU], numbers[LEAST]
            state[BEFORE], state[GAP_BEFORE], state[WORSE] = 0, np.inf, 0
            state[FALLEN], state[SINCE] = np.inf, 0
            if not _load(images[one], x, y, columns, exact_limits, numbers, state):
                status = LEFT
        while status == RUNNING:
            if state[DONE] < state[NEXT]:
                n = int(min(state[NEXT] - state[DONE], max(1.0, budget // pixels)))
                steps = np.empty((n, 5), x.dtype)
                state[STEP] = relaxed_steps(
                    steps, state[STEP], numbers[GAMMA], state[HELD], numbers[PRODUCT], numbers[RELAXATION], numbers[SOFT],
                    state[DONE] + n == state[NEXT],
                )  # fmt: skip
                sweep(
                    x, down, across, y, None, ring, mask, columns, radius, limits, anisotropic, None, steps, (False, False),
                    1, 0, band, 0, bands,
                )  # fmt: skip
                state[DONE] += n
                budget -= n * pixels
            if state[DONE] == state[NEXT]:
                certificate(sums, x, down, across, y, None, mask, columns, weight, exact_limits, anisotropic, None, 0, rows)
                _measure(sums, numbers, pixels, state[LENGTH], state[DONE] == 0, now)
                check = int(best[CHECKS])
                if check < history.shape[0]:
                    history[check, 0], history[check, 1], history[check, 2] = state[DONE], now[FUN], now[GAP]
                status = _checked(now, best, numbers, state, planes, kept, anisotropic is not None)
            if status == RUNNING and budget <= 0:
                return False
        best[STATUS] = status
        if status != LEFT:
            ended = planes if status == MET else kept
            _store(x_out[one], p_out, one, ended, columns)
            # isotropic total variation gains little from it: only where it may decide
            if numbers[JOINED] > 0 and best[GAP] > 0 and (anisotropic is not None or status == LIMIT):
                _flatten(x_out[one], ended, columns, anisotropic is None, numbers)
                certificate(
                    sums, ended[0], ended[1], ended[2], y, None, mask, columns, weight, exact_limits, anisotropic, None, 0, rows
                )
                _measure(sums, numbers, pixels, state[LENGTH], False, now)
                most = max(numbers[TOL], best[GAP] / best[FUN]) * now[FUN] if status == MET else np.inf
                if now[GAP] <= min(best[GAP], most):
                    for k in range(ROUNDING + 1):
                        best[k] = now[k]
                    _store(x_out[one], p_out, one, ended, columns)
        state[PLACE], state[BEGUN] = state[PLACE] + 1, 0
        if budget <= 0:
            return state[PLACE] >= chosen.size
    return True


@jit
def _flatten(x, planes, columns, isotropic, numbers):
    """Make flat, in its plane, the regions of x that the dual shows, see `region_means.flatten`; zeros stay under L1."""
    rows, pixels = x.shape[0], x.size
    joined, flat, label = np.zeros((3, pixels), np.bool_), x.copy().reshape(-1), np.empty(pixels, np.int32)
    least = x.dtype.type(numbers[JOINED])
    for i in range(rows):
        row = MARGIN + i * columns
        for j in range(x.shape[1]):
            k, down, across = i * x.shape[1] + j, planes[1][row + j], planes[2][row + j]
            if isotropic:
                joined[0, k] = down * down + across * across < least * least
            else:
                joined[1, k] = abs(down) < least
                joined[2, k] = abs(across) < least
    flatten(flat, label, joined, isotropic, 1, rows, x.shape[1])
    for i in range(rows):
        row = MARGIN + i * columns
        for j in range(x.shape[1]):
            v = flat[i * x.shape[1] + j]
            if numbers[FREE] == 0 and x[i, j] == 0:
                v = x[i, j]
            v = v if v > numbers[LO] else x.dtype.type(numbers[LO])
            planes[0][row + j] = v if v < numbers[HI] else x.dtype.type(numbers[HI])


@jit
def _store(x_out, p_out, one, planes, columns):
    for i in range(x_out.shape[0]):
        row = MARGIN + i * columns
        for j in range(x_out.shape[1]):
            x_out[i, j] = planes[0][row + j]
            if p_out.size > 0:
                p_out[one, 0, i, j] = planes[1][row + j]
                p_out[one, 1, i, j] = planes[2][row + j]
