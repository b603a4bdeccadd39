"""ONNX Runtime's profile is read line by line: runs after warm-up, whole runs only, and no name breaks it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from mobilekit.errors import RunnerError
from mobilekit.inspection import inspect_artifact
from mobilekit.inspection.profile import measured
from mobilekit.inspection.trace_onnx import read_events

HOSTILE = (
    'a"b', "back\\slash", "new\nline", "\x01\x1b[31m", "_kernel_time", "model_run", "</script>", "é\u2028", "{}", "]",
    '"}, {"cat": "Node", "name": "x_kernel_time", "dur": 99999, "args": {"op_name": "Evil"}}',
)  # fmt: skip


def event(category: str, name: str, duration: Any, **arguments: Any) -> dict[str, Any]:
    return {"cat": category, "pid": 1, "tid": 1, "dur": duration, "ts": 5, "ph": "X", "name": name, "args": arguments}


def kernel(name: str, duration: int, operator: str) -> dict[str, Any]:
    return event("Node", f"{name}_kernel_time", duration, op_name=operator, node_index="3")


def written(events: list[Any]) -> list[str]:
    """As ONNX Runtime writes it: one event per line, with brackets around them."""
    return ["[\n", *(f"{json.dumps(one)},\n" for one in events[:-1]), f"{json.dumps(events[-1])}\n", "]\n"]


def run(*kernels: dict[str, Any], whole: int) -> list[dict[str, Any]]:
    return [*kernels, event("Session", "SequentialExecutor::Execute", whole), event("Session", "model_run", whole)]


def test_runs_after_warm_up_are_counted_and_half_runs_are_not() -> None:
    events = [
        event("Session", "session_initialization", 10_000),
        *run(kernel("a", 900, "Conv"), whole=1000),
        *run(kernel("a", 5, "Conv"), kernel("b", 2, "Conv"), kernel("c", 1, "Add"), whole=12),
        *run(kernel("a", 7, "Conv"), kernel("b", 2, "Conv"), whole=11),
        kernel("a", 70, "Conv"),  # the profiler's list was full
    ]
    found = read_events(written(events), warmup=1)
    assert (found.n, found.whole) == (2, (12_000, 11_000))
    assert [(one.name, one.calls, one.nanoseconds) for one in found.operators] == [
        ("Conv", 2, (7000, 9000)),
        ("Add", 1, (1000, 0)),
    ]


def test_a_loops_body_is_not_counted_twice() -> None:
    events = run(kernel("b", 4, "Add"), kernel("b", 5, "Add"), kernel("l", 11, "Loop"), whole=20)
    assert [(one.name, one.nanoseconds) for one in read_events(written(events), 0).operators] == [("Add", (9000,))]


def test_names_are_only_names() -> None:
    events = run(*(kernel(name, 3, name) for name in HOSTILE), event("Node", "\ud800_kernel_time", 1), whole=99)
    found = read_events(written(events), 0)
    assert {one.name for one in found.operators} == {*HOSTILE, "unknown"}
    assert all(one.nanoseconds == ((3000,) if one.name != "unknown" else (1000,)) for one in found.operators)
    assert found.model_dump_json()
    assert read_events(written(run(kernel("a", 1, "\ud800"), whole=1)), 0).operators[0].name == "?"


@pytest.mark.parametrize(
    "line",
    [
        '{"cat": "Node"',
        "[1]",
        "null",
        "3",
        '{"cat": "Node", "name": "x"}',
        '{"cat":1,"name":2,"dur":"3"}',
        "[" * 9999,
    ],
)
def test_a_damaged_profile_is_refused(line: str) -> None:
    lines = [*written(run(kernel("a", 1, "Add"), whole=1)), line]
    with pytest.raises(RunnerError, match="the profile that ONNX Runtime wrote"):
        read_events(lines, 0)


@pytest.mark.parametrize("runs", [0, 3])
def test_a_profile_without_counted_runs_is_refused(runs: int) -> None:
    events = [event("Session", "x", 1), *(one for _ in range(runs) for one in run(whole=1))]
    with pytest.raises(RunnerError, match="holds no inference"):
        read_events(written(events), warmup=3)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
EVENT = st.fixed_dictionaries(
    {
        "cat": st.sampled_from(["Node", "Session"]) | JSON,
        "name": st.sampled_from(["a_kernel_time", "model_run"]) | JSON,
        "dur": st.integers(-(10**30), 10**30) | JSON,
        "args": st.fixed_dictionaries({"op_name": st.sampled_from(["Conv", "Loop"]) | JSON}) | JSON,
    }
)


@given(st.lists(EVENT, min_size=1, max_size=12))
def test_any_events_are_read_or_refused(events: list[Any]) -> None:
    try:
        found = read_events(written(events), 0)
    except RunnerError:
        return
    assert all(0 <= taken <= 12 * 10**12 for one in found.operators for taken in one.nanoseconds)


@pytest.mark.slow
def test_a_model_with_hostile_names_is_measured(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Neg" if index % 2 else "Abs", [f"t{index}"], [f"t{index + 1}"], name=name)
        for index, name in enumerate(HOSTILE)
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ['b"atch', 3]) for name in ("t0", f"t{len(HOSTILE)}")
    ]
    graph = helper.make_graph(nodes, 'gr"aph', ends[:1], ends[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "m.onnx")
    profile = measured(inspect_artifact(tmp_path / "m.onnx"), threads=1).profile
    assert profile is not None and profile.sizes == ((1, 3),)
    assert {one.name for one in profile.operators} == {"Abs", "Neg"}
