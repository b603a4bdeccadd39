"""Search: trials of a study until enough were made, then the finals. Chooses nothing by test data.

Plain float and plain int8 of every target come first: what is found must be held against them. Hints come next, as far
as the number of trials reaches.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from mobilekit.pipeline.tuning.clock import Clock
from mobilekit.pipeline.tuning.finals import Finals, contenders, finals
from mobilekit.pipeline.tuning.space import Candidate, Space
from mobilekit.pipeline.tuning.study import Fingerprint, Study
from mobilekit.pipeline.tuning.trying import Trier
from mobilekit.pipeline.tuning.workshop import Workshop
from mobilekit.progress import SILENT, Progress
from mobilekit.quantize.ranking import depthwise_kernels
from mobilekit.report.tuned import Objective, Trial


@dataclass
class Search:
    """One process's part in a study."""

    study: Study
    fingerprint: Fingerprint
    space: Space
    workshop: Workshop
    clock: Clock
    plain: Sequence[Candidate]
    objective: Objective
    max_drop: float
    progress: Progress = SILENT

    def __post_init__(self) -> None:
        self._hints = self.space.hints(depthwise_kernels(self.workshop.captured))
        self._trier = Trier(
            self.study,
            self.space,
            self.workshop,
            self.clock,
            self.plain,
            objective=self.objective,
            max_drop=self.max_drop,
            progress=self.progress,
        )

    def run(self, trials: int, timeout: float | None) -> tuple[str, ...]:
        """Try until the study has `trials`, or `timeout` seconds are over; what is to be said of the end.

        The plain ones are always tried.
        """
        begun = time.monotonic()
        while True:
            known = self.study.known()
            missing = [one for one in self.plain if one not in known]
            for one in [*missing, *(one for one in self._hints if one not in known)]:
                self.study.enqueue(one)
            if not missing and not self._waiting():
                if self.study.tried() >= trials:
                    return ()
                if self._trier.exhausted:
                    return ("every candidate of the search space was tried",)
                if timeout is not None and time.monotonic() - begun >= timeout:
                    return (f"the time was up after {self.study.tried()} of {trials} trials",)
            self.study.check(self.fingerprint)
            self.study.step(self._trier)
            self._forget()

    def finals(self, max_seconds: float) -> Finals:
        """The best of all that the study has, compared here."""
        trials = self.study.ended()
        return finals(
            self.workshop,
            self.clock,
            contenders(trials, self.objective, self.max_drop),
            self.plain,
            trials,
            self._trier.mine,
            objective=self.objective,
            max_drop=self.max_drop,
            max_seconds=max_seconds,
            seed=self.study.seed,
        )

    def trials(self) -> tuple[Trial, ...]:
        """All that was tried, by whomever."""
        return tuple(self.study.ended().values())

    def _waiting(self) -> bool:
        return any(one in self.study.waiting() for one in self.plain)

    def _forget(self) -> None:
        """Keep the files that may come to the finals."""
        mine = self._trier.mine
        self.workshop.forget_all_but({*self.plain, *contenders(mine, self.objective, self.max_drop)})
