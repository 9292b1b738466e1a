"""The loop around everything that iterates."""

import math
import time

import pytest

from proxsparse.dual import driver
from proxsparse.dual.driver import ENDED, LIMIT, MET, drive


def halving(pause=0.0, most=math.inf):
    """1, and half of it after each iteration; ends by itself after `most` of them."""
    value, done = 1.0, 0
    n = yield value
    while done + n <= most:
        for _ in range(n):
            time.sleep(pause)
            value /= 2
        done += n
        n = yield value


def driven(steps, ahead, most=100, tol=0.0, **clock):
    looks = []

    def look(reached, nit):
        looks.append(nit)
        return reached

    return drive(steps, look, lambda value, _: MET if value <= tol else None, lambda _, nit: ahead, most, **clock), looks


def test_it_looks_first_then_goes_on_as_far_as_asked_and_ends_where_the_judge_says():
    ended, looks = driven(halving(), 3, tol=2**-6)
    assert looks == [0, 3, 6]
    assert ended == (MET, 6, 2**-6, 2**-6)
    assert driven(halving(), 3, tol=1.0)[0] == (MET, 0, 1.0, 1.0)


def test_no_more_iterations_than_allowed_and_the_judge_comes_before_the_limit():
    ended, looks = driven(halving(), 3, most=7)
    assert (ended.status, ended.nit, looks) == (LIMIT, 7, [0, 3, 6, 7])
    assert driven(halving(), 3, most=6, tol=2**-6)[0].status == MET
    assert driven(halving(), 3, most=0)[0] == (LIMIT, 0, 1.0, 1.0)


def test_steps_that_end_by_themselves_are_at_their_last_look():
    ended, looks = driven(halving(most=5), 2)
    assert (ended.status, ended.nit, looks) == (ENDED, 4, [0, 2, 4])


def test_where_time_is_short_it_looks_as_soon_as_it_is_over():
    ended, looks = driven(halving(pause=0.01), 1000, most=1000, tol=0.9, deadline=time.perf_counter() + 0.05)
    assert ended.status == MET
    assert 1 <= looks[1] < 20


def test_a_run_is_gone_on_with():
    ended, looks = driven(halving(), 4, most=10, nit=5)
    assert looks == [5, 9, 10]
    assert ended.reached == 2**-5


def test_what_fails_in_an_iteration_is_raised():
    def failing():
        yield 1.0
        raise ArithmeticError("of its own")

    with pytest.raises(ArithmeticError, match="of its own"):
        driven(failing(), 1)


def test_while_there_is_time_iterations_go_together(monkeypatch):
    """By a clock of a second an iteration."""
    clock, sent = [0.0], []
    monkeypatch.setattr(driver.time, "perf_counter", lambda: clock[0])

    def counting():
        n = yield 1.0
        while True:
            sent.append(n)
            clock[0] += n
            n = yield 1.0

    ended, looks = driven(counting(), 50, most=60, deadline=100.0)
    assert (ended.status, ended.nit) == (LIMIT, 60)
    assert looks == [0, 50, 60]
    # one to know how long they take, then as many as half of the time is for
    assert sent[:3] == [1, 49, 1]
    # near the deadline fewer and fewer, and a look as soon as it is over
    sent.clear()
    _, looks = driven(counting(), 50, most=50, deadline=clock[0] + 20.0)
    assert sent[0] == 1
    assert 5 <= max(sent) < 12
    assert 20 <= looks[1] <= 22
