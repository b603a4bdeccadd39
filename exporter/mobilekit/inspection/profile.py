"""Profile: what each kernel and each delegate of a .pte costs, measured by ExecuTorch's own event tracer.

In a process of its own, so that a damaged file ends as a RunnerError. The shares are the point: tracing itself takes
time, so the milliseconds are no latency (that is what `mobilekit bench` is for).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from mobilekit.bundle.contents import Call
from mobilekit.bundle.etdump import Span, read_etdump
from mobilekit.bundle.flatbuffer import FlatBufferError
from mobilekit.environment import describe, suitable_cores
from mobilekit.errors import RunnerError, UsageError
from mobilekit.inspection.costs import InsideTime, Profile, StepTime
from mobilekit.inspection.native import TracingRunner, traced
from mobilekit.inspection.summary import Inspection, PteDetails
from mobilekit.inspection.tracer import decode
from mobilekit.runners.child import Child, ChildEndedError, ChildSilentError, python
from mobilekit.runners.protocol import Refused
from mobilekit.runners.pte import PteRunner

_LARGEST_DUMP = 512 << 20


def measured(found: Inspection, *, threads: int | None = None, runner: TracingRunner | None = None) -> Inspection:
    """`found` with its profile; raises what `profile_pte` raises."""
    return found.model_copy(update={"profile": profile_pte(found, threads=threads, runner=runner)})


def profile_pte(
    found: Inspection, *, threads: int | None = None, runner: TracingRunner | None = None, timeout_s: float = 120
) -> Profile:
    """Run the .pte that `found` describes under the tracer: in C++ by `runner`, or in Python's binding.

    Raises UsageError for another kind of file, RunnerError when the runtime is missing, refuses, crashes or hangs.
    """
    path = Path(found.path)
    if not isinstance(found.details, PteDetails):
        raise UsageError(
            f"{path.name}: only a .pte can be measured operator by operator: the tracer is ExecuTorch's",
            hint="mobilekit bench times every artifact of a bundle as a whole",
        )
    missing = (runner or PteRunner()).unavailable()
    if missing is not None:
        raise RunnerError(f"{path.name} cannot be executed here: {missing}")
    threads = threads or suitable_cores(_values(found))
    if runner is None:
        data, method, warmup = _traced(path, threads, timeout_s)
    else:
        data, method, warmup = traced(runner, path, found.inputs, threads, timeout_s)
    try:
        runs = read_etdump(data)[warmup:]
    except FlatBufferError as error:
        raise RunnerError(f"{path.name}: the profile that ExecuTorch wrote cannot be read: {error}") from error
    if not runs:
        raise RunnerError(f"{path.name}: the profile that ExecuTorch wrote holds no inference")
    environment = describe()
    total, steps, inside = _medians(runs, found.details.calls, method)
    return Profile(
        n=len(runs),
        warmup=warmup,
        threads=threads,
        microseconds=total,
        steps=steps,
        inside=inside,
        processor=environment.machine.processor,
        executorch=environment.packages.get("executorch", "unknown"),
    )


def _traced(path: Path, threads: int, timeout_s: float) -> tuple[bytes, str, int]:
    """The ETDump, the method that ran, and how many of its runs warmed up."""
    variables = {"OMP_NUM_THREADS": str(threads)}
    child = Child(python("mobilekit.inspection.tracer", os.path.abspath(path), str(threads)), variables)
    try:
        reply = decode(child.receive(timeout_s))
        if isinstance(reply, Refused):
            raise RunnerError(f"{path.name}: ExecuTorch refused to run it: {reply.message}{_log(child)}")
        size = os.fstat(child.outputs.fileno()).st_size
        if size > _LARGEST_DUMP:
            raise RunnerError(f"{path.name}: its profile has {size} bytes, too many to read")
        with open(child.outputs.fileno(), "rb", closefd=False) as stream:
            stream.seek(0)
            return stream.read(size), reply.method, reply.warmup
    except ChildEndedError as ending:
        raise RunnerError(
            f"{path.name}: ExecuTorch {ending} while it was measured{_log(child)}",
            hint="the file may be damaged or cut short: export it again",
        ) from None
    except ChildSilentError:
        raise RunnerError(f"{path.name}: was not measured within {timeout_s:g} s, and was stopped") from None
    except ValueError as error:
        raise RunnerError(f"{path.name}: the process that measures answered nonsense: {error}") from error
    finally:
        child.close()


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
