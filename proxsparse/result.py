"""What a solve returns, and the words for how it ended."""

from __future__ import annotations

import contextlib
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .arrays.numbers import Array
from .arrays.record import Record

#: status -> message
MESSAGES = {
    -1: "The image could not be worked with.",
    0: "The relative duality gap met the tolerance.",
    1: "The iteration limit was reached.",
    2: "The time limit was reached.",
    3: "Stopped by the callback.",
    4: "The gap stopped falling at the rounding floor of the dtype.",
    5: "The iterates became infinite or NaN.",
    6: "Stationary to the tolerance, but no certificate is known for this problem.",
}


#: what a call on one of several images warns of: the image, the text and the category
CollectedWarning = tuple[int, str, type[Warning]]

_collecting = threading.local()
#: what may stand between the line that called the package and a warning: NumPy's decorators; a layer is called by PyTorch
_BETWEEN = ("proxsparse", "torch", "numpy")


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the line that called the package, however deep inside it this is, or collect it for `warn_of_collected`."""
    collecting: tuple[list[CollectedWarning], int] | None = getattr(_collecting, "warnings", None)
    if collecting is not None:
        collecting[0].append((collecting[1], message, category))
        return
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


@contextlib.contextmanager
def collect_warnings(said: list[CollectedWarning], image: int) -> Iterator[None]:
    """Keep what is warned of in this thread, as of that image: threads have no line of the caller's to point at."""
    before = getattr(_collecting, "warnings", None)
    _collecting.warnings = said, image
    try:
        yield
    finally:
        _collecting.warnings = before


def warn_of_collected(said: Iterable[CollectedWarning]) -> None:
    """Warn once of each text that was collected, naming the images."""
    images: dict[tuple[str, type[Warning]], list[int]] = {}
    for image, message, category in said:
        images.setdefault((message, category), []).append(image)
    for (message, category), which in images.items():
        first, *others = sorted(set(which))
        more = f" (and {len(others)} more)" if others else ""
        warn(f"image {first}{more}: {message}", category)


class ConvergenceWarning(UserWarning):
    """The tolerance was not met; the result still holds the best iterate and its gap."""


class SolveResult(Record):
    """The answer of `proxsparse.solve`; fields are attributes and dictionary keys, as in scipy.optimize.

    Attributes
    ----------
    x : ndarray
        The image, of the input's dtype.
    fun : float
        F(x), the objective in the image's own units.
    gap : float
        Duality gap: ``F(x) - min F <= gap``, where `certified`, in exact arithmetic: what rounding may hide is added to it.
    rel_gap : float
        gap / fun; 0 where the gap is 0, and where no term of fun is more than storing x in its dtype may make of 0.
    x_error_bound : float
        ``||x - x*||_2 <= sqrt(2 gap / mu)``, mu the smallest data weight (1 without); infinite with an operator, and with a
        data term that is not least squares.
    certified : bool
        Whether gap is a proven bound.
    stationarity : float or None
        Where not certified: how far from stationary, relative; the residual of the optimality conditions.
    success : bool
        Whether rel_gap met the tolerance.
    status : int
        0 gap met, 1 iteration limit, 2 time limit, 3 stopped by the callback, 4 rounding floor, 5 non-finite,
        6 not certifiable.
    message : str
        The status in words.
    nit : int
        Iterations.
    method : str
        The algorithm that ran.
    weight : float or tuple
        The weight of each part of the penalty; a number where there is one part.
    weight_rule : str
        How the weight was chosen: "given", "sure", "gcv", "discrepancy", "universal", "noise", "false-alarms" or "risk-refit".
    noise_std : float or None
        The noise level that was given, or that a rule estimated.
    weight_path : dict of ndarray or None
        What a rule tried: weight (a column a weight where it chose several), score, degrees_of_freedom, residual (mean square).
    terms : dict
        The data term ("data") and the value of each part of the penalty, which add up to fun.
    dual : tuple of ndarray
        The dual of each part, as shaped by the part's `analysis`; each is inside its ball.
    data_dual : ndarray or None
        The dual of the data term, of the image's shape, where the method worked on one: with an operator or by ADMM, and a data
        term that is not least squares.
    debiased : ndarray or None
        Where ``debias=True`` asked for it: x with the contrast given back that shrinkage took away.
    history : dict of ndarray
        iteration, objective, gap and seconds at every check.
    stages : list of dict
        Of "regions" alone: the name of each convex problem on the way, its weight, fun, gap, rel_gap, certified, success, nit,
        method and time.
    regions : ndarray of int
        Of "regions" alone: the number of the connected region that a pixel belongs to (without the channel axis), 0 where x is
        the background.
    time : float
        Seconds.
    """

    x: Array
    fun: float
    gap: float
    rel_gap: float
    x_error_bound: float
    certified: bool
    stationarity: float | None
    success: bool
    status: int
    message: str
    nit: int
    method: str
    weight: Any
    weight_rule: str
    noise_std: float | None
    weight_path: dict[str, Array] | None
    terms: dict[str, float]
    dual: tuple[Array, ...]
    data_dual: Array | None
    debiased: Array | None
    history: dict[str, Array]
    time: float

    if TYPE_CHECKING:

        def __init__(self, **fields: Any) -> None: ...
