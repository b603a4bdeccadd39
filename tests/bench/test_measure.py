"""Figures come from a process that really ran; a runtime that is not here gives a reason; ratios are of medians."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import pytest

from mobilekit.bench import compare_to_eager, disturbed, measure
from mobilekit.bundle.manifest import Benchmark, Latency
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


def made(median: float) -> Benchmark:
    latency = Latency(n=9, warmup=1, median_ms=median, p90_ms=median, min_ms=median, iqr_ms=0, threads=2)
    return Benchmark(executed=True, runner="pte", latency=latency)


def test_ratios() -> None:
    absent = Benchmark(executed=False, reason="not here")
    faster, slower, same = compare_to_eager(made(2.0), [made(0.5), made(3.0), absent])
    assert faster.latency is not None and faster.latency.ratio_to_eager == 0.25
    assert slower.latency is not None and slower.latency.ratio_to_eager == 1.5
    assert same == absent
    assert compare_to_eager(absent, [made(1.0)]) == (made(1.0),)


def test_disturbed() -> None:
    quiet = made(1.0)
    assert not disturbed(quiet)
    assert not disturbed(Benchmark(executed=False, reason="not here"))
    assert quiet.latency is not None
    busy = quiet.latency.model_copy(update={"preemptions_per_second": 250.0})
    assert disturbed(quiet.model_copy(update={"latency": busy}))
