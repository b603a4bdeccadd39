"""What calibrates and what measures: never the same samples, and never passed off for more than it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mobilekit.data.arrays import TensorArrays
from mobilekit.data.base import TwoSplits
from mobilekit.errors import DataError, UnknownName
from mobilekit.pipeline.evidence import GENERATED_CALIBRATION, GENERATED_TEST, find, gather
from mobilekit.spec import DataSpec, Recipe, TensorSpec
from mobilekit.spec.load import load_recipe

VECTOR = Recipe(name="vector", task="tensor", inputs=(TensorSpec(name="x", shape=(1, 4)),))
SPEC = DataSpec(name="mine", calibration_samples=5, test_samples=4)


def digits() -> Recipe:
    return load_recipe(Path(__file__).parents[2] / "models" / "digits_cnn" / "recipe.toml")


def vectors(labels: list[int] | None, names: tuple[str, ...] | None = None) -> TwoSplits:
    count = 8 if labels is None else len(labels)
    values = np.arange(count * 4, dtype=np.float32).reshape(count, 4)
    numbers = None if labels is None else np.array(labels)
    splits = (
        TensorArrays("mine", which, (values + offset,), numbers) for which, offset in (("train", 0), ("test", 99))
    )
    return TwoSplits("mine", names, "tensor", *splits)


def test_calibration_is_of_the_train_split_and_measuring_of_the_test_split(progress) -> None:
    recipe = digits()
    spec = DataSpec(name="digits", calibration_samples=20, test_samples=10)
    dataset = find(recipe, spec)
    evidence = gather(recipe, dataset, spec, classes=10, calibrate=True, progress=progress)
    assert evidence.calibration is not None
    assert (len(evidence.calibration), evidence.calibration.split) == (20, "train")
    assert (len(evidence.test), evidence.test.split) == (10, "test")
    record = evidence.calibration_record()
    assert record and record.indices_sha256 and not record.generated
    assert evidence.test_record().samples == 10
    assert evidence.labels == tuple("0123456789")
    assert gather(recipe, dataset, spec, classes=10, calibrate=False).calibration is None


def test_without_data_everything_is_generated_and_says_so() -> None:
    evidence = gather(VECTOR, None, DataSpec(name="generated"), calibrate=True)
    assert evidence.calibration is not None
    assert (len(evidence.calibration), len(evidence.test)) == (GENERATED_CALIBRATION, GENERATED_TEST)
    assert evidence.generated
    record = evidence.calibration_record()
    assert record and record.generated and record.indices_sha256 is None
    assert evidence.test_record().generated
    calibration, test = evidence.calibration.inputs[0], evidence.test.inputs[0]
    assert not (calibration[0] == test[0]).any(), "calibration and test are not the same samples"


@pytest.mark.parametrize(
    ("labels", "names", "warning"),
    [
        (None, None, "has no labels"),
        ([0, 1, 2, 7, 0, 1, 2, 3], None, "labels up to 7, the model 3 outputs"),
        ([0, 1, 2, 0, 1, 2, 0, 1], ("a", "b", "c"), None),
    ],
)
def test_labels_that_are_not_the_models_do_not_measure_accuracy(progress, labels, names, warning) -> None:
    evidence = gather(VECTOR, vectors(labels, names), SPEC, classes=3, calibrate=False, progress=progress)
    if warning is None:
        assert evidence.test.labels is not None
        assert evidence.labels == names
        assert progress.warnings == []
    else:
        assert evidence.test.labels is None
        assert warning in progress.warnings[0]
        assert evidence.warnings == tuple(progress.warnings)


def test_another_models_classes_are_noticed(progress) -> None:
    recipe = VECTOR.model_copy(update={"labels": ("x", "y", "z")})
    dataset = vectors([0, 1, 2, 0, 1, 2, 0, 1], ("a", "b", "c"))
    evidence = gather(recipe, dataset, SPEC, classes=3, calibrate=False, progress=progress)
    assert evidence.test.labels is None
    assert evidence.labels == ("x", "y", "z")
    assert "are not the model's" in progress.warnings[0]


def test_a_wrong_data_set_is_told_before_anything_takes_long() -> None:
    with pytest.raises(UnknownName, match="did you mean 'digits'"):
        find(VECTOR, DataSpec(name="digit"))
    with pytest.raises(DataError, match="digits holds images, and the model 'vector' says nothing about preprocessing"):
        find(VECTOR, DataSpec(name="digits"))
    assert find(VECTOR, None) is None


def test_what_was_left_out_of_the_calibration_data_is_named(tmp_path: Path, progress) -> None:
    from PIL import Image

    for which in ("train", "test"):
        (tmp_path / which / "0").mkdir(parents=True)
        for index in range(4):
            Image.new("L", (8, 8), index).save(tmp_path / which / "0" / f"{index}.png")
    (tmp_path / "train" / "0" / "2.png").write_bytes(b"not an image")
    spec = DataSpec(name=f"imagefolder:{tmp_path}")
    recipe = digits()
    evidence = gather(recipe, find(recipe, spec), spec, calibrate=True, corrupt="skip", progress=progress)
    assert evidence.warnings == ("Left out of the calibration data, not readable: train/0/2.png.",)
    with pytest.raises(DataError, match=r"train/0/2\.png"):
        gather(recipe, find(recipe, spec), spec, calibrate=True)
