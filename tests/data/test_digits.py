from __future__ import annotations

import hashlib

import numpy as np

from mobilekit.data import open_dataset, subset
from mobilekit.data.digits import _read_table, load_with_sklearn


def test_the_fast_reader_gives_what_scikit_learn_gives() -> None:
    ours, theirs = _read_table(), load_with_sklearn()
    assert ours.dtype == theirs.dtype and (ours == theirs).all()


def test_the_split_is_golden() -> None:
    digits = open_dataset("digits", seed=5)
    train, test = digits.split("train"), digits.split("test")
    assert (len(train), len(test)) == (1438, 359)
    ids = "\n".join(test.id_of(index) for index in range(len(test)))
    assert (
        hashlib.sha256(ids.encode()).hexdigest() == "c6b771dd21528655e12adf0396bcec71b73e36e05d031b252b27c2c741f173ec"
    )
    assert digits.labels == tuple("0123456789") and digits.kind == "image"


def test_images_are_grey_uint8_scaled_from_16() -> None:
    split = open_dataset("digits").split("train")
    sample = split[0]
    assert sample.pixels is not None
    assert sample.pixels.dtype == np.uint8 and sample.pixels.shape == (8, 8, 3)
    assert (sample.pixels[..., 0] == sample.pixels[..., 2]).all()
    seen = {int(value) for index in range(40) for value in np.unique(split[index].pixels)}
    assert seen <= {round(value * 255 / 16) for value in range(17)} and 255 in seen


def test_labels_agree_with_samples_and_classes_are_held_out_alike() -> None:
    for which, low, high in (("train", 130, 150), ("test", 30, 40)):
        split = open_dataset("digits").split(which)  # type: ignore[arg-type]
        labels = split.labels_of()
        assert labels is not None and labels.dtype == np.int64
        assert [split[index].label for index in (0, 7, 100)] == labels[[0, 7, 100]].tolist()
        assert np.bincount(labels).min() >= low and np.bincount(labels).max() <= high


def test_train_and_test_share_no_image() -> None:
    digits = open_dataset("digits")

    def contents(which: str) -> set[bytes]:
        split = digits.split(which)  # type: ignore[arg-type]
        return {split[index].pixels.tobytes() for index in subset(split, None, seed=0).indices}  # type: ignore[union-attr]

    train, test = contents("train"), contents("test")
    assert len(train) == 1438 and len(test) == 359, "each image is there once"
    assert not train & test
