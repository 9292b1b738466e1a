"""An image, the dual that bounds how far it is from the minimiser, and that bound."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

from ..arrays.numbers import Array
from ..dual.prox import relative_gap
from ..dual.running import Running


@dataclasses.dataclass
class Certificate:
    """An image x, a dual p (and q), F(x), and the gap F(x) - G(p, q) >= F(x) - F* that they certify."""

    x: Array
    p: Array
    #: the dual of the data term, where a solver works on one
    q: Array | None
    fun: float
    gap: float
    data: float
    values: list[float]
    certified: bool = True
    #: where not certified: the stationarity residual and the complementarity, both relative
    residual: float = 0.0
    #: how much of the gap is there for what rounding may hide
    rounding: float = 0.0
    #: whether F(x) is no more than what storing x in its dtype may make of 0
    negligible: bool = False
    #: whether x and p are arrays of its own, that nobody else holds
    owned: bool = False

    @property
    def rel_gap(self) -> float:
        """gap / F(x), 0 where the gap is 0 or F(x) as far as the dtype can tell."""
        return 0.0 if self.negligible else relative_gap(self.gap, self.fun)

    def copy(self, into: Certificate | None = None) -> Certificate:
        """Return a certificate that does not share the solver's arrays, but takes those of an earlier copy that is given up."""
        if into is None or into.p.shape != self.p.shape:
            x, p = self.x.copy(), self.p.copy()
        else:
            x, p = into.x, into.p
            x[...], p[...] = self.x, self.p
        kept = copy.copy(self)
        kept.x, kept.p = x, p
        kept.q = None if self.q is None else self.q.copy()
        return kept


class LiveCertificate(Certificate):
    """That of iterations under way: the image and its dual are copied out when they are asked for, if before the next ones."""

    def __init__(self, running: Running, fun: float, gap: float, data: float, values: list[float], *, rounding: float) -> None:
        self.running, self.q, self.owned = running, None, True
        self.fun, self.gap, self.data, self.values, self.rounding = fun, gap, data, values, rounding

    def copy(self, into: Certificate | None = None) -> Certificate:
        """Itself, once it holds the image and the dual: they are its own."""
        _ = self.x
        return self

    def __getattr__(self, name: str) -> Any:
        if name not in ("x", "p"):
            raise AttributeError(name)
        self.x, self.p = self.running.pair()
        return getattr(self, name)
