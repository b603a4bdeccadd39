"""Figures come from a process that really ran; a runtime that is not here gives a reason; ratios are of rounds."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import pytest

from mobilekit.bench import Entry, Protocol, cold_start, disturbed, measure, measure_together
from mobilekit.bundle.manifest import Benchmark, Interval, Latency
from mobilekit.errors import RunnerError
from mobilekit.runners import Effort

BRIEF = Effort(warmup=2, min_runs=20, min_seconds=0, max_runs=20)


def model(folder: Path, size: int) -> Path:
    """`y = x @ weight`, weight float32 [size, size]."""
    from onnx import TensorProto, helper, numpy_helper, save

    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weight"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [size, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [size, size])],
        [numpy_helper.from_array(np.ones((size, size), np.float32), "weight")],
    )
    path = folder / f"product{size}.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), str(path))
    return path


def test_a_larger_model_takes_longer_and_more_memory(tmp_path: Path) -> None:
    small, large = (
        measure(model(tmp_path, size), [np.ones((size, size), np.float32)], effort=BRIEF) for size in (8, 800)
    )
    for found in (small, large):
        assert found.executed
        assert found.runner == "onnx"
        assert found.latency is not None
        assert (found.latency.n, found.latency.warmup, found.latency.threads) == (20, 2, 1)
        assert 0 < found.latency.min_ms <= found.latency.median_ms <= found.latency.p90_ms
        assert found.latency.ratio_to_eager is None
        assert found.latency.preemptions_per_second is not None
        assert found.load_ms is not None and found.load_ms > 0
    assert small.latency is not None and large.latency is not None
    assert large.latency.min_ms > 10 * small.latency.min_ms  # 10^6 times the work
    assert small.peak_memory_bytes is not None and large.peak_memory_bytes is not None
    assert large.peak_memory_bytes > 800 * 800 * 4  # its weight at least


@pytest.mark.skipif(platform.system() == "Darwin", reason="Core ML runs here")
def test_what_cannot_run_here(tmp_path: Path) -> None:
    found = measure(tmp_path / "m.mlpackage", [])
    assert found == Benchmark(executed=False, runner="coreml", reason="Core ML runs on macOS only")


def test_a_refusal_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="expected x"):
        measure(model(tmp_path, 8), [np.ones((8, 7), np.float32)], effort=BRIEF)


def test_in_turns_with_a_reference_and_second_copies(tmp_path: Path) -> None:
    small, large = (Entry(model(tmp_path, size), (np.ones((size, size), np.float32),)) for size in (8, 400))
    absent, done = Entry(tmp_path / "m.mlpackage", ()), []
    protocol = Protocol(effort=BRIEF, rounds=4, self_check=True)
    entries = [small, large] if platform.system() == "Darwin" else [small, large, absent]
    found = measure_together(entries, 0, protocol, advance=lambda: done.append(1))
    first, second = (one.latency for one in found[:2])
    assert first is not None and second is not None
    assert first.ratio_to_eager == 1 and first.ratio_ci95 == Interval(low=1, high=1)
    assert second.ratio_to_eager is not None and second.ratio_to_eager > 5
    assert second.ratio_ci95 is not None and second.ratio_ci95.low <= second.ratio_to_eager <= second.ratio_ci95.high
    for one in (first, second):
        assert (one.n, one.rounds, one.warmup) == (20, 4, 2)
        assert one.self_ratio is not None and one.self_ratio_ci95 is not None
        assert one.median_ci95 is not None and one.median_ci95.low <= one.median_ms <= one.median_ci95.high
    assert len(done) == 2
    assert [one.executed for one in found[2:]] == [False] * len(found[2:])


def test_without_its_reference_there_is_no_ratio(tmp_path: Path) -> None:
    entries = [Entry(tmp_path / "m.mlpackage", ()), Entry(model(tmp_path, 8), (np.ones((8, 8), np.float32),))]
    if platform.system() != "Darwin":
        _, found = measure_together(entries, 0, Protocol(effort=BRIEF, rounds=2))
        assert found.latency is not None and found.latency.ratio_to_eager is None


def test_cold_starts(tmp_path: Path) -> None:
    found = cold_start(Entry(model(tmp_path, 8), (np.ones((8, 8), np.float32),)), 2)
    assert found is not None and found.n == 2
    assert 0 < found.load_ms + found.first_ms <= found.slowest_ms * (1 + 1e-9)
    if platform.system() != "Darwin":
        assert cold_start(Entry(tmp_path / "m.mlpackage", ()), 2) is None


def made(median: float) -> Benchmark:
    latency = Latency(n=9, warmup=1, median_ms=median, p90_ms=median, min_ms=median, iqr_ms=0, threads=2)
    return Benchmark(executed=True, runner="pte", latency=latency)


def test_disturbed() -> None:
    quiet = made(1.0)
    assert not disturbed(quiet)
    assert not disturbed(Benchmark(executed=False, reason="not here"))
    assert quiet.latency is not None
    busy = quiet.latency.model_copy(update={"preemptions_per_second": 250.0})
    assert disturbed(quiet.model_copy(update={"latency": busy}))
    slowed = quiet.latency.model_copy(update={"frequency_mhz": Interval(low=1000, high=3000)})
    assert disturbed(quiet.model_copy(update={"latency": slowed}))
