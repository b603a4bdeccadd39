"""The race on synthetic sessions and a synthetic clock: who is run when, when it stops, and what it says then."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from mobilekit.gate.latency import Pair, duration, finding, race
from mobilekit.gate.session import Session, summary, undisturbed
from mobilekit.gate.verdicts import Verdict
from mobilekit.runners import Timing


def pair(scheme: str = "int8", budget: float = 3.0) -> Pair:
    return Pair(("xnnpack", scheme), Path("a"), Path("b"), (), ("pte", "pte"), budget)


class Machine:
    """Sessions of `seconds` each by a clock of its own; each scheme's ratio, with a spread."""

    def __init__(self, ratios: dict[str, float], spread: float = 0.005, seconds: float = 2.0) -> None:
        self.ratios, self.spread, self.seconds = ratios, spread, seconds
        self.now, self.chance = 100.0, random.Random(1)
        self.runs: list[tuple[str, bool]] = []

    def clock(self) -> float:
        return self.now

    def session(self, pair: Pair, candidate_first: bool) -> Session:
        scheme = pair.variant[1]
        self.now += self.seconds
        self.runs.append((scheme, candidate_first))
        ratio = self.ratios[scheme] * math.exp(self.chance.gauss(0, self.spread))
        return Session(math.log(ratio), 2.0, 2.0 * ratio, 0.0)

    def race(self, *pairs: Pair, max_seconds: float = 60, say: Callable[[str], None] = lambda _: None):
        return race(pairs, self.session, max_seconds=max_seconds, seed=0, clock=self.clock, say=say)


def test_equals_pass_soon() -> None:
    machine = Machine({"int8": 1.0})
    (found,) = map(finding, machine.race(pair()))
    assert found.verdict is Verdict.PASS
    assert found.sessions is not None and 5 <= found.sessions <= 7
    assert found.low is not None and found.high is not None and found.low < 0 < found.high <= 3
    assert (found.baseline, found.reason, found.more_seconds) == (2.0, "", None)


def test_a_slower_candidate_is_a_regression() -> None:
    said: list[str] = []
    (found,) = map(finding, Machine({"int8": 1.10}).race(pair(), say=said.append))
    assert found.verdict is Verdict.REGRESSION
    assert found.worsening == pytest.approx(10, abs=1.5)
    assert found.low is not None and found.low > 3
    assert said[0] == "xnnpack int8"
    assert said[-1].startswith("xnnpack int8 +") and "[" in said[-1]


def test_a_faster_candidate_passes() -> None:
    (found,) = map(finding, Machine({"int8": 0.5}).race(pair()))
    assert found.verdict is Verdict.PASS
    assert found.worsening == pytest.approx(-50, abs=1)


def test_noise_that_time_does_not_overcome_is_inconclusive_and_says_how_much_longer() -> None:
    machine = Machine({"int8": 1.04}, spread=0.02)
    (found,) = map(finding, machine.race(pair(), max_seconds=20))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert machine.now - 100 <= 20
    assert found.more_seconds is not None and found.more_seconds > 20
    assert "more" in found.reason
    # run for that long, it is decided
    again = Machine({"int8": 1.04}, spread=0.02)
    (decided,) = map(finding, again.race(pair(), max_seconds=20 + 3 * found.more_seconds))
    assert decided.verdict is Verdict.REGRESSION


def test_right_at_the_budget_nothing_helps() -> None:
    machine = Machine({"int8": 1.03}, spread=0.0)
    (found,) = map(finding, machine.race(pair(), max_seconds=30))
    assert (found.verdict, found.more_seconds) == (Verdict.INCONCLUSIVE, None)
    assert "no time that can be waited for" in found.reason


@pytest.mark.parametrize(("seconds", "sessions"), [(0.0, 0), (1.0, 1)])
def test_no_time_is_no_verdict(seconds: float, sessions: int) -> None:
    (found,) = map(finding, Machine({"int8": 1.0}).race(pair(), max_seconds=seconds))
    assert (found.verdict, found.sessions, found.worsening) == (Verdict.INCONCLUSIVE, sessions, None)
    assert "a second one is needed" in found.reason


def test_the_undecided_share_the_time_and_the_decided_are_left_alone() -> None:
    machine = Machine({"int8": 1.0, "fp32": 1.032}, spread=0.005)
    first, second = map(finding, machine.race(pair("int8"), pair("fp32"), max_seconds=60))
    assert first.verdict is Verdict.PASS
    assert second.verdict is Verdict.INCONCLUSIVE
    assert first.sessions is not None and second.sessions is not None
    assert second.sessions > 2 * first.sessions
    assert [scheme for scheme, _ in machine.runs[:4]] == ["int8", "fp32"] * 2
    assert {first for _, first in machine.runs} == {True, False}


def test_the_first_to_go_is_drawn_by_the_seed() -> None:
    runs = [Machine({"int8": 1.03}, spread=0.0) for _ in range(2)]
    for machine in runs:
        machine.race(pair())
    assert runs[0].runs == runs[1].runs


def test_a_session_is_the_median_over_rounds_of_adjacent_blocks() -> None:
    def block(*nanoseconds: int) -> Timing:
        return Timing(nanoseconds, 0, 1)

    # the machine is ten times slower in the second round; one call of the third was disturbed
    found = summary(
        [block(100, 100, 100), block(1000, 1000), block(100, 100, 9000)],
        [block(110, 110, 110), block(1100, 1100), block(110, 110, 9000)],
    )
    assert math.exp(found.log_ratio) == pytest.approx(1.1)
    assert found.baseline_ms == pytest.approx(1e-4)
    assert found.preemptions_per_second > 0


def test_an_undisturbed_call_is_the_tenth_percentile_and_one_that_was_measured() -> None:
    assert undisturbed([5]) == 5
    assert undisturbed([9, 7, 8]) == 7
    assert undisturbed(range(100, 0, -1)) == 10
    assert undisturbed([0, 0]) == 1


def test_durations() -> None:
    assert [duration(one) for one in (0.2, 89, 91, 5399, 5401)] == ["1 s", "89 s", "2 min", "90 min", "2 h"]
