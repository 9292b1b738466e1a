"""What holds for all stages of a call: the callback's word and the time."""

import numpy as np
import pytest
from examples import stopping_after

from proxsparse import Regions, Reweighted, TotalVariation, phantoms, solve

NOISY = phantoms.add_noise(phantoms.regions((48, 48)), 0.1)
PENALTIES = [Reweighted(TotalVariation(0.1), solves=3), Regions(0.1)]


@pytest.mark.parametrize("penalty", PENALTIES, ids=["reweighted", "regions"])
def test_a_callback_stops_all_stages_wherever_it_does(penalty):
    """At the end of a stage too, which has met its tolerance then."""
    seen = []
    solve(NOISY, penalty, callback=lambda intermediate_result: seen.append(intermediate_result.rel_gap <= 1e-4))
    ends = [i for i, met in enumerate(seen) if met]
    assert len(ends) > 1
    for last in (0, ends[0]):
        stop, calls = stopping_after(last + 1)
        with pytest.warns(UserWarning, match="callback"):
            stopped = solve(NOISY, penalty, callback=stop)
        assert (stopped.status, stopped.success, len(calls)) == (3, False, last + 1)
        assert np.isfinite(stopped.x).all()


@pytest.mark.parametrize("penalty", PENALTIES, ids=["reweighted", "regions"])
def test_the_time_is_that_of_all_stages(penalty):
    with pytest.warns(UserWarning, match="time"):
        result = solve(NOISY, penalty, tol=0, options={"maxtime": 0.01, "maxiter": 10**6})
    assert result.status == 2
    # whatever is compiled on the way included
    assert result.time < 5
    stages = result.get("stages", [])
    assert [stage["success"] for stage in stages] == [True] * (len(stages) - 1) + [False] * bool(stages)
