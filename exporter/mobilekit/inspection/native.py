"""Native: a .pte's profile from the C++ runner, without Python around the program. Refuses an emulator's seconds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from mobilekit.bundle.contents import TensorInfo
from mobilekit.errors import MissingDependency, RunnerError, UsageError
from mobilekit.inspection.traces import MOST_RUNS, MOST_SECONDS, WARMUP, Traced, random_values
from mobilekit.progress import SILENT, Progress
from mobilekit.runners import Array, Effort, Worker, runner
from mobilekit.runners.arm64 import Arm64Runner
from mobilekit.runners.native import NativeRunner
from mobilekit.runners.pte import PteRunner

TracingRunner = NativeRunner | Arm64Runner
METHOD = "forward"
_MOST_VALUES = 1 << 27
_BRIEF = Effort(warmup=1, min_runs=3, min_seconds=0, max_runs=3, max_seconds=MOST_SECONDS)


def tracing_runner(name: str, progress: Progress = SILENT) -> TracingRunner | None:
    """The C++ runner called `name`, compiled; None for `pte`, which is Python's binding.

    Raises UnknownName, UsageError for a runner that does not trace or is emulated, SetupError.
    """
    chosen = runner(name)
    if isinstance(chosen, PteRunner):
        return None
    if not isinstance(chosen, TracingRunner):
        raise UsageError(f"the runner {name} does not measure operator by operator", hint="pte and native do")
    if chosen.emulated:
        raise UsageError(
            f"{name} is emulated here, and the emulator's seconds say nothing about the processor's",
            hint="count its instructions by operator instead: mobilekit bench BUNDLE --instructions cortex-a76",
        )
    reason = chosen.unavailable()
    if reason is not None:
        raise MissingDependency(f"the runner {name} cannot run here: {reason}", hint="docs/runners.md")
    chosen.build(progress)
    return chosen


def traced_in_cpp(
    chosen: TracingRunner, path: Path, inputs: Sequence[TensorInfo], threads: int, timeout_s: float
) -> tuple[bytes, Traced]:
    """The ETDump, and what is to be known of it. Raises RunnerError.

    Inputs, runs and time are traces.py's.
    """
    sample = [_random(one, index) for index, one in enumerate(inputs)]
    with Worker(chosen, path, threads=threads, timeout_s=timeout_s) as worker:
        seconds = statistics.median(worker.time(sample, _BRIEF).nanoseconds) / 1e9
        runs = max(1, min(MOST_RUNS, int(MOST_SECONDS / max(seconds, 1e-9))))
        dump = worker.profile(sample, warmup=WARMUP, runs=runs)
        return dump, Traced(method=METHOD, warmup=WARMUP, sizes=tuple(one.shape for one in sample))


def _random(tensor: TensorInfo, index: int) -> Array:
    """What the other tracers take too, unless the file asks for more than can be made."""
    sizes = [str(size).removeprefix("..") for size in tensor.shape]
    shape = [int(size) for size in sizes if size.isdigit()]
    # a damaged file may ask for terabytes, and these are made in the caller's process
    if len(shape) != len(sizes) or math.prod(shape) > _MOST_VALUES:
        raise RunnerError(f"input {index} is [{', '.join(sizes)}]: no input of that size can be made here")
    return random_values(tensor.dtype, shape, index)
