"""Regions on a zero background: which pixels are zero, and what the others are, by two kinds of convex problems in turn."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..arrays.checks import check_number, check_weight


@dataclasses.dataclass(frozen=True)
class Regions:
    """Contiguous regions on exact zeros, their values kept, by convex problems in turn that ``E(x, S)`` below guides.

    ``E(x, S) = D(A x; y) + w TV_S(x) + sigma^2 (contour |boundary of S| + area |S|)`` over images x that are 0 outside the set
    S of pixels; TV_S adds up the differences inside S alone, so that the contrast to the zeros costs nothing and is kept. With
    S held, x solves a convex problem; with x held, S is a level set of one (see Notes). It starts from total variation with an
    automatic weight, and a piece of S stays only where it lowers E by more than noise does in one image of a hundred. Behind an
    operator the image that is judged is a step of gradient descent from the deblurred one.

    Parameters
    ----------
    weight : float, optional
        w, of total variation, in units of the image; by a rule where it is left out, as for `TotalVariation`.
    contour : float
        The cost of a unit of boundary, in squares of the noise's standard deviation sigma. Smaller follows noise, larger rounds
        corners.
    area : float
        The cost of a pixel that is not zero, in the same unit, for each channel.
    corner : float
        Differences inside S of this many sigma count half in the last stages, larger ones less: edges inside a region are kept.
    factor : float
        What w is multiplied by in these stages, as their edges cost less.
    stages : int
        How many of them, >= 0.
    false_alarms : float
        The probability that anything at all is left of an image of noise, between 0 and 1; by a law of white noise without an
        operator and weights of 0.65 sigma and more (1 for signals, 0.55 for volumes). Of less than some 300 pixels of noise
        more is left, as noise and weight are found less well.

    Notes
    -----
    S for a given x is the minimiser of ``sum_S f + contour |boundary of S|`` with ``f = area - x (y - x/2) / sigma^2``, the
    logarithm of a likelihood ratio: a pixel belongs to a region where it is nearer to the region's level than to zero. It is
    the level set ``u > 0`` of total variation denoising of -f with the weight `contour` (Chambolle, EMMCVPR 2005; Chan,
    Esedoglu & Nikolova, SIAM J. Appl. Math. 2006). Each problem is convex and certified, the whole is neither: a procedure of
    three cuts and two problems of values, and no minimisation of E to its end. Everything is in units of sigma, which is
    estimated or given.

    Examples
    --------
    >>> import numpy as np, proxsparse
    >>> truth = proxsparse.phantoms.regions((64, 64))
    >>> result = proxsparse.solve(proxsparse.phantoms.add_noise(truth, 0.1), "regions")
    >>> int(result.regions.max()), float(np.mean((result.x == 0) == (truth == 0))) > 0.99
    (5, True)
    """

    weight: float | None = None
    contour: float = 1.3
    area: float = 0.1
    corner: float = 4.0
    factor: float = 1.2
    stages: int = 1
    false_alarms: float = 0.01

    def __post_init__(self) -> None:
        if self.weight is not None:
            object.__setattr__(self, "weight", check_weight(self.weight))
        for name in ("contour", "area", "corner", "factor", "false_alarms"):
            object.__setattr__(self, name, check_number(getattr(self, name), name))
        for name in ("contour", "corner", "factor"):
            if getattr(self, name) == 0:
                raise ValueError(f"{name} must be > 0, got 0")
        if not 0 < self.false_alarms < 1:
            raise ValueError(f"false_alarms must be between 0 and 1, got {self.false_alarms!r}")
        if isinstance(self.stages, bool) or not isinstance(self.stages, (int, np.integer)) or self.stages < 0:
            raise ValueError(f"stages must be an integer >= 0, got {self.stages!r}")

    @property
    def parts(self) -> tuple[Regions, ...]:
        """Itself: it takes part in no sum."""
        return (self,)

    def with_weight(self, weight: float) -> Regions:
        """Return the same with that weight."""
        return dataclasses.replace(self, weight=weight)
