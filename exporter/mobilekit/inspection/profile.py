"""Profile: what each operator of an artifact costs, measured by its runtime's own tracer; eager's by an interpreter.

In a process of its own, so that a damaged file ends as a RunnerError. The shares are the point: tracing itself takes
time, so the milliseconds are no latency (that is what `mobilekit bench` is for).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from mobilekit.bundle.contents import Call
from mobilekit.bundle.etdump import Span, counted_runs
from mobilekit.environment import describe, suitable_cores
from mobilekit.errors import RunnerError, UsageError
from mobilekit.files import storage_errors
from mobilekit.inspection.costs import InsideTime, Profile, StepTime, operator_times, program_times
from mobilekit.inspection.native import TracingRunner, traced_in_cpp
from mobilekit.inspection.summary import Inspection, PteDetails
from mobilekit.inspection.traces import Runs, Sizes, Traced, decode, encode_sizes
from mobilekit.runners.base import Runner
from mobilekit.runners.child import Child, ChildEndedError, ChildSilentError, python
from mobilekit.runners.eager import EagerRunner
from mobilekit.runners.onnx import OnnxRunner
from mobilekit.runners.protocol import Refused
from mobilekit.runners.pte import PteRunner

_LARGEST_DUMP = 512 << 20


@dataclass(frozen=True)
class _Runtime:
    """What runs one kind of artifact: in words, as a runner, and as a package whose version counts."""

    name: str
    runner: Runner

    @property
    def versioned(self) -> str:
        return f"{self.name} {describe().packages.get(self.runner.runtime, 'unknown')}"


_RUNTIMES = {
    "pte": _Runtime("ExecuTorch", PteRunner()),
    "onnx": _Runtime("ONNX Runtime", OnnxRunner()),
    "pt2": _Runtime("torch", EagerRunner()),
}


def unmeasurable(suffix: str) -> str | None:
    """Why artifacts with this suffix cannot be measured here; None when they can."""
    runtime = _RUNTIMES.get(suffix.removeprefix("."))
    if runtime is None:
        return "only a .pte, .onnx or .pt2 can be measured operator by operator"
    return runtime.runner.unavailable()


def measured(
    found: Inspection,
    *,
    threads: int | None = None,
    sizes: Sizes | None = None,
    runner: TracingRunner | None = None,
) -> Inspection:
    """`found` with its profile; raises what `profile_of` raises."""
    return found.model_copy(update={"profile": profile_of(found, threads=threads, sizes=sizes, runner=runner)})


def profile_of(
    found: Inspection,
    *,
    threads: int | None = None,
    sizes: Sizes | None = None,
    runner: TracingRunner | None = None,
    timeout_s: float = 120,
) -> Profile:
    """Run the .pte, .onnx or .pt2 that `found` describes under its runtime's tracer, on inputs of the largest shape.

    An .onnx does not say what is largest: there `sizes` are the shapes of its inputs, and without them a dimension
    that it leaves open is 1. A .pte runs in Python's binding, or in C++ by `runner`.

    Raises UsageError for another kind of file, or one that `runner` does not take, RunnerError when the runtime is
    missing, refuses, crashes or hangs.
    """
    path = Path(found.path)
    runtime = _RUNTIMES.get(found.kind)
    if runtime is None:
        raise UsageError(
            f"{path.name}: {unmeasurable(path.suffix)}",
            hint="mobilekit bench times every artifact of a bundle as a whole",
        )
    if runner is not None and found.kind != "pte":
        raise UsageError(f"{path.name}: the runner {runner.name} runs a .pte, and this is none")
    missing = (runner or runtime.runner).unavailable()
    if missing is not None:
        raise RunnerError(f"{path.name} cannot be executed here: {missing}")
    threads = threads or suitable_cores(_values(found))
    if runner is not None:
        data, traced = traced_in_cpp(runner, path, found.inputs, threads, timeout_s)
    else:
        data, traced = _traced(path, runtime.name, threads, timeout_s, sizes)
    if isinstance(found.details, PteDetails):
        return _of_dump(path, data, traced, threads, found.details.calls)
    return _of_runs(path, data, traced, threads, runtime)


def _of_dump(path: Path, data: bytes, traced: Traced, threads: int, calls: Sequence[Call]) -> Profile:
    runs = counted_runs(data, traced.warmup, path.name)
    total, steps, inside = _medians(runs, calls, traced.method)
    hand_overs, between = _left_over(runs, calls, traced.method)
    return Profile(
        n=len(runs),
        warmup=traced.warmup,
        threads=threads,
        sizes=traced.sizes,
        microseconds=total,
        operators=program_times(calls, steps, inside, hand_overs, between),
        between=between,
        steps=steps,
        inside=inside,
        processor=describe().machine.processor,
        runtime=_RUNTIMES["pte"].versioned,
    )


def _of_runs(path: Path, data: bytes, traced: Traced, threads: int, runtime: _Runtime) -> Profile:
    try:
        runs = Runs.model_validate_json(data)
    except ValueError as error:
        raise RunnerError(f"{path.name}: the process that measures wrote nonsense: {error}") from error
    times = [(one.name, False, one.calls, median(one.nanoseconds) / 1e3) for one in runs.operators]
    total, between = sum(taken for *_, taken in times), 0.0
    if runs.whole is not None:
        total = median(runs.whole) / 1e3
        rests = (whole - sum(one.nanoseconds[run] for one in runs.operators) for run, whole in enumerate(runs.whole))
        between = median(max(0, rest) for rest in rests) / 1e3
    return Profile(
        n=runs.n,
        warmup=traced.warmup,
        threads=threads,
        sizes=traced.sizes,
        microseconds=max(1e-3, total),
        operators=operator_times(times, between),
        between=between,
        processor=describe().machine.processor,
        runtime=runtime.versioned,
    )


def _traced(path: Path, runtime: str, threads: int, timeout_s: float, sizes: Sizes | None) -> tuple[bytes, Traced]:
    """What the tracer wrote, and what it says of that."""
    with storage_errors(Path(tempfile.gettempdir())), tempfile.TemporaryDirectory(prefix="mobilekit-") as folder:
        arguments = (os.path.abspath(path), str(threads), folder, encode_sizes(sizes) if sizes else "")
        child = Child(python("mobilekit.inspection.tracer", *arguments), {"OMP_NUM_THREADS": str(threads)})
        try:
            return _answered(child, path, runtime, timeout_s)
        finally:
            child.close()  # before the folder that it writes to


def _answered(child: Child, path: Path, runtime: str, timeout_s: float) -> tuple[bytes, Traced]:
    try:
        reply = decode(child.receive(timeout_s))
        if isinstance(reply, Refused):
            raise RunnerError(f"{path.name}: {runtime} refused to run it: {reply.message}{_log(child)}")
        size = os.fstat(child.outputs.fileno()).st_size
        if size > _LARGEST_DUMP:
            raise RunnerError(f"{path.name}: its profile has {size} bytes, too many to read")
        with open(child.outputs.fileno(), "rb", closefd=False) as stream:
            stream.seek(0)
            return stream.read(size), reply
    except ChildEndedError as ending:
        raise RunnerError(
            f"{path.name}: {runtime} {ending} while it was measured{_log(child)}",
            hint="the file may be damaged or cut short: export it again",
        ) from None
    except ChildSilentError:
        raise RunnerError(f"{path.name}: was not measured within {timeout_s:g} s, and was stopped") from None
    except ValueError as error:
        raise RunnerError(f"{path.name}: the process that measures answered nonsense: {error}") from error


def _log(child: Child) -> str:
    return "".join(f"\n  {line}" for line in child.log_tail().splitlines())


def _medians(
    runs: Sequence[Sequence[Span]], calls: Sequence[Call], method: str
) -> tuple[float, tuple[StepTime, ...], tuple[InsideTime, ...]]:
    places = {(call.chain, call.instruction): place for place, call in enumerate(calls) if call.method == method}
    whole: list[int] = []
    taken: dict[int, list[int]] = {}
    inside: dict[tuple[int, str], list[int]] = {}
    for run in runs:
        # A loop runs an instruction several times: they belong together.
        here: dict[int, int] = {}
        within: dict[tuple[int, str], int] = {}
        for span in run:
            place = places.get((span.chain, span.instruction))
            if span.kind == "method":
                whole.append(span.nanoseconds)
            elif place is not None and span.kind == "inside":
                within[place, span.name] = within.get((place, span.name), 0) + span.nanoseconds
            elif place is not None:
                here[place] = here.get(place, 0) + span.nanoseconds
        for place, value in here.items():
            taken.setdefault(place, []).append(value)
        for key, value in within.items():
            inside.setdefault(key, []).append(value)
    total = max(1.0, float(median(whole)))
    steps = tuple(
        StepTime(call=place, microseconds=median(values) / 1e3, share=median(values) / total)
        for place, values in sorted(taken.items())
    )
    operators = tuple(
        InsideTime(call=place, name=name, microseconds=median(values) / 1e3) for (place, name), values in inside.items()
    )
    return total / 1e3, steps, operators


def _left_over(runs: Sequence[Sequence[Span]], calls: Sequence[Call], method: str) -> tuple[dict[int, float], float]:
    """Medians over runs, in microseconds: of each delegate beyond its operators, by place; of the whole beyond calls.

    Not differences of medians: another program that has the core for a while is in one operator of a run, and in the
    whole of every run.
    """
    places = {(call.chain, call.instruction): place for place, call in enumerate(calls) if call.method == method}
    hand_overs: dict[int, list[int]] = {}
    between: list[int] = []
    for run in runs:
        rest = 0
        beyond: dict[int, int] = {}
        told: set[int] = set()
        for span in run:
            place = places.get((span.chain, span.instruction))
            if span.kind == "method":
                rest += span.nanoseconds
            elif place is not None and span.kind == "inside":
                told.add(place)
                beyond[place] = beyond.get(place, 0) - span.nanoseconds
            elif place is not None:
                rest -= span.nanoseconds
                beyond[place] = beyond.get(place, 0) + span.nanoseconds
        between.append(max(0, rest))
        for place in told:
            hand_overs.setdefault(place, []).append(max(0, beyond[place]))
    return {place: median(values) / 1e3 for place, values in hand_overs.items()}, median(between) / 1e3


def _values(found: Inspection) -> int:
    """How many values the inputs have, at their largest."""
    count = 0
    for tensor in found.inputs:
        size = 1
        for dim in tensor.shape:
            bound = str(dim).rpartition("..")[2]
            size *= int(bound) if bound.isdigit() else 1
        count += size
    return count
