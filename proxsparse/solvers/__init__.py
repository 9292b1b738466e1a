"""The algorithms, each a generator over plain arrays, and the driver that runs them.

A solver is ``steps(problem, x, p, **options)``: it yields the primal and the dual it vouches for, and is sent how many
iterations to go on. The dual is a flat vector over `problem.stack`, inside its ball.
"""

from .admm import admm
from .chambolle_pock import chambolle_pock
from .driver import run
from .fista import fista

SOLVERS = {"fista": fista, "admm": admm, "chambolle-pock": chambolle_pock}

__all__ = ["SOLVERS", "run"]
