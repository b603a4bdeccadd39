"""Workshop: candidates become artifacts, and what they lose is measured. What they share is made once.

One captured program, one calibration set, one run of eager, one ranking of layers for a whole search; a quantized
program serves every target that is lowered from it. Measures on the samples that a search goes by, never on test data.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.bundle.manifest import Verification
from mobilekit.capture import Captured, capture, captured_program
from mobilekit.data import Dataset, Samples, materialize, subset
from mobilekit.errors import RunnerError, UsageError
from mobilekit.files import sha256, size
from mobilekit.lower import target
from mobilekit.lower.rewrite import without_traces
from mobilekit.model import ModelSource
from mobilekit.pipeline.evidence import usable_labels
from mobilekit.pipeline.measuring import EAGER, threads_for
from mobilekit.pipeline.quantizing import settings_for
from mobilekit.pipeline.storage import storing
from mobilekit.pipeline.streaming import for_quantizing
from mobilekit.pipeline.tuning.selection import selection
from mobilekit.pipeline.tuning.space import Candidate
from mobilekit.progress import SILENT, Progress
from mobilekit.quantize import Ranking, prepare, quantize, rank_layers, scheme
from mobilekit.report.tuned import Loss
from mobilekit.runners import Array, Worker
from mobilekit.runners.arrays import Sample
from mobilekit.runners.registry import runner_for
from mobilekit.spec import DataSpec, QuantizeSpec
from mobilekit.verify import verify_artifact
from mobilekit.verify.metrics import predictions

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

_PROGRAMS = 4
"""Quantized programs that are kept in memory: the next candidate often differs from the last in its target only."""


@dataclass(frozen=True)
class Made:
    """An artifact on disk."""

    candidate: Candidate
    path: Path
    bytes: int
    sha256: str


class Workshop:
    """Everything that candidates of one model share. Makes files in `folder`, which is the caller's to remove."""

    def __init__(
        self,
        source: ModelSource,
        dataset: Dataset,
        spec: DataSpec,
        base: QuantizeSpec,
        folder: Path,
        *,
        samples: int,
        threads: int | None,
        progress: Progress = SILENT,
    ) -> None:
        """Capture the model, read the samples and run eager on them.

        Raises what these stages raise, UsageError for what is no classifier.
        """
        self.source, self.base, self.folder, self.progress = source, base, folder, progress
        self.captured = _capture(source, progress)
        calibrating = subset(dataset.split("train"), spec.calibration_samples, seed=spec.seed)
        choosing = selection(source, dataset, spec, calibrating, samples)
        inputs, preprocess = source.recipe.inputs, source.recipe.preprocess
        self.calibration = materialize(calibrating, inputs, preprocess, progress=progress)
        self.selection = materialize(choosing, inputs, preprocess, progress=progress)
        _, self.labels_missing = usable_labels(source.recipe, dataset, self.selection, _classes(self.captured))
        self.labels = (
            None if self.labels_missing or self.selection.labels is None else tuple(self.selection.labels.tolist())
        )
        self.threads = threads_for(self.captured.inputs, threads)
        self.samples = [self.selection.one(index) for index in range(len(self.selection))]
        self.reference = self._eager()
        self._programs: OrderedDict[tuple[str, str], ExportedProgram] = OrderedDict()
        self._made: dict[Candidate, Made] = {}
        self._numbers = itertools.count()

    @property
    def timed(self) -> tuple[Array, ...]:
        """The sample that every candidate is timed on."""
        return self.samples[0]

    @cached_property
    def ranking(self) -> Ranking:
        """The layers that may stay float."""
        return rank_layers(for_quantizing(self.captured), _batches(self.calibration), self.base, progress=self.progress)

    def options_of(self, candidate: Candidate) -> QuantizeSpec:
        """How int8 is made for it, as `mobilekit export` takes it."""
        return candidate.options(self.base, lambda: self.ranking)

    def make(self, candidate: Candidate) -> Made:
        """Its artifact, made unless it is there already. Raises what quantizing and lowering raise."""
        if candidate in self._made:
            return self._made[candidate]
        one = target(candidate.target)
        prepared = one.schemes[candidate.scheme].prepared
        program = self._program(candidate) if prepared else self.captured.program
        path = self.folder / f"{next(self._numbers)}.{candidate.target}.{candidate.scheme}{one.suffix}"
        with self.progress.task(f"lowering to {one.name} {candidate.scheme}"), storing(path):
            one.lower(program, candidate.scheme, path, inputs=self.captured.inputs, outputs=self.captured.outputs)
        self._made[candidate] = Made(candidate, path, size(path), sha256(path))
        return self._made[candidate]

    def forget_all_but(self, kept: Collection[Candidate]) -> None:
        """Remove the files of the others: a search of a large model would fill the disk."""
        for candidate in [one for one in self._made if one not in kept]:
            self._made.pop(candidate).path.unlink()

    @contextmanager
    def opened(self, made: Made) -> Iterator[Worker]:
        """The artifact in its own runtime."""
        with Worker(runner_for(made.path).name, made.path, threads=self.threads) as worker:
            yield worker

    def loss(self, made: Made, worker: Worker) -> Loss:
        """What it loses on the samples that the search goes by. Raises RunnerError."""
        with self.progress.task(f"running {made.candidate.target} {made.candidate.scheme}"):
            found, _ = verify_artifact(
                made.path,
                self.samples,
                self.reference,
                scheme=made.candidate.scheme,
                labels=self.labels,
                threads=self.threads,
                worker=worker,
            )
        return loss_of(found)

    def _program(self, candidate: Candidate) -> ExportedProgram:
        options = self.options_of(candidate)
        key = candidate.scheme, options.model_dump_json() if scheme(candidate.scheme).calibrated else ""
        if key not in self._programs:
            with self.progress.task(f"quantizing to {candidate.scheme}"):
                self._programs[key] = self._quantized(candidate.scheme, options)
        self._programs.move_to_end(key)
        while len(self._programs) > _PROGRAMS:
            self._programs.popitem(last=False)
        return self._programs[key]

    def _quantized(self, name: str, options: QuantizeSpec) -> ExportedProgram:
        captured = for_quantizing(self.captured)
        if not scheme(name).calibrated:
            return prepare(name, captured)
        settings = settings_for(name, self.source, options)
        labels = self.calibration.labels
        return quantize(
            captured,
            _batches(self.calibration),
            settings.options,
            labels=None if labels is None else labels.tolist(),
            ranges=settings.ranges,
            progress=self.progress,
        ).program

    def _eager(self) -> list[Sample]:
        from mobilekit.model.pt2 import save_pt2

        path = self.folder / "eager.pt2"
        with storing(path):
            save_pt2(without_traces(self.captured.program), path)
        with (
            self.progress.task(f"running eager on {len(self.samples)} held-back samples"),
            Worker(EAGER, path, threads=self.threads) as worker,
        ):
            reference = worker.run(self.samples)
        if predictions(reference) is None:
            raise UsageError(
                f"{self.source.recipe.name} is no classifier, and an accuracy budget needs one: "
                "its first output must be (batch, classes)",
                hint="`mobilekit export` and `mobilekit gate` compare artifacts of every model",
            )
        return reference


def loss_of(found: Verification) -> Loss:
    """The points that are lost of top-1, or of agreement with eager where there are no labels. Raises RunnerError."""
    metrics = found.metrics
    if metrics is None or metrics.agreement is None:
        raise RunnerError(f"it was not executed: {found.reason}")
    if metrics.top1 is not None and metrics.top1_eager is not None:
        drop = 100 * (metrics.top1_eager - metrics.top1)
    else:
        drop = 100 * (1 - metrics.agreement)
    return Loss(
        samples=metrics.samples,
        drop_points=drop,
        top1=metrics.top1,
        top1_eager=metrics.top1_eager,
        failed_checks=tuple(check.name for check in found.checks if not check.passed),
    )


def _capture(source: ModelSource, progress: Progress) -> Captured:
    with progress.task(f"capturing {source.recipe.name}"):
        if source.program is not None:
            return captured_program(source.program)
        return capture(source.build(), source.recipe.inputs)


def _classes(captured: Captured) -> int | None:
    shape = captured.outputs[0].shape
    return shape[1] if len(shape) == 2 and isinstance(shape[1], int) else None


def _batches(samples: Samples) -> Iterator[tuple[torch.Tensor, ...]]:
    import torch

    return (tuple(map(torch.from_numpy, samples.one(index))) for index in range(len(samples)))
