"""Measuring again does not pass the bundle's own figures off as this run's."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobilekit.bundle import Bundle
from mobilekit.bundle.manifest import Manifest, ModelEntry, TestData
from mobilekit.bundle.write import utc_now
from mobilekit.data import generated
from mobilekit.environment import describe
from mobilekit.errors import BundleError
from mobilekit.pipeline.benching import BenchOptions
from mobilekit.pipeline.golden import write_golden
from mobilekit.pipeline.measuring import verify_all
from mobilekit.pipeline.remeasure import bench_bundle, verify_bundle
from mobilekit.runners import Effort

pytestmark = pytest.mark.slow  # each starts runtimes in processes of their own


@pytest.fixture(scope="module")
def bundle(made) -> Bundle:
    """On generated input; only in memory, beside the files of `made`."""
    samples = generated(made.eager.inputs, 6, 0, None)
    artifacts, outputs = verify_all(
        made.folder, [made.eager, made.onnx], [samples.one(i) for i in range(6)], labels=None, judged=False, threads=1
    )
    manifest = Manifest(
        created=utc_now(),
        model=ModelEntry(name="net", source="test", parameters=15, trained=True),
        inputs=made.eager.inputs,
        outputs=made.eager.outputs,
        artifacts=artifacts,
        test_data=TestData(source="generated", split="generated", samples=6, generated=True),
        golden=write_golden(made.folder, samples, made.eager.inputs, artifacts, outputs),
        environment=describe(),
    )
    return Bundle(made.folder, manifest)


def test_generated_input_is_made_again(bundle: Bundle, progress) -> None:
    again = verify_bundle(bundle, threads=1, progress=progress)
    assert again.test_data == bundle.manifest.test_data
    for now, then in zip(again.artifacts, bundle.manifest.artifacts, strict=True):
        assert now.verification.metrics == then.verification.metrics
    assert progress.warnings == []


@pytest.mark.parametrize("source", ["imagefolder:nowhere-at-all", "a_package.that_is_gone:data"])
def test_golden_samples_stand_in_for_data_that_is_gone(bundle: Bundle, progress, source: str) -> None:
    elsewhere = TestData(source=source, split="test", samples=6, indices_sha256="0" * 64)
    gone = Bundle(bundle.path, bundle.manifest.model_copy(update={"test_data": elsewhere}))
    again = verify_bundle(gone, threads=1, progress=progress)
    assert again.test_data and (again.test_data.source, again.test_data.samples) == ("golden", 5)
    assert "golden samples are used instead" in progress.warnings[0]
    assert all(one.benchmark is None for one in again.artifacts)


def test_without_any_samples_it_says_what_to_do(bundle: Bundle) -> None:
    bare = Bundle(Path("b"), bundle.manifest.model_copy(update={"golden": (), "test_data": None}))
    with pytest.raises(BundleError, match="no golden samples") as caught:
        verify_bundle(bare)
    assert "--data" in str(caught.value.hint)


def test_bench_keeps_what_it_did_not_measure_and_says_so(bundle: Bundle) -> None:
    brief = BenchOptions(effort=Effort(warmup=0, min_runs=2, min_seconds=0, max_runs=2), rounds=2)
    again = bench_bundle(bundle, threads=(1,), options=brief)
    assert [one.benchmark.latency.n for one in again.artifacts] == [2, 2]
    assert [one.verification for one in again.artifacts] == [one.verification for one in bundle.manifest.artifacts]
    assert "only speed and memory were measured now" in again.warnings[-1]
