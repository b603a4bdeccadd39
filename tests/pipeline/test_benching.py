"""Every setting is timed in turns with eager; a batch that no artifact takes is refused before anything starts."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console

from mobilekit.errors import SpecError
from mobilekit.pipeline.benching import BenchOptions, batched, bench_all, takes_batch
from mobilekit.report.latency import COLUMNS, noise_floor, print_latencies
from mobilekit.runners import Effort
from mobilekit.spec import TensorSpec

BRIEF = Effort(warmup=1, min_runs=4, min_seconds=0, max_runs=4)


@pytest.mark.slow
def test_settings_cold_starts_and_second_copies(made, tmp_path) -> None:
    options = BenchOptions(BRIEF, rounds=2, batches=(1, 8), cold_starts=1, self_check=True)
    artifacts = bench_all(made.folder, [made.eager, made.onnx], made.samples[0], threads=(1, 2), options=options)
    eager, onnx = (one.benchmark for one in artifacts)
    assert eager.latency.ratio_to_eager == 1
    taken = [(one.threads, one.batch) for one in (onnx.latency, *onnx.others)]
    assert taken == [(1, 1), (2, 1), (1, 8), (2, 8)]
    assert all(one.ratio_to_eager and one.self_ratio and one.rounds == 2 for one in (onnx.latency, *onnx.others))
    assert (onnx.cold.n, onnx.cold.threads) == (1, 1)

    from types import SimpleNamespace

    with (tmp_path / "out").open("w") as stream:
        manifest = SimpleNamespace(artifacts=artifacts)
        print_latencies(manifest, Console(file=stream, width=20))
    said = (tmp_path / "out").read_text()
    assert all(column in said for column in (*COLUMNS, "slowest start ms"))
    assert said.count("self-check: ") == len(noise_floor(manifest)) == 8


def test_a_batch_that_nothing_takes(made) -> None:
    with pytest.raises(SpecError, match=r"--batch: must be a batch that an artifact takes: \[batch=1..8, 4\]"):
        bench_all(made.folder, [made.eager], made.samples[0], threads=(1,), options=BenchOptions(batches=(1, 9)))


def test_batches(made) -> None:
    fixed = made.onnx.model_copy(update={"inputs": (TensorSpec(name="x", shape=(1, 4)),)})
    assert [takes_batch(fixed, count) for count in (1, 8)] == [True, False]
    assert [takes_batch(made.onnx, count) for count in (1, 8, 9)] == [True, True, False]
    (rows,) = batched((np.array([[1, 2], [3, 4]]),), 3)
    assert rows.tolist() == [[1, 2]] * 3
