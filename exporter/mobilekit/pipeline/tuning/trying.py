"""Trying: one trial of a study: a candidate is made, run and timed, and what came of it is written down.

A candidate that cannot be made or run is a finding and goes into the study with its reason. What is wrong with the
machine (a full disk) or is a signal ends the search.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mobilekit.errors import MobilekitError, SetupError
from mobilekit.inspection.summary import size_text
from mobilekit.pipeline.tuning.clock import Clock
from mobilekit.pipeline.tuning.space import Candidate, Space
from mobilekit.pipeline.tuning.study import ERROR, RECORD, SAME, CandidateFailed, Study
from mobilekit.pipeline.tuning.workshop import Workshop
from mobilekit.progress import SILENT, Progress, Task
from mobilekit.quantize import scheme
from mobilekit.report.tuned import Objective, Trial
from mobilekit.usercode import summary

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

_DRAWS = 200
_LONGEST = 500


def measured(workshop: Workshop, clock: Clock, candidate: Candidate, number: int | None, *, plain: bool) -> Trial:
    """All figures of a candidate. Raises what making and running it raises."""
    made = workshop.make(candidate)
    with workshop.opened(made) as worker:
        loss = workshop.loss(made, worker)
        pace = clock.pace(worker)
    return Trial(
        number=number,
        name=candidate.name(workshop.base),
        target=candidate.target,
        scheme=candidate.scheme,
        plain=plain,
        options=workshop.options_of(candidate) if scheme(candidate.scheme).calibrated else None,
        bytes=made.bytes,
        sha256=made.sha256,
        pace=pace,
        loss=loss,
    )


class Trier:
    """The objective of a study. `exhausted`: nothing is left that was not tried. `mine`: what was measured here."""

    def __init__(
        self,
        study: Study,
        space: Space,
        workshop: Workshop,
        clock: Clock,
        plain: Sequence[Candidate],
        *,
        objective: Objective,
        max_drop: float,
        progress: Progress = SILENT,
    ) -> None:
        self.study, self.space, self.workshop, self.clock, self.plain = study, space, workshop, clock, plain
        self.objective, self.max_drop, self.progress = objective, max_drop, progress
        self.exhausted = False
        self.mine: dict[Candidate, Trial] = {}

    def __call__(self, trial: optuna.Trial) -> float:
        """The cost of the candidate that `trial` stands for; what was found of it becomes the trial's attributes."""
        import optuna

        try:
            candidate = self.space.suggested(trial)
            same = self.study.again(candidate, trial.number)
            if same is not None:
                return self._copied(trial, same)
            return self._tried(trial, candidate)
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException:  # Optuna tells the study of the others
            self.study.inner.tell(trial, state=optuna.trial.TrialState.FAIL)
            raise

    def _tried(self, trial: optuna.Trial, candidate: Candidate) -> float:
        name = candidate.name(self.workshop.base)
        with self.progress.task(f"trial {trial.number}: {name}") as task:
            with inside(self.workshop, task):
                found = self._found(trial.number, candidate)
            self._written(trial, found)
            task.say(in_words(found))
        cost = found.cost(self.objective)
        if cost is None:
            raise CandidateFailed(found.error)
        self.mine[candidate] = found
        return cost

    def _found(self, number: int, candidate: Candidate) -> Trial:
        plain = candidate in self.plain
        try:
            return measured(self.workshop, self.clock, candidate, number, plain=plain)
        except SetupError:
            raise
        except Exception as error:
            reason = error.message if isinstance(error, MobilekitError) else summary(error)
            return Trial(
                number=number,
                name=candidate.name(self.workshop.base),
                target=candidate.target,
                scheme=candidate.scheme,
                plain=plain,
                error=" ".join(reason.split())[:_LONGEST],
            )

    def _written(self, trial: optuna.Trial, found: Trial) -> None:
        trial.set_user_attr(RECORD, found.model_dump_json())
        if found.error is not None:
            trial.set_user_attr(ERROR, found.error)
        if found.loss is not None and found.pace is not None:
            trial.set_user_attr("drop_points", found.loss.drop_points)
            trial.set_user_attr("latency_ms", found.pace.median_ms)
            trial.set_user_attr("latency_ratio", found.pace.ratio)
            trial.set_user_attr("bytes", found.bytes)
            trial.set_user_attr("machine", found.pace.machine)
            trial.set_constraint("drop_points", found.loss.drop_points - self.max_drop)
            trial.set_constraint("failed_checks", float(len(found.loss.failed_checks)))

    def _copied(self, trial: optuna.Trial, same: FrozenTrial) -> float:
        """Say of a candidate that was tried before what was found then, and let something else be tried next."""
        import optuna

        chance = random.Random(f"{self.study.seed} {trial.number}")
        drawn, known = (self.space.drawn(chance) for _ in range(_DRAWS)), self.study.known()
        fresh = next((one for one in drawn if one not in known), None)
        if fresh is None:
            self.exhausted = True
        else:
            self.study.enqueue(fresh)
        trial.set_user_attr(SAME, same.number)
        if same.value is None:  # it failed, or is under way in another process
            raise optuna.TrialPruned(f"as trial {same.number}")
        for name, value in same.constraints.items():
            trial.set_constraint(name, value)
        return same.value


@contextmanager
def inside(workshop: Workshop, task: Task) -> Iterator[None]:
    """For the block, what the workshop's stages do is a remark of `task`, not a line of its own."""
    before = workshop.progress
    workshop.progress = _Remarks(task)
    try:
        yield
    finally:
        workshop.progress = before


class _Remarks:
    """A Progress whose pieces of work show as remarks of another piece."""

    def __init__(self, task: Task) -> None:
        self._task = task

    @contextmanager
    def task(self, title: str, total: int | None = None) -> Iterator[Task]:
        self._task.say(title)
        self._task.advance(0)
        yield _Mute(self._task)

    def warn(self, text: str) -> None: ...


class _Mute:
    def __init__(self, task: Task) -> None:
        self._task = task

    def advance(self, steps: int = 1) -> None:
        self._task.advance(0)

    def say(self, text: str) -> None: ...


def in_words(trial: Trial) -> str:
    """`0.43x the time of float, 25 kB, loses 0.20 points`, or why there are no figures."""
    if trial.pace is None or trial.loss is None or trial.bytes is None:
        return f"failed: {trial.error}"
    points = f"loses {trial.loss.drop_points:.2f} points" if trial.loss.drop_points > 0 else "loses nothing"
    failed = f", fails {', '.join(trial.loss.failed_checks)}" if trial.loss.failed_checks else ""
    return f"{trial.pace.ratio:.2f}x the time of float, {size_text(trial.bytes)}, {points}{failed}"
