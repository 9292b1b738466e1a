"""Small images solved whole in one kernel: iterations, certificates, when to check and when to stop, without Python between.

What `solvers.run.run` does with one image is done here with each of many. A call ends after so many pixels times iterations,
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
def _begun(images, found, one, planes, columns, limits, numbers, state):
    """Write the image of that number into y, and into x what the dual 0 induces; whether it is solved as it is."""
    x, down, across, y = planes
    for k in range(FIELDS):
        found[one, k] = 0.0
    for i in range(x.size):
        down[i] = 0
        across[i] = 0
    state[BEGUN], state[DONE], state[NEXT], state[STEP], state[HELD] = 1, 0, 0, numbers[TAU], numbers[LEAST]
    state[BEFORE], state[GAP_BEFORE], state[WORSE], state[FALLEN], state[SINCE] = 0, np.inf, 0, np.inf, 0
    total, largest, finite = 0.0, 0.0, True
    for i in range(images.shape[1]):
        row = MARGIN + i * columns
        for j in range(images.shape[2]):
            v = images[one, i, j]
            y[row + j] = v
            if limits is not None:
                t = np.float64(v)
                t = t - limits[0] if t > limits[0] else (t + limits[0] if t < -limits[0] else 0.0)
                t = t if t > limits[1] else limits[1]
                x[row + j] = t if t < limits[2] else limits[2]
            else:
                x[row + j] = v
            total += np.float64(v)
            own = abs(np.float64(v))
            largest = own if own > largest else largest
            finite &= own < np.inf
    mean = total / (images.shape[1] * images.shape[2]) if numbers[FREE] > 0 else 0.0
    squares, spread = 0.0, 0.0
    for i in range(images.shape[1]):
        for j in range(images.shape[2]):
            v = np.float64(images[one, i, j])
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
    loss = loss if loss > 0 else 0.0
    gap, off = loss + (own if own > 0 else 0.0), 0.0
    if gap > 0 or numbers[SOFT] > 0 or not no_dual:
        cut = length + numbers[REACH]
        cut = numbers[CUT] if numbers[CUT] < cut else cut
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
    # within the tolerance what costs nothing will do, see `run._better_of`
    if state[DONE] > 0 and state[TRIVIAL] * (1 - numbers[TOL]) <= fun * (1 + 1e-6):
        return True
    if numbers[REACH] > numbers[BEYOND] * length:
        return True
    # as `run._Stall`, which then has the say
    if rel_gap > numbers[TOL] and state[DONE] - state[SINCE] >= (state[SINCE] if state[SINCE] > 200 else 200):
        return True
    # as little as what is stored may make of 0, see `problems.rounding_floor`
    return fun > 0 and fun <= 4 * eps * length * (numbers[SPREAD] + eps * length)


@jit
def _checked(now, found, one, numbers, state, planes, kept, is_linear):
    """How the image ended after a check, or RUNNING; the best planes so far are kept."""
    fun, gap = now[FUN], now[GAP]
    rel_gap = 0.0 if gap == 0 else (gap / fun if fun > 0 else np.inf)
    found[one, CHECKS] += 1
    if gap < 0.9 * state[FALLEN]:
        state[FALLEN], state[SINCE] = gap, state[DONE]
    if _is_unusual(fun, gap, rel_gap, numbers, state):
        return LEFT
    if gap <= found[one, GAP] or found[one, CHECKS] == 1 or rel_gap <= numbers[TOL]:
        state[WORSE] = 0
        for k in range(ROUNDING + 1):
            found[one, k] = now[k]
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
    found[one, NIT] = nit
    if rel_gap <= numbers[TOL]:
        return MET
    if nit >= numbers[MAXITER]:
        return LIMIT
    ahead = first_check(fun, gap, numbers[REACH], numbers[TOL])
    if nit > 0:
        ahead = iterations_ahead(nit, rel_gap, numbers[TOL], int(state[BEFORE]), state[GAP_BEFORE], is_linear)
    state[BEFORE], state[GAP_BEFORE] = state[DONE], rel_gap
    state[NEXT] = nit + ahead if nit + ahead < numbers[MAXITER] else numbers[MAXITER]
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
    images, chosen, x_out, p_out, found, history, numbers, state, budget, planes, kept, ring, sums, now, mask, columns, radius,
    limits, anisotropic, weight, exact_limits,
):  # fmt: skip
    """Solve the chosen gray images under total variation, until all are or the budget of pixels times iterations is spent.

    What is found goes to x_out, p_out and found, at each one's place; of checks (iterations, F, gap) as many to history as it
    has rows. `planes` and `kept` are x, down, across, y of `planes.Planes`, sums and now room for what is found; the other
    settings are those of `total_variation_2d.sweep`, limits in the images' type and exactly.
    Returns whether all are solved; elsewhere the next call goes on from `state`.
    """
    x, down, across, y = planes
    rows, pixels = images.shape[1], images.shape[1] * images.shape[2]
    band = 4096 // columns if columns < 4096 else 1
    bands = (rows + band - 1) // band
    while state[PLACE] < chosen.size:
        one = chosen[int(state[PLACE])]
        status = RUNNING
        if state[BEGUN] == 0 and not _begun(images, found, one, planes, columns, exact_limits, numbers, state):
            status = LEFT
        while status == RUNNING:
            if state[DONE] < state[NEXT]:
                n = int(state[NEXT] - state[DONE])
                if n * pixels > budget:
                    n = budget // pixels if budget > pixels else 1
                steps = np.empty((n, 5), x.dtype)
                state[STEP] = relaxed_steps(
                    steps, state[STEP], numbers[GAMMA], state[HELD], numbers[PRODUCT], numbers[RELAXATION], numbers[SOFT],
                    state[DONE] + n == state[NEXT],
                )  # fmt: skip
                sweep(
                    x, down, across, y, None, ring, mask, columns, radius, limits, None, anisotropic, None, steps,
                    1, band, 0, bands,
                )  # fmt: skip
                state[DONE] += n
                budget -= n * pixels
            if state[DONE] == state[NEXT]:
                certificate(sums, x, down, across, y, None, mask, columns, weight, exact_limits, anisotropic, None, 0, rows)
                _measure(sums, numbers, pixels, state[LENGTH], state[DONE] == 0, now)
                check = int(found[one, CHECKS])
                if check < history.shape[0]:
                    history[check, 0], history[check, 1], history[check, 2] = state[DONE], now[FUN], now[GAP]
                status = _checked(now, found, one, numbers, state, planes, kept, anisotropic is not None)
            if status == RUNNING and budget <= 0:
                return False
        found[one, STATUS] = status
        if status != LEFT:
            ended = planes if status == MET else kept
            _store(x_out, p_out, one, ended, columns)
            # isotropic total variation gains little from it
            if anisotropic is not None and numbers[JOINED] > 0 and found[one, GAP] > 0:
                _flatten(x_out, one, ended, columns, numbers)
                certificate(
                    sums, ended[0], ended[1], ended[2], y, None, mask, columns, weight, exact_limits, anisotropic, None, 0, rows
                )
                _measure(sums, numbers, pixels, state[LENGTH], False, now)
                # what met the tolerance goes on meeting it
                rel_gap = now[GAP] / now[FUN]
                within = status == LIMIT or rel_gap <= numbers[TOL] or rel_gap <= found[one, GAP] / found[one, FUN]
                if now[GAP] <= found[one, GAP] and within:
                    for k in range(ROUNDING + 1):
                        found[one, k] = now[k]
                    _store(x_out, p_out, one, ended, columns)
        state[PLACE], state[BEGUN] = state[PLACE] + 1, 0
        if budget <= 0:
            return state[PLACE] >= chosen.size
    return True


@jit
def _flatten(x_out, one, planes, columns, numbers):
    """Make flat, in its plane, the regions of x that the dual shows, see `region_means.flatten`; zeros stay under L1."""
    x = x_out[one]
    rows, pixels = x.shape[0], x.size
    joined, flat, label = np.zeros((3, pixels), np.bool_), x.copy().reshape(-1), np.empty(pixels, np.int32)
    least = x.dtype.type(numbers[JOINED])
    for i in range(rows):
        row = MARGIN + i * columns
        for j in range(x.shape[1]):
            k = i * x.shape[1] + j
            joined[1, k] = abs(planes[1][row + j]) < least
            joined[2, k] = abs(planes[2][row + j]) < least
    flatten(flat, label, joined, False, 1, rows, x.shape[1])
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
    for i in range(x_out.shape[1]):
        row = MARGIN + i * columns
        for j in range(x_out.shape[2]):
            x_out[one, i, j] = planes[0][row + j]
            if p_out.size > 0:
                p_out[one, 0, i, j] = planes[1][row + j]
                p_out[one, 1, i, j] = planes[2][row + j]
