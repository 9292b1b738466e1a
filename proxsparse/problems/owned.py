"""What a problem owns: things that are found of it when they are first asked for."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .problem import Problem


class Owned:
    """Something of a problem. It does not keep the problem alive: images are freed with the last one who knows them."""

    def __init__(self, problem: Problem) -> None:
        self._owner = weakref.ref(problem)

    @property
    def problem(self) -> Problem:
        """The problem that this is of."""
        problem = self._owner()
        assert problem is not None
        return problem
