"""A posed problem bound to its image: the terms of its penalty, and its data term with the weights that are worked with."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..arrays.numbers import Array, total
from ..data_terms import DataTerm
from ..dual.term import Term
from .posed import Posed

#: least over largest data weight below which pixels are as good as not measured
_LITTLE = 1e-4
#: what pixels of next to no weight may be of the data term where they are left out of the work
_FAINT = 1e-6


@dataclasses.dataclass(frozen=True, eq=False)
class Measured:
    """The terms, the data term, and the weights of the data; None where all are 1."""

    terms: tuple[Term, ...]
    data: DataTerm
    m: Array | None
    #: the data term of what the weights worked with lack of those given: it is measured
    faint: DataTerm | None
    #: whether the minimiser is known pixel by pixel: no operator, least squares, and parts that are all w|x|
    is_pixelwise: bool

    @classmethod
    def of(cls, posed: Posed) -> Measured:
        """Bind the parts and the data term of a posed problem."""
        terms = tuple(q.bind(posed.shape) for q in posed.parts)
        is_pixelwise = posed.operator is None and posed.data.quadratic and all(q.threshold is not None for q in terms)
        m, faint = posed.m, None
        if m is not None:
            m, faint = _working_weights(posed.data, posed.y, m, whole=is_pixelwise)
        return cls(terms, posed.data.bind(posed.y, m), m, faint, is_pixelwise)


def is_strong(data: DataTerm) -> bool:
    """Whether a data term without an operator is strongly convex enough to go by."""
    mu = data.mu
    return mu > 0 and mu >= _LITTLE * data.lipschitz


def _working_weights(term: DataTerm, y: Array, m: Array, whole: bool) -> tuple[Array, DataTerm | None]:
    """The weights to work with, in the dtype of y and no larger than m, and the data term of what they lack of it, if anything.

    Unless the whole is asked for, they are 0 where that is nothing beside the largest: below eps of it, and what the image
    itself is about its mean as little under them.
    """
    own = m.astype(y.dtype, copy=False)
    if (own > m).any():
        own = np.where(own > m, np.nextafter(own, y.dtype.type(0)), own)
    weak = np.broadcast_to((own > 0) & (own < np.finfo(y.dtype).eps * own.max()), y.shape)
    if not whole and weak.any():
        strong, faint = (term.bind(y, np.where(kept, own, y.dtype.type(0))) for kept in (~weak, weak))
        level = np.full(y.shape, total(strong.m * y) / total(np.asarray(strong.m)))
        if faint.value(level) <= _FAINT * strong.value(level):
            own = strong.m
    return own, None if np.array_equal(own, m) else term.bind(y, np.subtract(m, own, dtype=np.float64))
