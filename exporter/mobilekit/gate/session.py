"""Session: one new process for each side, timed in turns; of all that, one number. Never times two at once.

Where a process's memory happens to lie makes it faster or slower by percents for all its life. Two processes, however
long they are timed, therefore say little about two artifacts. Many pairs of processes do: each pair is one session.
"""

from __future__ import annotations

import contextlib
import math
import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mobilekit.bench.pinning import pin
from mobilekit.runners import Array, Effort, Timing, Worker

ROUNDS = 32
_FEW_ROUNDS = 8
UNDISTURBED = 0.1
"""Of a block's timings this share is taken to be what the call itself needs: other programs only ever add to it. Beside
four busy programs on two cores, resnet20 against itself, sessions spread by 0.5 % with the 10th percentile and by 1.4 %
with the median."""
_SLOW_CALL_S = 0.1
_FIRST = Effort(warmup=5, min_runs=1, min_seconds=0.02, max_runs=1000, max_seconds=2.0)
_BLOCK = Effort(warmup=1, min_runs=1, min_seconds=0.015, max_runs=2000, max_seconds=0.5)


@dataclass(frozen=True)
class Session:
    """`log_ratio`: candidate over baseline, the median over rounds. Times are those of an undisturbed call."""

    log_ratio: float
    baseline_ms: float
    candidate_ms: float
    preemptions_per_second: float


def run_session(
    artifacts: tuple[Path, Path],
    inputs: Sequence[Array],
    runners: tuple[str, str],
    *,
    threads: int,
    cores: tuple[int, ...] | None,
    candidate_first: bool,
) -> Session:
    """Start both, let them take turns, end both. Raises RunnerError when a runtime refuses, crashes or times out."""
    with contextlib.ExitStack() as stack:
        workers = [Worker(name, artifact, threads=threads) for name, artifact in zip(runners, artifacts, strict=True)]
        for one in workers:
            stack.callback(one.close)
        order = [1, 0] if candidate_first else [0, 1]
        # Both at once: to start a process takes longer than all the rest.
        with ThreadPoolExecutor(2) as pool:
            for future in [pool.submit(workers[side].__enter__) for side in order]:
                future.result()
        for one in workers:
            if cores is not None and one.pid is not None:
                pin(one.pid, cores)
        return _taken(workers, inputs, order)


def _taken(workers: Sequence[Worker], inputs: Sequence[Array], order: Sequence[int]) -> Session:
    first = [workers[side].time(inputs, _FIRST) for side in order]
    slow = max(statistics.median(one.nanoseconds) for one in first) > _SLOW_CALL_S * 1e9
    blocks: tuple[list[Timing], list[Timing]] = ([], [])
    for number in range(_FEW_ROUNDS if slow else ROUNDS):
        for side in order if number % 2 == 0 else reversed(order):
            blocks[side].append(workers[side].time(inputs, _BLOCK))
    return summary(blocks[0], blocks[1])


def undisturbed(nanoseconds: Sequence[int]) -> float:
    """The 10th percentile, one that was measured; of a few timings the fastest."""
    return max(1.0, float(sorted(nanoseconds)[int(UNDISTURBED * (len(nanoseconds) - 1))]))


def summary(baseline: Sequence[Timing], candidate: Sequence[Timing]) -> Session:
    """One session of its blocks, a block of either side in each round."""
    before, after = ([undisturbed(one.nanoseconds) for one in side] for side in (baseline, candidate))
    spent = sum(sum(one.nanoseconds) for one in (*baseline, *candidate)) / 1e9
    return Session(
        log_ratio=statistics.median(math.log(now / then) for then, now in zip(before, after, strict=True)),
        baseline_ms=statistics.median(before) / 1e6,
        candidate_ms=statistics.median(after) / 1e6,
        preemptions_per_second=sum(one.preemptions for one in (*baseline, *candidate)) / spent if spent else 0.0,
    )
