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
from mobilekit.data import Dataset, materialize, subset
from mobilekit.errors import RunnerError, UsageError
from mobilekit.files import sha256, size
from mobilekit.lower import target
from mobilekit.model import ModelSource
from mobilekit.pipeline.capturing import captured_source, classes_of, save_program
from mobilekit.pipeline.evidence import usable_labels
from mobilekit.pipeline.measuring import EAGER, threads_for
from mobilekit.pipeline.quantizing import batches_of, calibrated, settings_for
from mobilekit.pipeline.storage import storing
from mobilekit.pipeline.streaming import for_quantizing
from mobilekit.pipeline.tuning.selection import selection
from mobilekit.pipeline.tuning.space import Candidate
from mobilekit.progress import SILENT, Progress
from mobilekit.quantize import Ranking, prepare, rank_layers, scheme
from mobilekit.report.tuned import Loss
from mobilekit.runners import Array, Worker
from mobilekit.runners.arrays import Sample
from mobilekit.runners.registry import runner_for
from mobilekit.spec import DataSpec, QuantizeSpec
from mobilekit.verify import verify_artifact
from mobilekit.verify.metrics import predictions

if TYPE_CHECKING:
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
        self.captured = captured_source(source, progress=progress)
        calibrating = subset(dataset.split("train"), spec.calibration_samples, seed=spec.seed)
        choosing = selection(source, dataset, spec, calibrating, samples)
        inputs, preprocess = source.recipe.inputs, source.recipe.preprocess
        self.calibration = materialize(calibrating, inputs, preprocess, progress=progress)
        self.selection = materialize(choosing, inputs, preprocess, progress=progress)
        _, self.labels_missing = usable_labels(source.recipe, dataset, self.selection, classes_of(self.captured))
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
        batches = batches_of(self.calibration)
        return rank_layers(for_quantizing(self.captured), batches, self.base, progress=self.progress)

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
        if not scheme(name).calibrated:
            return prepare(name, for_quantizing(self.captured))
        settings = settings_for(name, self.source, options)
        return calibrated(self.captured, self.calibration, settings, progress=self.progress).program

    def _eager(self) -> list[Sample]:
        path = self.folder / "eager.pt2"
        save_program(self.captured.program, path)
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
    if metrics is None or metrics.lost_points is None:
        raise RunnerError(f"it was not executed: {found.reason}")
    return Loss(
        samples=metrics.samples,
        drop_points=metrics.lost_points,
        top1=metrics.top1,
        top1_eager=metrics.top1_eager,
        failed_checks=tuple(check.name for check in found.checks if not check.passed),
    )
