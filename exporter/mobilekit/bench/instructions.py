"""Instructions: how many an Arm core executes for one inference, counted by an emulator. Says nothing in seconds.

docs/runners.md says what the figure tells about time and what it does not.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from mobilekit.bench.operators import by_operator
from mobilekit.bundle.measured import Instructions, OperatorInstructions
from mobilekit.errors import UsageError
from mobilekit.progress import SILENT, Progress
from mobilekit.runners import Array, Worker
from mobilekit.runners.arm64 import Arm64Runner, counting

WARMUP, RUNS = 2, 5
"""The first inference sets up what later ones reuse; five show whether the count repeats."""
_PROFILED = 3


def counter(cpu: str, progress: Progress = SILENT) -> Arm64Runner:
    """The runner that counts on this core, built. Raises UnknownName for the core, SetupError."""
    chosen = counting(cpu)
    chosen.build(progress)
    return chosen


def count_instructions(
    artifact: Path,
    inputs: Sequence[Array],
    *,
    cpu: str | Arm64Runner,
    warmup: int = WARMUP,
    runs: int = RUNS,
    operators: bool = True,
    timeout_s: float = 300,
) -> Instructions:
    """Instructions of one inference of `artifact`, a .pte, on `inputs`: one thread, after `warmup` inferences.

    `cpu` is a core's name (`cortex-a53`, `cortex-a76`, `max`) or what `counter` gave. `operators`: also by operator, in
    a process of its own. Raises UsageError for another kind of artifact, SetupError, RunnerError.
    """
    chosen = counter(cpu) if isinstance(cpu, str) else cpu
    if artifact.suffix not in chosen.suffixes:
        raise UsageError(f"{artifact.name}: instructions are counted for {', '.join(chosen.suffixes)} files only")
    with Worker(chosen, artifact, threads=1, timeout_s=timeout_s) as worker:
        counts = worker.count(inputs, warmup=warmup, runs=runs)
    cpu_name = chosen.cpu or ""
    return Instructions(
        cpu=cpu_name,
        per_inference=round(statistics.median(counts)),
        spread=max(counts) - min(counts),
        n=len(counts),
        operators=_operators(artifact, inputs, cpu_name, warmup, timeout_s) if operators else (),
    )


def _operators(
    artifact: Path, inputs: Sequence[Array], cpu: str, warmup: int, timeout_s: float
) -> tuple[OperatorInstructions, ...]:
    with Worker(counting(cpu, by_operator=True), artifact, threads=1, timeout_s=timeout_s) as worker:
        return by_operator(artifact, worker.profile(inputs, warmup=warmup, runs=_PROFILED), warmup)
