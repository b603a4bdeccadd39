"""Finals: the best of a search against each other on this machine, so that no lucky figure chooses.

All are made here, run on the samples that the search went by and timed in turns in one run. What looks faster than the
best plain artifact (float or int8 as an export makes it) then races against it over many pairs of new processes, and
takes its place only where that is sure. Sizes need no race.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mobilekit.bench import Entry, Protocol, measure_together
from mobilekit.bench.pinning import quiet_cores
from mobilekit.bundle.manifest import Interval, Latency
from mobilekit.errors import MobilekitError, SetupError
from mobilekit.gate import Pair, Race, race
from mobilekit.gate.sequential import MISSED
from mobilekit.gate.session import Session, run_session
from mobilekit.pipeline.tuning.clock import Clock
from mobilekit.pipeline.tuning.space import Candidate
from mobilekit.pipeline.tuning.trying import in_words, inside, measured
from mobilekit.pipeline.tuning.workshop import Workshop
from mobilekit.report.tuned import Finalist, Objective, Trial
from mobilekit.runners import Effort
from mobilekit.runners.registry import runner_for

CONTENDERS, CHALLENGERS = 4, 3
"""Candidates that come to the finals besides the plain ones, and of those, that race against the best plain one."""
_EFFORT = Effort(warmup=10, min_runs=40, min_seconds=0.6, max_seconds=20.0)
_ROUNDS = 20


@dataclass(frozen=True)
class Finals:
    """What came of it. `winner` None: nothing could be made here."""

    finalists: tuple[Finalist, ...]
    winner: tuple[Candidate, Trial] | None
    met: bool
    notes: tuple[str, ...] = ()


def contenders(trials: Mapping[Candidate, Trial], objective: Objective, max_drop: float) -> list[Candidate]:
    """The best candidates within the budget by what the search found; where none is, the most accurate one."""
    priced = {one: cost for one, trial in trials.items() if (cost := trial.cost(objective)) is not None}
    within = sorted((one for one in priced if trials[one].within(max_drop)), key=lambda one: priced[one])
    if within:
        return within[:CONTENDERS]
    return sorted(priced, key=lambda one: _badness(trials[one]))[:1]


def finals(
    workshop: Workshop,
    clock: Clock,
    candidates: Sequence[Candidate],
    plain: Sequence[Candidate],
    trials: Mapping[Candidate, Trial],
    mine: Mapping[Candidate, Trial],
    *,
    objective: Objective,
    max_drop: float,
    max_seconds: float,
    seed: int,
) -> Finals:
    """Compare `candidates` and `plain` and choose. `trials` are the study's; those of `mine` this process measured."""
    notes: list[str] = []
    found: dict[Candidate, Trial] = {}
    for one in dict.fromkeys([*plain, *candidates]):
        try:
            found[one] = mine.get(one) or _measured(workshop, clock, one, plain, trials)
        except SetupError:
            raise
        except MobilekitError as error:
            notes.append(f"{one.name(workshop.base)} is not among the finalists: {error.message}")
    found = _each_file_once(found)
    if not found:
        return Finals((), None, False, tuple(notes))
    times = _timed(workshop, list(found), seed)
    within = [one for one in found if found[one].within(max_drop)]
    if not within:
        best = min(found, key=lambda one: _badness(found[one]))
        return Finals(_shown(found, times, {}, max_drop, best), (best, found[best]), False, tuple(notes))
    if objective == "size":
        best = min(within, key=lambda one: (found[one].bytes or 0, times[one].median_ms))
        return Finals(_shown(found, times, {}, max_drop, best), (best, found[best]), True, tuple(notes))
    ordered = sorted(within, key=lambda one: times[one].median_ms)
    ground = next((one for one in ordered if one in plain), ordered[0])
    ahead = [one for one in ordered[: ordered.index(ground)] if one not in plain][:CHALLENGERS]
    races = _raced(workshop, ground, ahead, max_seconds, seed) if ahead else {}
    sure = [one for one, run in races.items() if run.slower()]
    best = min(sure, key=lambda one: -_gain(races[one])) if sure else ground
    return Finals(_shown(found, times, races, max_drop, best), (best, found[best]), True, tuple(notes))


def _measured(
    workshop: Workshop, clock: Clock, one: Candidate, plain: Sequence[Candidate], trials: Mapping[Candidate, Trial]
) -> Trial:
    number = trials[one].number if one in trials else None
    with workshop.progress.task(f"finalist: {one.name(workshop.base)}") as task, inside(workshop, task):
        found = measured(workshop, clock, one, number, plain=one in plain)
        task.say(in_words(found))
    return found


def _each_file_once(found: Mapping[Candidate, Trial]) -> dict[Candidate, Trial]:
    """Without other ways to the very same file."""
    first: dict[str | None, Candidate] = {}
    for one, trial in found.items():
        first.setdefault(trial.sha256, one)
    return {one: found[one] for one in first.values()}


def _badness(trial: Trial) -> tuple[int, float]:
    return (len(trial.loss.failed_checks), trial.loss.drop_points) if trial.loss else (1000, math.inf)


def _timed(workshop: Workshop, candidates: Sequence[Candidate], seed: int) -> dict[Candidate, Latency]:
    entries = [Entry(workshop.make(one).path, workshop.timed) for one in candidates]
    protocol = Protocol(threads=workshop.threads, effort=_EFFORT, rounds=_ROUNDS, seed=seed)
    with workshop.progress.task("timing the finalists in turns", total=len(entries)) as task:
        benchmarks = measure_together(entries, 0, protocol, advance=task.advance)
    return {
        one: benchmark.latency
        for one, benchmark in zip(candidates, benchmarks, strict=True)
        if benchmark.latency is not None
    }


def _raced(
    workshop: Workshop, ground: Candidate, ahead: Sequence[Candidate], max_seconds: float, seed: int
) -> dict[Candidate, Race]:
    """Each of `ahead` against `ground`: a race's baseline is the challenger, so that a slower candidate is its win."""
    cores, plain = quiet_cores(workshop.threads), workshop.make(ground).path
    pairs = []
    for one in ahead:
        path = workshop.make(one).path
        runners = runner_for(path).name, runner_for(plain).name
        pairs.append(Pair((one.target, one.scheme), path, plain, workshop.timed, runners, budget_percent=0.0))

    def session(pair: Pair, candidate_first: bool) -> Session:
        return run_session(
            (pair.baseline, pair.candidate),
            pair.inputs,
            pair.runners,
            threads=workshop.threads,
            cores=cores,
            candidate_first=candidate_first,
        )

    with workshop.progress.task(f"racing against {ground.target} {ground.scheme}, in new processes") as task:

        def say(text: str) -> None:
            task.say(text)
            task.advance(0)

        races = race(pairs, session, max_seconds=max_seconds, seed=seed, say=say)
        task.say(f"{sum(len(one.sessions) for one in races)} sessions")
    return dict(zip(ahead, races, strict=True))


def _gain(run: Race) -> float:
    """The logarithm of the plain one's time over the challenger's."""
    found = run.estimate()
    return found.mean if found else 0.0


def _shown(
    found: Mapping[Candidate, Trial],
    times: Mapping[Candidate, Latency],
    races: Mapping[Candidate, Race],
    max_drop: float,
    best: Candidate,
) -> tuple[Finalist, ...]:
    rows = []
    for one in sorted(found, key=lambda one: times[one].median_ms):
        ratio, interval, sessions = None, None, None
        if one in races and (estimate := races[one].estimate()) is not None:
            low, high = estimate.interval(MISSED)
            ratio, sessions = math.exp(-estimate.mean), estimate.n
            if math.isfinite(high):
                interval = Interval(low=math.exp(-high), high=math.exp(-low))
        rows.append(
            Finalist(
                trial=found[one],
                median_ms=times[one].median_ms,
                iqr_ms=times[one].iqr_ms,
                against_plain=ratio,
                against_plain_ci=interval,
                sessions=sessions,
                verdict=_verdict(one, found[one], races, max_drop, best),
            )
        )
    return tuple(rows)


def _verdict(one: Candidate, trial: Trial, races: Mapping[Candidate, Race], max_drop: float, best: Candidate) -> str:
    if trial.loss is not None and trial.loss.failed_checks:
        said = f"fails {', '.join(trial.loss.failed_checks)}"
    elif not trial.within(max_drop):
        said = "beyond the budget"
    elif one in races:
        slower = races[one].slower()
        said = {True: "surely faster", False: "not faster", None: "not surely faster"}[slower]
        said += " than the best plain one"
    else:
        said = "plain" if trial.plain else "within the budget"
    return f"winner: {said}" if one == best else said
