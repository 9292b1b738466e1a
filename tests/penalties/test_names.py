"""Penalties by name: case, spaces and order do not matter, and a few names of others are known."""

import numpy as np
import pytest
from examples import image_of

from proxsparse import L1, GroupLasso, SecondOrderTV, TotalVariation, solve
from proxsparse.penalties.names import ALIASES, PENALTIES, known_as, penalty_named


@pytest.mark.parametrize(
    ("name", "penalty"),
    [
        ("TV", TotalVariation()),
        ("rof", TotalVariation()),
        ("Lasso", L1()),
        ("tv_aniso", TotalVariation(isotropic=False)),
        ("group lasso", GroupLasso(block=4)),
        ("TV + L1", TotalVariation() + L1()),
        ("tv2+tv", SecondOrderTV() + TotalVariation()),
        ("tv+lasso+tv2", TotalVariation() + L1() + SecondOrderTV()),
    ],
)
def test_a_name_in_any_spelling(name, penalty):
    assert penalty_named(name) == penalty


def test_every_name_is_known_and_sums_are_of_their_parts():
    for name in PENALTIES:
        assert known_as(name) == name
        assert repr(penalty_named(name)) == repr(PENALTIES[name]())
    assert set(ALIASES.values()) <= set(PENALTIES)
    for name in ("tvv", "tv+", "+", "", "tv+regions", "none+tv", "tv-l1"):
        assert known_as(name) is None


def test_weights_are_in_the_order_typed():
    y = image_of((12, 13))
    found, same = solve(y, "tv+l1", (0.3, 0.1), tol=1e-8), solve(y, "l1+tv", (0.1, 0.3), tol=1e-8)
    assert found.weight == (0.3, 0.1)
    assert list(found.terms) == ["data", "TotalVariation", "L1"]
    np.testing.assert_allclose(found.x, same.x, atol=1e-5)
