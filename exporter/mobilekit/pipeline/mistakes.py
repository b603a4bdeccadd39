"""Mistakes: the test samples that an artifact gets wrong, with their pictures, for a report. Changes no bundle.

Refuses data without labels, and bundles that are no classifiers or are fed piece by piece.
"""

from __future__ import annotations

from mobilekit.bundle import Bundle
from mobilekit.bundle.manifest import Artifact
from mobilekit.data import Samples, materialize, open_dataset, subset
from mobilekit.data.samples import Corrupt
from mobilekit.errors import DataError, RunnerError, UsageError
from mobilekit.pipeline.measuring import EAGER, threads_for
from mobilekit.progress import SILENT, Progress
from mobilekit.report.samples import MOST, Guess, Mistakes, Shown, picture_of
from mobilekit.runners import Worker
from mobilekit.runners.registry import runner_for
from mobilekit.spec import DataSpec

Answers = dict[str, list[int]]


def find_mistakes(
    bundle: Bundle,
    data: DataSpec,
    *,
    corrupt: Corrupt = "refuse",
    threads: int | None = None,
    progress: Progress = SILENT,
) -> Mistakes:
    """Run every artifact that this machine can run on the test split of `data`.

    First come samples that eager gets right and another artifact wrong, then those that most of them get wrong.
    Raises UsageError, DataError, and what the runners raise.
    """
    manifest = bundle.manifest
    if manifest.model.task == "tensor" or manifest.stream is not None:
        what = "takes its input piece by piece" if manifest.stream else "is not a classifier (its recipe's task)"
        raise UsageError(f"{bundle.path}: {manifest.model.name} {what}, so there are no mistakes to show")
    labels = bundle.labels()
    dataset = open_dataset(data.name, seed=data.seed, labels=labels, progress=progress)
    if labels is not None and dataset.labels is not None and tuple(dataset.labels) != labels:
        raise DataError(
            f"{data.name} has other classes than the bundle: {', '.join(dataset.labels[:5])} ... against "
            f"{', '.join(labels[:5])} ..."
        )
    split = subset(dataset.split("test"), data.test_samples, seed=data.seed)
    samples = materialize(split, manifest.sample_inputs, manifest.preprocess, corrupt=corrupt, progress=progress)
    if samples.labels is None:
        raise DataError(f"{data.name} has no labels, so nothing in it can be got wrong")
    ordered = sorted(manifest.artifacts, key=lambda one: one.target != EAGER)
    threads = threads_for(manifest.inputs, threads)
    answers: Answers = {}
    for artifact in ordered:
        if runner_for(bundle.artifact_path(artifact)).unavailable() is None:
            with progress.task(f"running {artifact.target} {artifact.scheme} on {len(samples)} samples"):
                answers[f"{artifact.target} {artifact.scheme}"] = _answers(bundle, artifact, samples, threads)
    return _mistakes(samples, answers, labels or ())


def _answers(bundle: Bundle, artifact: Artifact, samples: Samples, threads: int) -> list[int]:
    """The class with the highest score of the first output, sample by sample."""
    path = bundle.artifact_path(artifact)
    with Worker(runner_for(path).name, path, threads=threads) as worker:
        outputs = worker.run(samples.one(index) for index in range(len(samples)))
    if any(not row or row[0].ndim != 2 for row in outputs):
        raise RunnerError(f"{artifact.file}: its first output is not (batch, classes)")
    return [int(row[0][0].argmax()) for row in outputs]


def _mistakes(samples: Samples, answers: Answers, labels: tuple[str, ...]) -> Mistakes:
    assert samples.labels is not None
    truth = [int(label) for label in samples.labels]
    eager = next((rows for name, rows in answers.items() if name.startswith(f"{EAGER} ")), None)
    wrong = []
    for index in range(len(samples)):
        missed = sum(rows[index] != truth[index] for rows in answers.values())
        if missed:
            lost = eager is not None and eager[index] == truth[index]
            wrong.append((not lost, -missed, index))
    wrong.sort()
    shown = []
    for _, _, index in wrong[:MOST]:
        pixels = samples.pixels(index)
        guesses = tuple(
            Guess(name, _name(rows[index], labels), rows[index] == truth[index]) for name, rows in answers.items()
        )
        picture = picture_of(pixels, samples.one(index)[0])
        shown.append(Shown(samples.ids[index], picture, _name(truth[index], labels), guesses))
    return Mistakes(
        shown=tuple(shown),
        wrong=len(wrong),
        lost=sum(not kept for kept, _, _ in wrong),
        samples=len(samples),
        source=f"{samples.source} {samples.split}",
    )


def _name(index: int, labels: tuple[str, ...]) -> str:
    return labels[index] if 0 <= index < len(labels) else f"class {index}"
