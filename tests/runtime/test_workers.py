"""Threads of one call: errors come out, what has not begun is left, and calls in several threads do not meet."""

import os
import threading
import time
import warnings

import numpy as np
import pytest
from examples import image_of

from proxsparse import solve, solve_batch
from proxsparse.kernels import strips
from proxsparse.runtime.workers import Workers, short_calls


def test_all_calls_run_and_errors_come_out_when_all_have_ended():
    done = []
    with Workers(3) as pool:
        pool.run([lambda i=i: done.append(i) for i in range(20)])
        assert sorted(done) == list(range(20))
        running = threading.Event()

        def slow():
            running.set()
            time.sleep(0.05)
            done.append("slow")

        def wrong():
            running.wait(5)
            raise KeyError("wrong")

        with pytest.raises(KeyError, match="wrong"):
            pool.run([slow, wrong])
        assert done[-1] == "slow"
        pool.run([lambda: done.append("after")])
    assert done[-1] == "after"


def test_an_error_leaves_what_has_not_begun():
    begun = []

    def wrong():
        raise KeyboardInterrupt

    with Workers(1) as pool, pytest.raises(KeyboardInterrupt):
        pool.run([wrong, lambda: begun.append(1)])
    with Workers(2) as pool, pytest.raises(KeyboardInterrupt):
        pool.run([wrong, *[lambda: begun.append(time.sleep(0.02)) for _ in range(50)]])
    assert len(begun) < 40


@pytest.fixture
def small_images_are_shared(monkeypatch):
    monkeypatch.setattr(strips, "_NUMBERS", 1)


@pytest.mark.usefixtures("small_images_are_shared")
def test_no_thread_outlives_its_call():
    before = threading.active_count()
    solve(image_of((200, 90)), "tv", 0.2, options={"workers": 3})
    solve_batch(np.stack([image_of((12, 13))] * 5), "tv", 0.2, workers=3)
    with pytest.raises(ValueError, match="image 0"):
        solve_batch(np.stack([np.full((4, 4), np.inf), np.full((4, 4), np.nan)]), "tv", 0.2, workers=3)
    assert threading.active_count() == before


@pytest.mark.parametrize("shape", [(301, 77), (90, 500), (33, 33)])
@pytest.mark.usefixtures("small_images_are_shared")
def test_workers_in_several_threads_give_the_serial_answer(shape):
    y = image_of(shape)
    expected = solve(y, "tv", 0.2, tol=1e-6)
    answers, barrier = {}, threading.Barrier(4)

    def work(i):
        barrier.wait()
        answers[i] = solve(y, "tv", 0.2, tol=1e-6, options={"workers": 1 + i})

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answer in answers.values():
        assert (answer.x.tobytes(), answer.nit, answer.gap) == (expected.x.tobytes(), expected.nit, expected.gap)
        assert answer.dual[0].tobytes() == expected.dual[0].tobytes()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.usefixtures("small_images_are_shared")
def test_workers_share_calls_after_a_fork():
    """In a child of a process that has used threads."""
    y = image_of((200, 90))
    expected = solve(y, "tv", 0.2, options={"workers": 2}).x.tobytes()
    with warnings.catch_warnings():
        # Python warns of every fork while any library has threads
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        same = solve(y, "tv", 0.2, options={"workers": 2}).x.tobytes() == expected
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_calls_that_stay_short_cover_all_units_once():
    assert list(short_calls(10, 3, 12)) == [(0, 4), (4, 8), (8, 10)]
    # one unit at least, however large; none of none
    assert list(short_calls(3, 100, 12)) == [(0, 1), (1, 2), (2, 3)]
    assert list(short_calls(0, 1, 12)) == []
