"""All that a call says about its problem, in one object made at the door."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..arrays.checks import check_number, unknown
from ..data_terms import DATA, DataTerm, LeastSquares
from ..result import warn


@dataclasses.dataclass(frozen=True, eq=False)
class ProblemSpec:
    """The image, and the arguments of `solve` that say what is to be minimised beside the penalty.

    An argument of that kind is one field. How the minimiser is sought (method, tol, options, x0, callback) is none of it. What
    one argument alone shows to be wrong is refused here, the rest in `set_up`.
    """

    image: Any
    data: Any = "l2"
    background: Any = None
    spacing: Any = None
    noise_std: float | None = None
    operator: Any = None
    observed: Any = None
    bounds: Any = None
    pixel_weight: Any = None
    channel_axis: int | None = None
    ndim: int | None = None
    nan_policy: str = "raise"

    def __post_init__(self) -> None:
        if isinstance(self.data, str) and self.data not in DATA:
            raise unknown("data term", self.data, DATA)
        if not isinstance(self.data, (str, DataTerm)):
            raise TypeError(f"data must be a name or a DataTerm, got {self.data!r}")
        if self.noise_std is not None:
            object.__setattr__(self, "noise_std", check_number(self.noise_std, "noise_std"))
        if self.ndim is not None and (isinstance(self.ndim, bool) or self.ndim not in (1, 2, 3)):
            raise ValueError(f"ndim must be 1, 2 or 3, the axes beside the channels, got {self.ndim!r}")
        if self.nan_policy not in ("raise", "omit"):
            raise ValueError(f"nan_policy must be 'raise' or 'omit', got {self.nan_policy!r}")

    @functools.cached_property
    def term(self) -> DataTerm:
        """The data term of that name, or the one given."""
        return DATA[self.data]() if isinstance(self.data, str) else self.data

    @classmethod
    def from_arguments(
        cls, image: Any, arguments: Mapping[str, Any], search: Sequence[str], caller: str
    ) -> tuple[ProblemSpec, dict[str, Any]]:
        """The spec that the arguments of a call make, and the arguments of the search, which have these names."""
        known = [*FIELDS, *search]
        for name in arguments:
            if name not in known:
                raise TypeError(f"{caller} takes no {name!r}; of the arguments of solve it takes {', '.join(known)}")
        own = {name: value for name, value in arguments.items() if name in FIELDS}
        return cls(image, **own), {name: value for name, value in arguments.items() if name not in FIELDS}

    @property
    def says_axes(self) -> bool:
        """Whether anything says what the axes of the image are."""
        return not (self.channel_axis is None and self.spacing is None and self.ndim is None)

    def warn_of_axes(self, image: Any, what: str, several: str, penalty: Any = None) -> None:
        """Warn where an image that is taken for a volume looks like channels or several images, and nothing says which it is.

        `several` is what to do where the first axis numbers images. A penalty may know of voxels.
        """
        try:
            shape = np.shape(image)
        except ValueError:
            # of no shape at all, which is refused later
            return
        voxels = any(getattr(part, "spacing", None) is not None for part in getattr(penalty, "parts", ()))
        # what an operator between given shapes makes need not be an image
        of_its_own = self.operator is not None and getattr(self.operator, "out_shape", self) is not None
        if len(shape) != 3 or self.says_axes or voxels or of_its_own:
            return
        remedies = [f"channel_axis={i} where axis {i} holds channels" for i in colour_axes(shape)]
        remedies += [several] if 8 * shape[0] <= min(shape[1:]) else []
        if remedies:
            told = ", or ".join(dict.fromkeys(remedies))
            warn(f"{what} of shape {shape} is taken for a volume: give {told}; else ndim=3", UserWarning)

    def replace(self, **changes: Any) -> ProblemSpec:
        """The same with some fields changed."""
        return dataclasses.replace(self, **changes)

    def names_given(self) -> set[str]:
        """The names of the arguments that are not what they are by default."""
        # ndim only says once more what the shape and channel_axis do
        plain = {"data": type(self.term) is LeastSquares, "nan_policy": self.nan_policy == "raise", "ndim": True}
        return {name for name in FIELDS if not plain.get(name, getattr(self, name) is None)}


def colour_axes(shape: tuple[int, ...]) -> list[int]:
    """The axes that look like those of colours: 3 or 4 beside longer ones."""
    return [i for i, n in enumerate(shape) if n in (3, 4) and min(shape[:i] + shape[i + 1 :]) >= 8]


#: the arguments of `solve` that say how the minimiser is sought
SEARCH = ("x0", "method", "tol", "callback", "options", "debias")
#: the arguments beside the image
FIELDS = tuple(f.name for f in dataclasses.fields(ProblemSpec))[1:]
