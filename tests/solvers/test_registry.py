"""The rule of "auto"."""

import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest
from examples import image_of

from proxsparse import Blur, ConvergenceWarning, solve

KERNEL = np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16


def test_auto_is_a_fixed_rule():
    y = image_of((20, 21))
    assert solve(y, "tv", 0.2).method == "chambolle-pock"
    assert solve(y, "tv", 0.2, operator=Blur(KERNEL)).method == "admm"
    # how far it is to a measured pixel, and not their share
    far, near = np.ones(y.shape, bool), np.arange(y.size).reshape(y.shape) % 5 == 0
    far[3:17, 3:17] = False
    assert solve(y, "tv", 0.2, observed=far).method == "admm"
    assert solve(y, "tv", 0.2, observed=near).method == solve(y, "tv", 0.2, observed=~near).method == "chambolle-pock"
    assert solve(y, "tgv", 0.2, observed=far, tol=1e-2).method == "chambolle-pock"
    assert solve(y, "tv", 0.2, operator=Blur(KERNEL, "zero")).method == "chambolle-pock"
    assert solve(y, "tv", 0.2, operator=Blur(KERNEL), pixel_weight=1 + (y > 0)).method == "chambolle-pock"


@pytest.mark.parametrize("n", [16, pytest.param(48, marks=pytest.mark.slow)])
def test_auto_ends_wherever_a_method_does(n):
    """On the problems by which "auto" is measured."""
    late, seen = [], 0
    problems = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "methods.py"))["problems"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for name, image, penalty, arguments in problems(n):
            seen += 1
            if not solve(image, penalty, **arguments).success:
                late += [(name, m) for m in ("admm", "chambolle-pock") if solve(image, penalty, method=m, **arguments).success]
    assert seen >= 30
    assert late == []
