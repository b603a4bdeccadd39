"""The samples that calibrate and the samples that measure: from a data set where there is one, else generated."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mobilekit.bundle.manifest import Calibration, TestData
from mobilekit.data import Dataset, Samples, generated, materialize, open_dataset, subset
from mobilekit.data.samples import Corrupt
from mobilekit.errors import DataError
from mobilekit.progress import SILENT, Progress
from mobilekit.spec import DataSpec, Recipe

GENERATED_CALIBRATION = 8  # such scales mean nothing, however many there are
_MOST_NAMES = 100
GENERATED_TEST = 16
DEFAULT_TEST_SAMPLES = 500
"""Of data that no recipe speaks of: a test set may be large, and every artifact runs all of it."""
NO_DATA = (
    "no data was given: outputs are compared, and int8 scales calibrated, on RANDOM INPUT; give --data for real samples"
)


@dataclass(frozen=True, eq=False)
class Evidence:
    """Calibration comes from the train split, measuring from the test split: never the same samples."""

    calibration: Samples | None
    test: Samples
    labels: tuple[str, ...] | None
    seed: int
    warnings: tuple[str, ...] = ()

    @property
    def generated(self) -> bool:
        return self.test.source == "generated"

    def calibration_record(self) -> Calibration | None:
        if self.calibration is None:
            return None
        is_generated = self.calibration.source == "generated"
        return Calibration(
            source=self.calibration.source,
            split=self.calibration.split,
            samples=len(self.calibration),
            indices_sha256=None if is_generated else self.calibration.indices_sha256,
            seed=self.seed,
            generated=is_generated,
        )

    def test_record(self) -> TestData:
        return TestData(
            source=self.test.source,
            split=self.test.split,
            samples=len(self.test),
            indices_sha256=None if self.generated else self.test.indices_sha256,
            seed=self.seed,
            generated=self.generated,
            skipped=self.test.skipped,
        )


def find(
    recipe: Recipe, spec: DataSpec | None, dataset: Dataset | None = None, progress: Progress = SILENT
) -> Dataset | None:
    """The data set to use, before anything that takes long: `dataset`, else the one that `spec` names; None without.

    Raises UnknownName, DataError and DownloadError.
    """
    if dataset is None and spec is not None:
        dataset = open_dataset(spec.name, seed=spec.seed, labels=recipe.labels, progress=progress)
    if dataset is None or dataset.kind == "tensor":
        return dataset
    holds = {"image": "images", "audio": "sounds"}
    found = holds[dataset.kind]
    if recipe.preprocess is None:
        raise DataError(
            f"{dataset.name} holds {found}, and the model {recipe.name!r} says nothing about preprocessing",
            hint="write a recipe.toml with a [preprocess] table beside the model (docs/recipes.md)",
        )
    if recipe.preprocess.kind != dataset.kind:
        raise DataError(
            f"{dataset.name} holds {found}, and the model {recipe.name!r} takes {holds[recipe.preprocess.kind]}",
            hint="choose other data with --data; mobilekit list datasets shows what there is",
        )
    return dataset


def gather(
    recipe: Recipe,
    dataset: Dataset | None,
    spec: DataSpec,
    *,
    classes: int | None = None,
    calibrate: bool,
    corrupt: Corrupt = "refuse",
    progress: Progress = SILENT,
) -> Evidence:
    """Read what calibrates (when asked to) and what measures: as many samples of `dataset` as `spec` says.

    Without a data set, random input does both, and the evidence says so.
    `classes` is the width of the model's output: labels of another data set than the model's are not used.
    Raises DataError and SpecError as the data stage does.
    """
    if dataset is None:
        return _generated(recipe, calibrate)
    test = materialize(
        subset(dataset.split("test"), spec.test_samples, seed=spec.seed),
        recipe.inputs,
        recipe.preprocess,
        corrupt=corrupt,
        progress=progress,
    )
    calibration = None
    if calibrate:
        calibration = materialize(
            subset(dataset.split("train"), spec.calibration_samples, seed=spec.seed),
            recipe.inputs,
            recipe.preprocess,
            corrupt=corrupt,
            progress=progress,
        )
    labels, warning = usable_labels(recipe, dataset, test, classes)
    if warning is not None:
        test = replace(test, labels=None)
        progress.warn(warning)
    warnings = (warning, _left_out(calibration))
    return Evidence(calibration, test, labels, spec.seed, tuple(filter(None, warnings)))


def _left_out(calibration: Samples | None) -> str | None:
    """What of the calibration data could not be read; of the test data, the manifest has a field of its own."""
    if calibration is None or not calibration.skipped:
        return None
    names, more = calibration.skipped[:_MOST_NAMES], len(calibration.skipped) - _MOST_NAMES
    return (
        f"Left out of the calibration data, not readable: {', '.join(names)}{f' and {more} more' if more > 0 else ''}."
    )


def _generated(recipe: Recipe, calibrate: bool) -> Evidence:
    calibration = generated(recipe.inputs, GENERATED_CALIBRATION, 1, recipe.preprocess) if calibrate else None
    test = generated(recipe.inputs, GENERATED_TEST, 0, recipe.preprocess)
    return Evidence(calibration, test, recipe.labels, 0)


def usable_labels(
    recipe: Recipe, dataset: Dataset, test: Samples, classes: int | None
) -> tuple[tuple[str, ...] | None, str | None]:
    """The names of the model's classes, and a warning when the data's labels are not the model's."""
    names = recipe.labels or (dataset.labels if dataset.labels and len(dataset.labels) == classes else None)
    if test.labels is None:
        return names, f"{dataset.name} has no labels: agreement with eager is measured, accuracy is not"
    if recipe.labels and dataset.labels and tuple(dataset.labels) != tuple(recipe.labels):
        return names, f"the classes of {dataset.name} are not the model's: accuracy is not measured"
    if classes is not None and int(test.labels.max()) >= classes:
        return names, (
            f"{dataset.name} has labels up to {int(test.labels.max())}, the model {classes} outputs: "
            "accuracy is not measured"
        )
    return names, None
