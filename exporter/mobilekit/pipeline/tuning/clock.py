"""Clock: a candidate's time over that of the plain float artifact, which stays loaded for the whole search.

One process each, in turns, never both at once. A ratio is what machines of different speed have in common, and what
slows this one down for a while slows down both.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from types import TracebackType
from typing import Self

from mobilekit.bench.pinning import pin, quiet_cores
from mobilekit.bench.stats import ratio_of_rounds, summarize
from mobilekit.bench.turns import order_of_round
from mobilekit.bundle.manifest import Interval
from mobilekit.environment import describe
from mobilekit.errors import RunnerError, SetupError
from mobilekit.report.tuned import Pace
from mobilekit.runners import Array, Effort, Worker
from mobilekit.runners.registry import runner_for

ROUNDS = 12
_FIRST = Effort(warmup=5, min_runs=1, min_seconds=0.02, max_runs=1000, max_seconds=2.0)
_BLOCK = Effort(warmup=1, min_runs=1, min_seconds=0.03, max_runs=2000, max_seconds=1.0)


class Clock:
    """`with Clock(artifact, inputs, threads=1) as clock: pace = clock.pace(worker)`"""

    def __init__(self, reference: Path, inputs: tuple[Array, ...], *, threads: int) -> None:
        self._worker = Worker(runner_for(reference).name, reference, threads=threads)
        self._inputs, self._threads = inputs, threads
        machine = describe().machine
        self._machine = f"{machine.processor}, {machine.cores} cores"

    def __enter__(self) -> Self:
        self._worker.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.close()

    def pace(self, candidate: Worker) -> Pace:
        """Time `candidate`, which is loaded. Raises RunnerError, or SetupError where the reference fails."""
        cores = quiet_cores(self._threads)
        for seat in (self._worker, candidate):
            if cores is not None and seat.pid is not None:
                pin(seat.pid, cores)
        turns = (self._reference_turn, lambda effort: candidate.time(self._inputs, effort).nanoseconds)
        for turn in turns:
            turn(_FIRST)
        rounds: tuple[list[tuple[int, ...]], list[tuple[int, ...]]] = ([], [])
        for number in range(ROUNDS):
            for place in order_of_round(2, number):
                rounds[place].append(turns[place](_BLOCK))
        summary = summarize([one for block in rounds[1] for one in block])
        ratio, interval = ratio_of_rounds(rounds[1], rounds[0], seed=0)
        return Pace(
            median_ms=summary.median_ms,
            iqr_ms=summary.iqr_ms,
            n=summary.n,
            reference_ms=statistics.median(one for block in rounds[0] for one in block) / 1e6,
            ratio=ratio,
            ratio_ci95=Interval(low=interval[0], high=interval[1]) if interval else None,
            threads=self._threads,
            machine=self._machine,
        )

    def _reference_turn(self, effort: Effort) -> tuple[int, ...]:
        """Without it no candidate has a figure: that is no finding of theirs."""
        try:
            return self._worker.time(self._inputs, effort).nanoseconds
        except RunnerError as error:
            raise SetupError(
                f"the plain float artifact, which all are timed against, failed: {error.message}",
                hint="the study is kept; the same command goes on with it",
            ) from error
