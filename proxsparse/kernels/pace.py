"""When to check next, from the gaps of the last two checks: the same number in Python and in kernels, on every processor.

Of + - * / and exact operations on exponents alone: logarithms of system libraries differ in their last bits.
"""

import math

from ._jit import in_both


@in_both
def log2(value: float) -> float:
    """The binary logarithm of a number > 0, to 1e-7."""
    mantissa, exponent = math.frexp(value)
    if mantissa < 0.7071067811865476:
        mantissa, exponent = 2.0 * mantissa, exponent - 1
    s = (mantissa - 1.0) / (mantissa + 1.0)
    square = s * s
    # 2 / log(2) times the series of the inverse hyperbolic tangent
    series = 0.3205988979754447 * square + 0.4121985831112861
    series = (series * square + 0.5770780163557843) * square + 0.9617966939259756
    return exponent + (series * square + 2.8853900817779268) * s


@in_both
def exp2(value: float) -> float:
    """Two to the power of a number within the range of exponents, to 1e-7 of it."""
    whole = math.floor(value)
    t = (value - whole) * 0.6931471805599453
    series = 1.0 + t * (1.0 / 7.0) * (1.0 + t * 0.125)
    for k in (6.0, 5.0, 4.0, 3.0, 2.0, 1.0):
        series = 1.0 + t / k * series
    return math.ldexp(series, int(whole))


#: the power of the iterations by which a gap falls, where there is no check to tell it, and the least and the most believed
_RATE, _RATES = 2.6, (1.0, 5.0)


@in_both
def first_check(fun: float, gap: float, reach: float, tol: float) -> int:
    """After how many iterations to check first, from F and its gap at the start, and the most that K^T p is long.

    How large the weight is beside the differences of neighbours says how far there is to go: under total variation, whose
    F is the weight times those, a gap of 1e-3 takes from the image itself some 42 (reach^2 / 23F)^1.07 iterations, beyond 42 to
    the power 0.3, to within a quarter on ten images of several noises and weights, and a decade more twice as many.
    """
    if not (fun > 0.0 and 0.5 * fun < gap < math.inf and 0.0 < reach < math.inf and tol > 0.0):
        return 10
    # differences of logarithms: squares and quotients may overflow
    far = 2.0 * log2(reach) - log2(fun) - 4.5
    expected = 5.4 + (1.07 if far < 0.0 else 0.3) * far + 0.28 * (log2(1e-3) - log2(tol))
    return int(exp2(min(max(expected, 2.0), 6.6)))


@in_both
def iterations_ahead(nit: int, gap: float, tol: float, before: int, gap_before: float, is_linear: bool) -> int:
    """How many iterations after a check at `nit` a relative gap should meet `tol`, at most twice as many again.

    It is expected to fall by a power of the iterations, the one that it followed since the check before, or where convergence
    is linear exponentially, if that is sooner.
    """
    if not (tol > 0.0 and tol < gap < math.inf):
        return nit
    left = log2(gap) - log2(tol)
    rate = _RATE
    exponential = math.inf
    if before > 0 and gap < gap_before < math.inf:
        fallen = log2(gap_before) - log2(gap)
        rate = min(max(fallen / log2(nit / before), _RATES[0]), _RATES[1])
        if is_linear and fallen > 0.0:
            exponential = (nit - before) * left / fallen
    further = nit * (exp2(min(left / rate, 40.0)) - 1.0)
    return int(min(max(min(further, exponential) + 1.0, 2.0, nit / 24.0), 2.0 * nit))
