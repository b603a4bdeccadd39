"""Tracing ONNX Runtime: its own profiler, and reading what that writes, one JSON event per line. Trusts no name in it.

The clock of that profiler counts whole microseconds. Operators inside a Loop, If or Scan have events of their own, so
that the time of those three is not counted a second time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mobilekit.errors import RunnerError
from mobilekit.inspection.traces import WARMUP, Runs, Sizes, collected, random_values, repeat
from mobilekit.runners.onnx import OnnxRunner, expected, session_options

_CONTROL_FLOW = frozenset({"If", "Loop", "Scan"})
_LONGEST = 10**9
"""Microseconds; no event of runs that end within seconds is longer."""


def trace_onnx(path: Path, threads: int, folder: Path, sizes: Sizes | None) -> tuple[Runs, Sizes]:
    """Run the model with inputs of `sizes`; without, a dimension that the file leaves open is 1. Say what they were.

    The profile is written into `folder`. Raises whatever ONNX Runtime raises, and RunnerError.
    """
    OnnxRunner().prepare(threads)
    import onnxruntime

    options = session_options(threads)
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    takes = [expected(one) for one in session.get_inputs()]
    if sizes is not None and len(sizes) != len(takes):
        raise RunnerError(f"it takes {len(takes)} inputs, and the bundle has {len(sizes)}")
    shapes = sizes or tuple(tuple(1 if high is None else high for _, high in one.shape) for one in takes)
    feed = {
        one.name: random_values(one.dtype, shape, index)
        for index, (one, shape) in enumerate(zip(takes, shapes, strict=True))
    }
    repeat(lambda: session.run(None, feed))
    with Path(session.end_profiling()).open(encoding="utf-8", errors="replace") as lines:
        return read_events(lines, WARMUP), shapes


def read_events(lines: Iterable[str], warmup: int) -> Runs:
    """The runs after `warmup` in a profile of ONNX Runtime. Raises RunnerError when there is none, or it is damaged."""
    runs: list[list[tuple[str, int]]] = []
    whole: list[int] = []
    here: list[tuple[str, int]] = []
    for line in lines:
        event = _event(line)
        if event is None:
            continue
        category, name, duration, operator = event
        if category == "Node" and name.endswith("_kernel_time") and operator not in _CONTROL_FLOW:
            here.append((operator, 1000 * duration))
        elif category == "Session" and name == "model_run":
            # The last event of a run; what stands behind the last of these was not recorded to its end.
            runs.append(here)
            whole.append(1000 * duration)
            here = []
    if len(runs) <= warmup:
        raise RunnerError("the profile that ONNX Runtime wrote holds no inference")
    return collected(runs[warmup:], whole[warmup:])


def _event(line: str) -> tuple[str, str, int, str] | None:
    """Category, name, microseconds and operator of one line; None for the brackets around them all."""
    text = line.strip().rstrip(",")
    if text in ("", "[", "]"):
        return None
    try:
        found = json.loads(text)
        category, name, duration = str(found["cat"]), str(found["name"]), found["dur"]
        operator = str(_arguments(found).get("op_name", "unknown"))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunnerError(f"the profile that ONNX Runtime wrote cannot be read: {error}") from error
    if not isinstance(duration, int):
        raise RunnerError(f"the profile that ONNX Runtime wrote cannot be read: {duration!r} is no duration")
    # A lone surrogate could not be written on.
    return category, name, min(max(0, duration), _LONGEST), operator.encode(errors="replace").decode()


def _arguments(event: dict[str, Any]) -> dict[str, Any]:
    arguments = event.get("args")
    return arguments if isinstance(arguments, dict) else {}
