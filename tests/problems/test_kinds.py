import gc
import weakref

import numpy as np
import pytest

from proxsparse import L1, TGV, Blur, OverlappingGroupLasso, TotalVariation
from proxsparse.data_terms import Huber, LeastSquares
from proxsparse.problems.channelwise import Channelwise
from proxsparse.problems.denoising import DenoisingProblem
from proxsparse.problems.inverse import InverseProblem
from proxsparse.problems.kinds import problem_of
from proxsparse.problems.lifted import LiftedDenoisingProblem, LiftedProblem
from proxsparse.problems.pixelwise import PixelwiseProblem
from proxsparse.problems.posed import Posed

SHAPE = (1, 6, 7)
HOLE = np.ones(SHAPE)
HOLE[0, 2, 3] = 0
BLUR = Channelwise(Blur.gaussian(0.6), SHAPE)


@pytest.mark.parametrize(
    ("penalty", "about", "kind"),
    [
        (TotalVariation(0.1), {}, DenoisingProblem),
        (TotalVariation(0.1) + L1(0.1), {"lo": 0.0}, DenoisingProblem),
        (TotalVariation(0.1), {"m": 0.5 + HOLE}, DenoisingProblem),
        (TotalVariation(0.1), {"m": HOLE}, PixelwiseProblem),
        (L1(0.1), {"m": HOLE}, DenoisingProblem),
        (TotalVariation(0.1), {"data": Huber(0.1)}, PixelwiseProblem),
        (TotalVariation(0.1), {"operator": BLUR}, InverseProblem),
        (TotalVariation(0.1), {"operator": BLUR, "data": Huber(0.1)}, InverseProblem),
        (TGV(0.1), {}, LiftedDenoisingProblem),
        (TGV(0.1), {"operator": BLUR}, LiftedProblem),
        (OverlappingGroupLasso(0.1, kind="latent"), {}, LiftedDenoisingProblem),
        (OverlappingGroupLasso(0.1, kind="latent"), {"m": 0.5 + HOLE}, LiftedProblem),
        (OverlappingGroupLasso(0.1, kind="latent") + L1(0.1), {}, LiftedProblem),
        (TGV(0.0), {}, DenoisingProblem),
    ],
)
def test_which_kind_a_problem_is(penalty, about, kind, rng):
    y = rng.standard_normal(SHAPE)
    problem = problem_of(Posed(y, penalty.parts, SHAPE, **{"data": LeastSquares(), **about}))
    assert type(problem) is kind
    assert problem.image_problem.terms[0].penalty == penalty.parts[0]
    # the pair to start from is certified, or says what is missing
    found = problem.certificate(problem.start(), np.zeros(problem.stack.size))
    assert found.fun >= 0
    assert found.gap >= 0


@pytest.mark.parametrize("about", [{}, {"m": HOLE}, {"operator": BLUR}])
def test_images_are_freed_with_their_problem(about, rng):
    """What a problem owns knows it, and does not keep it."""
    y = rng.standard_normal(SHAPE)
    problem = problem_of(Posed(y, [TotalVariation(0.1)], SHAPE, **about))
    found = problem.certificate(problem.start(), np.zeros(problem.stack.size))
    owned = problem.reach, problem.repair, problem.rounding_floor, problem.trivial, problem.preconditioner
    assert owned[3].image is not None
    gone = weakref.ref(problem)
    gc.disable()
    try:
        del problem, found
        assert gone() is None
    finally:
        gc.enable()
