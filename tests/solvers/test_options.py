"""Options of solves."""

import os

import pytest
from examples import image_of

from proxsparse import solve, solve_batch
from proxsparse.solvers.options import parse


def test_workers_may_be_one_a_core(monkeypatch):
    """As many as the process may use, where that is known."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 5}, raising=False)
    assert parse("exact", {"workers": -1}).workers == 3
    assert parse("exact", {"workers": None}).workers == 1
    y = image_of((40, 41))
    assert solve(y, "tv", 0.2, options={"workers": -1}).x.tobytes() == solve(y, "tv", 0.2).x.tobytes()
    assert (solve_batch([y, y], "tv", 0.2, workers=-1).x == solve(y, "tv", 0.2).x).all()
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert parse("exact", {"workers": -1}).workers == 7


@pytest.mark.parametrize("workers", [0, -2])
def test_other_numbers_of_workers_are_refused(workers):
    with pytest.raises(ValueError, match=r"option workers must be >= 1, got .*; -1 stands for all cores"):
        solve(image_of((4, 5)), "tv", 0.2, options={"workers": workers})
