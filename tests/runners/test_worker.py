"""Timing rules, and the sentences that errors become."""

from __future__ import annotations

import gc
import time

import pytest

from mobilekit.errors import RunnerError
from mobilekit.runners.protocol import Effort
from mobilekit.runners.worker import in_its_own_words, timed


class Counted:
    def __init__(self, seconds: float = 0.0) -> None:
        self.calls, self.seconds, self.collecting = 0, seconds, False

    def __call__(self) -> None:
        self.calls += 1
        self.collecting |= gc.isenabled()
        time.sleep(self.seconds)


def test_warm_up_runs_are_not_timed() -> None:
    call = Counted()
    result = timed(call, Effort(warmup=3, min_runs=4, min_seconds=0, max_runs=100))
    assert (result.warmup, len(result.nanoseconds), call.calls) == (3, 4, 7)


def test_time_is_of_the_call() -> None:
    result = timed(Counted(0.01), Effort(warmup=0, min_runs=3, min_seconds=0))
    assert all(1e7 <= one < 1e9 for one in result.nanoseconds)


def test_both_minima_are_met() -> None:
    result = timed(Counted(0.001), Effort(warmup=0, min_runs=2, min_seconds=0.05))
    assert len(result.nanoseconds) > 2
    assert sum(result.nanoseconds) < 0.2e9


def test_a_maximum_ends_it() -> None:
    assert len(timed(Counted(), Effort(warmup=0, min_runs=9, min_seconds=9, max_runs=5)).nanoseconds) == 5
    slow = timed(Counted(0.02), Effort(warmup=50, min_runs=50, min_seconds=0, max_seconds=0.08))
    assert slow.warmup < 5
    assert len(slow.nanoseconds) < 8


def test_at_least_once() -> None:
    result = timed(Counted(), Effort(warmup=1, min_runs=9, max_seconds=0))
    assert (result.warmup, len(result.nanoseconds)) == (1, 1)


def test_the_collector_is_off_only_meanwhile() -> None:
    call = Counted()
    timed(call, Effort(warmup=0, min_runs=2, min_seconds=0))
    assert not call.collecting
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("error 0x10"), "error 0x10"),
        (RuntimeError(), "RuntimeError"),
        (RunnerError("expected x", hint="h"), "expected x"),
        (IndexError("tuple index out of range"), "IndexError: tuple index out of range"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_own_words(error: Exception, words: str) -> None:
    assert in_its_own_words(error) == words
