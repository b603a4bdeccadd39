"""Measuring a bundle again: on this machine, now. Never changes the bundle; returns a manifest with the new figures.

What was not measured again is not passed off as this run's: `verify` leaves the latencies out, and `bench`, whose
table would say little without accuracy, keeps the bundle's and says that they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mobilekit.bench import counter
from mobilekit.bundle import Bundle
from mobilekit.bundle.manifest import Manifest, TestData
from mobilekit.data import generated, materialize, open_dataset, subset
from mobilekit.data.samples import Corrupt
from mobilekit.environment import describe
from mobilekit.errors import BundleError, DataError, DownloadError, UnknownName
from mobilekit.pipeline.benching import BenchOptions, bench_all
from mobilekit.pipeline.measuring import Inputs, threads_for, verify_all
from mobilekit.pipeline.running import make_ready, with_instructions
from mobilekit.pipeline.streaming import feed_of
from mobilekit.progress import SILENT, Progress
from mobilekit.runners import Array
from mobilekit.spec import DataSpec


@dataclass(frozen=True)
class _Samples:
    inputs: Inputs
    labels: list[int] | None
    record: TestData


def verify_bundle(
    bundle: Bundle,
    *,
    data: DataSpec | None = None,
    corrupt: Corrupt = "refuse",
    threads: int | None = None,
    runner: str | None = None,
    progress: Progress = SILENT,
) -> Manifest:
    """Run every artifact on the data that the bundle was measured on, or on `data`, and hold it against eager.

    Where that data is not at hand, the bundle's golden samples stand in, and a warning says so. `runner`, for example
    `native` or `arm64:cortex-a53`, runs those artifacts that it takes.
    """
    runner = make_ready(runner, bundle.manifest.artifacts, progress=progress)
    samples = _samples(bundle, data, corrupt, progress)
    artifacts, _ = verify_all(
        bundle.path,
        bundle.manifest.artifacts,
        samples.inputs,
        labels=samples.labels,
        judged=bundle.manifest.model.trained and not samples.record.generated,
        threads=threads_for(bundle.manifest.inputs, threads),
        stream=bundle.manifest.stream,
        runner=runner,
        progress=progress,
    )
    without_latency = tuple(artifact.model_copy(update={"benchmark": None}) for artifact in artifacts)
    return bundle.manifest.model_copy(
        update={"artifacts": without_latency, "test_data": samples.record, "environment": describe()}
    )


def bench_bundle(
    bundle: Bundle,
    *,
    threads: Sequence[int] = (),
    options: BenchOptions | None = None,
    runner: str | None = None,
    instructions: str | None = None,
    progress: Progress = SILENT,
) -> Manifest:
    """Time every artifact and eager on one golden sample, each alone in a process of its own, in turns.

    `threads` empty: as many as pay for the model's input. `runner` as in verify_bundle. `instructions` names an Arm
    core: those of the .pte artifacts are counted on it. Raises SpecError for a batch that no artifact takes.
    """
    runner = make_ready(runner, bundle.manifest.artifacts, timed=True, progress=progress)
    if instructions is not None:
        counter(instructions, progress)  # refuses now rather than after the timing
    call = golden_call(bundle)
    artifacts = bench_all(
        bundle.path,
        bundle.manifest.artifacts,
        call,
        threads=tuple(threads) or (threads_for(bundle.manifest.inputs, None),),
        options=options,
        runner=runner,
        progress=progress,
    )
    if instructions is not None:
        artifacts = with_instructions(bundle.path, artifacts, call, instructions, progress)
    manifest = bundle.manifest
    said = (
        f"Top-1, SQNR and status are the bundle's own, of {manifest.created}; only speed and memory were measured now."
    )
    return manifest.model_copy(
        update={"artifacts": artifacts, "environment": describe(), "warnings": (*manifest.warnings, said)}
    )


def golden_call(bundle: Bundle) -> tuple[Array, ...]:
    """The inputs of one call on the first golden sample: what is timed. Raises BundleError when there is none."""
    stream, sample = bundle.manifest.stream, _golden(bundle).inputs[0]
    return feed_of(stream, stream.whole.inputs, bundle.manifest.outputs).first(sample) if stream else sample


def _samples(bundle: Bundle, data: DataSpec | None, corrupt: Corrupt, progress: Progress) -> _Samples:
    recorded = bundle.manifest.test_data
    if data is not None:
        return _read(bundle, data, corrupt, progress)
    if recorded is None:
        return _golden(bundle)
    if recorded.generated:
        made = generated(bundle.manifest.sample_inputs, recorded.samples, recorded.seed, bundle.manifest.preprocess)
        return _Samples([made.one(index) for index in range(len(made))], None, recorded)
    try:
        read = _read(
            bundle,
            DataSpec(name=recorded.source, test_samples=recorded.samples + len(recorded.skipped), seed=recorded.seed),
            "skip" if recorded.skipped else corrupt,
            progress,
        )
    except (DataError, DownloadError, UnknownName) as error:
        progress.warn(f"{error.message}; the bundle's golden samples are used instead (--data names other data)")
        return _golden(bundle)
    if read.record.indices_sha256 != recorded.indices_sha256:
        progress.warn(f"{recorded.source} has changed since the bundle was made: these are not the same samples")
    return read


def _read(bundle: Bundle, data: DataSpec, corrupt: Corrupt, progress: Progress) -> _Samples:
    manifest, labels = bundle.manifest, bundle.labels()
    dataset = open_dataset(data.name, seed=data.seed, labels=labels, progress=progress)
    test = materialize(
        subset(dataset.split("test"), data.test_samples, seed=data.seed),
        manifest.sample_inputs,
        manifest.preprocess,
        corrupt=corrupt,
        progress=progress,
    )
    record = TestData(
        source=test.source,
        split=test.split,
        samples=len(test),
        indices_sha256=test.indices_sha256,
        seed=data.seed,
        skipped=test.skipped,
    )
    known = test.labels is not None and (labels is None or dataset.labels is None or tuple(dataset.labels) == labels)
    return _Samples(
        [test.one(index) for index in range(len(test))],
        test.labels.tolist() if known and test.labels is not None else None,
        record,
    )


def _golden(bundle: Bundle) -> _Samples:
    golden = bundle.manifest.golden
    if not golden:
        raise BundleError(f"{bundle.path} has no golden samples to run", hint="name a data set with --data")
    labels = [sample.label for sample in golden if sample.label is not None]
    recorded = bundle.manifest.test_data
    return _Samples(
        [tuple(bundle.golden_tensor(tensor) for tensor in sample.inputs) for sample in golden],
        labels if len(labels) == len(golden) else None,
        TestData(
            source="golden",
            split="test",
            samples=len(golden),
            generated=recorded.generated if recorded else False,
        ),
    )
