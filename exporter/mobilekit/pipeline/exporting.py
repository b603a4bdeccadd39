"""Export: a model source -> a bundle. Captures once, quantizes once, lowers everywhere, and measures what it made."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mobilekit.bundle import Bundle
from mobilekit.bundle.manifest import Artifact, Manifest, ModelEntry, Quantization, StreamEntry
from mobilekit.bundle.write import entry_for, utc_now, write_labels, write_manifest
from mobilekit.cache import Cache
from mobilekit.capture import Captured
from mobilekit.data import Dataset
from mobilekit.data.samples import Corrupt
from mobilekit.environment import describe, source_commit, version_of
from mobilekit.errors import MissingDependency, UsageError
from mobilekit.files import sha256, staged_folder, storage_errors
from mobilekit.lower import Target, check_schemes
from mobilekit.model import ModelSource
from mobilekit.pipeline.benching import bench_all
from mobilekit.pipeline.capturing import captured_source, classes_of, save_program
from mobilekit.pipeline.evidence import DEFAULT_TEST_SAMPLES, NO_DATA, Evidence, find, gather
from mobilekit.pipeline.golden import DEFAULT_COUNT, write_golden
from mobilekit.pipeline.keys import basis
from mobilekit.pipeline.making import Making, Order
from mobilekit.pipeline.measuring import EAGER, FLOAT, Outputs, threads_for, verify_all
from mobilekit.pipeline.quantizing import Settings, default_schemes, missed_budgets, settings_for
from mobilekit.pipeline.start import load_torch
from mobilekit.pipeline.streaming import (
    capture_stream,
    chosen_stream,
    feed_of,
    stream_entry,
    stream_note,
    write_whole,
)
from mobilekit.pipeline.verified import Verified
from mobilekit.progress import SILENT, Progress
from mobilekit.quantize import scheme
from mobilekit.report import write_reports
from mobilekit.spec import DataSpec, QuantizeSpec, StreamSpec

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ExportOptions:
    """What to make and how to measure it. None means: as the recipe says."""

    targets: tuple[str, ...] | None = None
    schemes: tuple[str, ...] | None = None
    data: DataSpec | None = None
    corrupt: Corrupt = "refuse"
    threads: int | None = None
    bench: bool = True
    force: bool = False
    form: Literal["stream", "whole"] | None = None
    quantize: QuantizeSpec | None = None
    golden: int = DEFAULT_COUNT
    """How many of the test samples become golden ones, where there are so many."""
    cache: bool = True
    """Take what an earlier export made of the same, and keep what this one makes (docs/cache.md)."""

    def __post_init__(self) -> None:
        if self.golden < 1:
            raise UsageError(
                f"golden must be 1 or more, given {self.golden}", hint="latency is measured on the first golden sample"
            )


def export_source(
    source: ModelSource,
    output: Path,
    options: ExportOptions | None = None,
    *,
    dataset: Dataset | None = None,
    example: Sequence[torch.Tensor] | None = None,
    progress: Progress = SILENT,
) -> Bundle:
    """Make a bundle of `source` at `output`: it appears whole, or not at all.

    Raises whatever a stage raises; then nothing is left behind. Failed checks do not raise: they are in the
    bundle's verifications, since a bundle that can be looked at is worth more than none.
    """
    options = options or ExportOptions()
    cache = Cache.of_user() if options.cache else Cache(None)
    recipe = source.recipe
    stream = chosen_stream(recipe, options.form)
    pairs = check_schemes(
        options.targets or recipe.export.targets, options.schemes or default_schemes(source, options.quantize)
    )
    settings = {
        name: settings_for(name, source, options.quantize)  # what cannot be made is told before anything takes long
        for name in dict.fromkeys(name for _, name in pairs)
        if scheme(name).calibrated
    }
    for target, _ in pairs:
        if (missing := target.missing()) is not None:
            raise MissingDependency(f"{target.name}: {missing}")
    with staged_folder(output, force=options.force) as folder:
        _Export(source, folder, options, pairs, settings, stream, cache, progress).run(dataset, example)
    return Bundle.load(output, check=False)


class _Export:
    """One export under way in a staging folder."""

    def __init__(
        self,
        source: ModelSource,
        folder: Path,
        options: ExportOptions,
        pairs: Sequence[tuple[Target, str]],
        settings: Mapping[str, Settings],
        stream: StreamSpec | None,
        cache: Cache,
        progress: Progress,
    ) -> None:
        self.source, self.folder, self.options, self.pairs, self.progress = source, folder, options, pairs, progress
        self.settings, self.stream, self.cache = settings, stream, cache
        self.outputs: Outputs = {}
        self.quantization: tuple[Quantization, ...] = ()

    def run(self, dataset: Dataset | None, example: Sequence[torch.Tensor] | None) -> None:
        spec = self.options.data or self.source.recipe.data
        dataset = find(self.source.recipe, spec, dataset, self.progress)
        if dataset is None:
            self.progress.warn(NO_DATA)
        load_torch(self.progress)
        whole = captured = captured_source(self.source, example, progress=self.progress)
        entry: StreamEntry | None = None
        if self.stream is not None:
            captured = capture_stream(self.source, self.stream, whole)
            entry = stream_entry(self.stream, write_whole(self.folder, self._file("whole", FLOAT, ".pt2"), whole))
        self.feed = feed_of(entry, whole.inputs, captured.outputs) if entry else None
        self.threads = threads_for(captured.inputs, self.options.threads)
        evidence = self._evidence(whole, dataset, spec or _default_spec(dataset))
        eager = self._write_eager(captured)
        with _work_folder(self.folder) as work:
            making = Making(self._order(captured, eager, evidence, work), self.cache, self.progress)
            made = making.run()
            self.quantization = making.quantization()
            artifacts = self._measure(eager, made, evidence, entry, work)
        self.cache.trim()
        if self.cache.complaint is not None:
            self.progress.warn(self.cache.complaint)
        missed = missed_budgets(self.quantization, artifacts)
        for warning in missed:
            self.progress.warn(warning)
        self._finish(captured, replace(evidence, warnings=(*evidence.warnings, *missed)), artifacts, entry)

    def _evidence(self, captured: Captured, dataset: Dataset | None, spec: DataSpec) -> Evidence:
        return gather(
            self.source.recipe,
            dataset,
            spec,
            classes=classes_of(captured),
            calibrate=any(scheme(name).calibrated for _, name in self.pairs),
            corrupt=self.options.corrupt,
            progress=self.progress,
        )

    def _order(self, captured: Captured, eager: Artifact, evidence: Evidence, work: Path) -> Order:
        return Order(
            name=self.source.recipe.name,
            captured=captured,
            float_file=self.folder / eager.file,
            pairs=self.pairs,
            settings=self.settings,
            calibration=evidence.calibration,
            feed=self.feed,
            folder=self.folder,
            work=work,
        )

    def _file(self, target: str, name: str, suffix: str) -> str:
        return f"{self.source.recipe.name}.{target}.{name}{suffix}"

    def _write_eager(self, captured: Captured) -> Artifact:
        """The float program itself: what `verify` and `bench` hold every artifact against, now and later."""
        file = self._file(EAGER, FLOAT, ".pt2")
        save_program(captured.program, self.folder / file)
        return Artifact(
            **entry_for(self.folder, file).model_dump(),
            target=EAGER,
            scheme=FLOAT,
            runtime="torch",
            minimum_runtime=version_of("torch") or "unknown",
            ship=False,
            inputs=captured.inputs,
            outputs=captured.outputs,
        )

    def _measure(
        self, eager: Artifact, made: Sequence[Artifact], evidence: Evidence, stream: StreamEntry | None, work: Path
    ) -> tuple[Artifact, ...]:
        test = evidence.test
        samples = [test.one(index) for index in range(len(test))]
        labels = None if test.labels is None else test.labels.tolist()
        judged = self.source.trained and not evidence.generated
        made_of = basis(self.threads)
        verified, self.outputs = verify_all(
            self.folder,
            (eager, *made),
            samples,
            labels=labels,
            judged=judged,
            threads=self.threads,
            stream=stream,
            memory=Verified(
                self.cache,
                work,
                self.source.recipe.name,
                made_of,
                eager,
                samples,
                labels,
                judged=judged,
                stream=stream,
                golden=self.options.golden,
            ),
            progress=self.progress,
        )
        if not self.options.bench:
            return verified
        timed = self.feed.first(samples[0]) if self.feed else samples[0]
        return bench_all(self.folder, verified, timed, threads=(self.threads,), progress=self.progress)

    def _finish(
        self, captured: Captured, evidence: Evidence, artifacts: tuple[Artifact, ...], stream: StreamEntry | None
    ) -> None:
        """Golden vectors, labels, reports, and bundle.json last."""
        source, recipe = self.source, self.source.recipe
        labels = write_labels(self.folder, evidence.labels) if evidence.labels else None
        manifest = Manifest(
            created=utc_now(),
            model=ModelEntry(
                name=recipe.name,
                source=source.reference,
                task=recipe.task,
                parameters=captured.parameters,
                recipe_sha256=sha256(source.recipe_file) if source.recipe_file else None,
                weights_sha256=sha256(source.weights) if source.weights else None,
                trained=source.trained,
                commit=source_commit(source.folder) if source.folder else None,
            ),
            preprocess=recipe.preprocess,
            inputs=captured.inputs,
            outputs=captured.outputs,
            stream=stream,
            labels=labels,
            artifacts=artifacts,
            calibration=evidence.calibration_record(),
            quantization=self.quantization,
            test_data=evidence.test_record(),
            golden=write_golden(
                self.folder,
                evidence.test,
                stream.whole.inputs if stream else captured.inputs,
                artifacts,
                self.outputs,
                self.options.golden,
            ),
            environment=describe(),
            warnings=(*evidence.warnings, *((stream_note(stream),) if stream else ())),
        )
        reports = write_reports(self.folder, manifest)
        write_manifest(self.folder, manifest.model_copy(update={"reports": reports}))


@contextlib.contextmanager
def _work_folder(folder: Path) -> Iterator[Path]:
    """A place in `folder` for what is no part of the bundle."""
    work = folder / ".work"
    with storage_errors(work):
        work.mkdir()
    yield work  # what an error leaves there goes with the whole of `folder`
    shutil.rmtree(work, ignore_errors=True)


def _default_spec(dataset: Dataset | None) -> DataSpec:
    return DataSpec(name=dataset.name if dataset else "generated", test_samples=DEFAULT_TEST_SAMPLES)
