"""Latency: variants that race against their baselines, session by session, until each is decided or time is up.

Stops early for what is clearly within its budget or clearly above it. What is neither is inconclusive, with an
estimate of how much longer it would take: never a guess passed off as a verdict.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mobilekit.gate.figures import LATENCY
from mobilekit.gate.sequential import MISSED, Estimate, decide, estimate, sessions_needed
from mobilekit.gate.session import Session
from mobilekit.gate.side import Variant
from mobilekit.gate.verdicts import Finding, Verdict
from mobilekit.runners import Array


@dataclass(frozen=True)
class Pair:
    """One variant of both sides. `budget_percent`: how much slower the candidate may be."""

    variant: Variant
    baseline: Path
    candidate: Path
    inputs: tuple[Array, ...]
    runners: tuple[str, str]
    budget_percent: float


@dataclass
class Race:
    """A pair and its sessions so far."""

    pair: Pair
    comparisons: int
    sessions: list[Session] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def budget(self) -> float:
        """As the logarithm of a ratio, as sessions count."""
        return math.log1p(self.pair.budget_percent / 100)

    def estimate(self) -> Estimate | None:
        return estimate([one.log_ratio for one in self.sessions])

    def slower(self) -> bool | None:
        """Whether the candidate is slower than its budget; None while that is not known."""
        return decide(self.estimate(), self.budget, self.comparisons)

    def session_seconds(self) -> float:
        return self.seconds / len(self.sessions) if self.sessions else 0.0

    def so_far(self) -> str:
        """`xnnpack int8 +0.4 % [-1.1, +1.9]`"""
        name, found = " ".join(self.pair.variant), self.estimate()
        if found is None:
            return name
        low, high = (_percent(one) for one in found.interval(MISSED))
        return f"{name} {_percent(found.mean):+.1f} % [{_shown(low)}, {_shown(high)}]"


def race(
    pairs: Sequence[Pair],
    run: Callable[[Pair, bool], Session],
    *,
    max_seconds: float,
    seed: int,
    clock: Callable[[], float] = time.monotonic,
    say: Callable[[str], None] = lambda _: None,
) -> list[Race]:
    """Run sessions of all that are undecided, in turns, until none is or the time is up.

    `run(pair, candidate_first)` is one session. No session is begun that would not end in time, as long as the ones
    before it took. Raises what `run` raises.
    """
    races = [Race(pair, len(pairs)) for pair in pairs]
    chance, start = random.Random(seed), clock()
    while undecided := [one for one in races if one.slower() is None]:
        begun = False
        for one in undecided:
            before = clock()
            if before - start + one.session_seconds() >= max_seconds:
                continue
            one.sessions.append(run(one.pair, chance.random() < 0.5))
            one.seconds += clock() - before
            say(one.so_far())
            begun = True
        if not begun:
            break
    return races


def finding(race: Race) -> Finding:
    """What a race came to."""
    target, scheme = race.pair.variant
    slower, found = race.slower(), race.estimate()
    verdict = {True: Verdict.REGRESSION, False: Verdict.PASS, None: Verdict.INCONCLUSIVE}[slower]
    low, high = found.interval(MISSED) if found else (-math.inf, math.inf)
    more = _more_seconds(race, found) if slower is None else None
    return Finding(
        target=target,
        scheme=scheme,
        metric=LATENCY.name,
        unit=LATENCY.kind,
        baseline=statistics.median(one.baseline_ms for one in race.sessions) if race.sessions else None,
        candidate=statistics.median(one.candidate_ms for one in race.sessions) if race.sessions else None,
        worsening=_percent(found.mean) if found else None,
        low=_finite(_percent(low)),
        high=_finite(_percent(high)),
        budget=race.pair.budget_percent,
        verdict=verdict,
        reason=_reason(race, found, more) if slower is None else "",
        sessions=len(race.sessions),
        more_seconds=more,
    )


def _more_seconds(race: Race, found: Estimate | None) -> float | None:
    if found is None:
        return None
    needed = sessions_needed(found, race.budget, race.comparisons)
    return None if needed is None else max(1, needed - found.n) * race.session_seconds()


def _reason(race: Race, found: Estimate | None, more: float | None) -> str:
    if found is None:
        return f"{len(race.sessions)} session(s) in the time given: a second one is needed to know any spread"
    if more is None:
        return "as good as at its budget: no time that can be waited for would decide this"
    return f"not decided in the time given; it would take about {duration(more)} more"


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h`"""
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    return f"{math.ceil(seconds / 60)} min" if seconds < 5400 else f"{math.ceil(seconds / 3600)} h"


def _percent(log_ratio: float) -> float:
    return 100 * math.expm1(log_ratio) if log_ratio < 100 else math.inf


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) and value > -100 else None


def _shown(percent: float) -> str:
    return f"{percent:+.1f}" if -100 < percent < 1000 else "?"
