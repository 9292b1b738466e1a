"""When to check next: of exact operations, and never too far."""

import math

import pytest

from proxsparse.kernels.pace import exp2, first_check, iterations_ahead, log2


@pytest.mark.parametrize("value", [5e-324, 1e-300, 1e-5, 0.7, 0.75, 1.0, 1.4, 3.0, 1e5, 1e308])
def test_logarithms_and_powers_of_two(value):
    assert log2(value) == pytest.approx(math.log2(value), abs=1e-7)
    assert exp2(math.log2(value) if value > 1e-300 else 0.0) == pytest.approx(value if value > 1e-300 else 1.0, rel=1e-6)


def test_a_gap_that_falls_by_a_power_is_met_where_it_says():
    """gap = nit^-2: 1e-4 is met after 100 iterations."""
    assert 20 + iterations_ahead(20, 20.0**-2, 1e-4, 10, 10.0**-2, False) == pytest.approx(60, abs=1)
    assert 50 + iterations_ahead(50, 50.0**-2, 1e-4, 25, 25.0**-2, False) == pytest.approx(101, abs=1)


def test_a_gap_that_falls_exponentially_is_met_where_it_says():
    """gap = 2^-nit: 2^-20 is met after 20 iterations."""
    assert 12 + iterations_ahead(12, 2.0**-12, 2.0**-20, 10, 2.0**-10, True) == pytest.approx(21, abs=1)


@pytest.mark.parametrize("gap", [1e-300, 1e-4, 0.5, 1e10, 1e305, math.inf, math.nan])
@pytest.mark.parametrize("gap_before", [1e-4, 1.0, math.inf])
@pytest.mark.parametrize("tol", [0.0, 5e-324, 1e-12, 1e-3])
def test_it_is_always_a_number_of_iterations(gap, gap_before, tol):
    for nit in (1, 10, 1000, 100000):
        for is_linear in (False, True):
            assert 1 <= iterations_ahead(nit, gap, tol, nit // 2, gap_before, is_linear) <= 2 * nit
    for reach in (0.0, 1e-300, 1e-3, math.inf):
        for fun in (0.0, 1.0, 1e300):
            assert 4 <= first_check(fun, gap, reach, tol) <= 100
