"""Cold start: loading and the first inference, each time in a new process, as an app that was just opened has them.

The file is in the page cache: what reading from flash adds on a phone is not in these figures.
"""

from __future__ import annotations

import statistics

from mobilekit.bench.together import Entry, untimed
from mobilekit.bundle.manifest import ColdStart
from mobilekit.runners import Effort, Worker
from mobilekit.runners import runner as runner_called
from mobilekit.runners.registry import runner_for

_ONE = Effort(warmup=0, min_runs=1, min_seconds=0, max_runs=1)


def cold_start(entry: Entry, starts: int, *, threads: int = 1, timeout_s: float = 300) -> ColdStart | None:
    """`starts` new processes, one after the other. None where the runtime gives no times here. Raises RunnerError."""
    chosen = runner_called(entry.runner) if entry.runner else runner_for(entry.artifact)
    if untimed(chosen) is not None:
        return None
    loads, firsts = [], []
    for _ in range(starts):
        with Worker(chosen.name, entry.artifact, threads=threads, timeout_s=timeout_s) as worker:
            loads.append(worker.load_ms)
            firsts.append(worker.time(entry.inputs, _ONE).nanoseconds[0] / 1e6)
    return ColdStart(
        n=starts,
        threads=threads,
        load_ms=statistics.median(loads),
        first_ms=statistics.median(firsts),
        slowest_ms=max(load + first for load, first in zip(loads, firsts, strict=True)),
    )
