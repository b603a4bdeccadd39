from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mobilekit.data import Subset, materialize, materialize_pixels, open_dataset, subset
from mobilekit.data.base import Sample
from mobilekit.errors import DataError, SpecError
from mobilekit.preprocess import normalize
from mobilekit.progress import SILENT, Task
from mobilekit.spec import DynamicDim, ImagePreprocess, TensorSpec
from mobilekit.spec.image import Resize

GREY = ImagePreprocess(color="L", resize=Resize(size=(8, 8)), mean=(0.5,), std=(0.25,))
IMAGE = (TensorSpec(name="image", shape=("batch", 1, 8, 8), dynamic={"batch": DynamicDim(max=16)}),)


class Warned:
    """A Progress that keeps the warnings and counts the steps."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.steps, self.total = 0, 0

    @contextlib.contextmanager
    def task(self, title: str, total: int | None = None) -> Iterator[Task]:
        self.total = total or 0
        yield self

    def advance(self, steps: int = 1) -> None:
        self.steps += steps

    def say(self, text: str) -> None: ...

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def test_digits_as_model_inputs() -> None:
    chosen = subset(open_dataset("digits").split("test"), 20, seed=0)
    samples = materialize(chosen, IMAGE, GREY)
    assert samples.inputs[0].shape == (20, 1, 8, 8) and samples.inputs[0].dtype == np.float32
    assert (samples.source, samples.split, samples.indices_sha256) == ("digits", "test", chosen.sha256)
    assert samples.labels is not None and (samples.labels == chosen.labels()).all()
    assert samples.ids == tuple(chosen.split.id_of(i) for i in chosen.indices) and samples.skipped == ()
    pixels = samples.pixels(3)
    assert pixels is not None and samples.encoded(3) is None
    assert (samples.inputs[0][3, 0] == (pixels[..., 0].astype(np.float32) / 255 - 0.5) / np.float32(0.25)).all()
    assert samples.one(3)[0].shape == (1, 1, 8, 8)


def test_pixels_are_the_inputs_before_the_arithmetic() -> None:
    chosen = subset(open_dataset("digits").split("train"), 12, seed=0)
    pixels, labels = materialize_pixels(chosen, GREY)
    samples = materialize(chosen, IMAGE, GREY)
    assert pixels.dtype == np.uint8 and pixels.shape == (12, 8, 8, 1)
    assert (normalize(pixels, GREY) == samples.inputs[0]).all() and (labels == samples.labels).all()


@pytest.fixture
def with_a_corrupt_one(tmp_path: Path, write_images: Callable[..., None]) -> Subset:
    """Six images in two classes, the second of `ape` cut short."""
    for kind in ("ape", "cat"):
        write_images(tmp_path / "train" / kind, 3)
        write_images(tmp_path / "test" / kind, 1)
    broken = tmp_path / "train" / "ape" / "001.png"
    broken.write_bytes(broken.read_bytes()[:-20])
    return subset(open_dataset(f"imagefolder:{tmp_path}").split("train"), None, seed=0)


def test_a_corrupt_image_is_refused_by_name(with_a_corrupt_one: Subset) -> None:
    for read in (
        lambda: materialize(with_a_corrupt_one, IMAGE, GREY),
        lambda: materialize_pixels(with_a_corrupt_one, GREY),
    ):
        with pytest.raises(DataError, match=r"train/ape/001\.png") as caught:
            read()
        assert "--corrupt skip" in (caught.value.hint or "")


def test_a_corrupt_image_is_left_out_by_name(with_a_corrupt_one: Subset) -> None:
    told = Warned()
    samples = materialize(with_a_corrupt_one, IMAGE, GREY, corrupt="skip", progress=told)
    assert samples.skipped == ("train/ape/001.png",) and len(samples) == 5
    assert samples.labels is not None and samples.labels.tolist() == [0, 0, 1, 1, 1]
    assert samples.indices_sha256 == hashlib.sha256(b"0\n2\n3\n4\n5\n").hexdigest(), "of what is there"
    encoded, pixels = samples.encoded(1), samples.pixels(1)
    assert encoded == with_a_corrupt_one.split[2].encoded and pixels is not None and pixels.shape == (5, 6, 3)
    assert (told.steps, told.total) == (6, 6) and "train/ape/001.png" in told.warnings[0]


def test_nothing_but_corrupt_images(tmp_path: Path, write_images: Callable[..., None]) -> None:
    write_images(tmp_path, 4)
    for file in tmp_path.iterdir():
        file.write_bytes(b"")
    chosen = subset(open_dataset(f"imagefolder:{tmp_path}").split("train"), None, seed=0)
    with pytest.raises(DataError, match=r"none of the 3 sample\(s\) of train can be read"):
        materialize(chosen, IMAGE, GREY, corrupt="skip")


def test_images_of_several_sizes_need_a_resize(tmp_path: Path, png: Callable[..., bytes]) -> None:
    for index in range(5):
        (tmp_path / f"{index}.png").write_bytes(png(index, (8, 8 + index % 2)))
    chosen = subset(open_dataset(f"imagefolder:{tmp_path}").split("train"), None, seed=0)
    anything = (TensorSpec(name="image", shape=(1, 3, "h", "w"), dynamic={d: DynamicDim(max=99) for d in "hw"}),)
    with pytest.raises(SpecError, match="must have the shape of the samples before it"):
        materialize(chosen, anything, ImagePreprocess(), corrupt="skip")


class Tensors:
    """A split of given tensors."""

    source, name = "given", "train"

    def __init__(self, *tensors: np.ndarray, names: tuple[str, ...] = ()) -> None:
        self.tensors, self.names = tensors, names

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Sample:
        return Sample(self.id_of(index), None, tensors=self.tensors, names=self.names)

    def id_of(self, index: int) -> str:
        return str(index)

    def labels_of(self) -> None:
        return None


def read(split: Tensors, *inputs: TensorSpec, preprocess: ImagePreprocess | None = None) -> tuple[np.ndarray, ...]:
    return materialize(Subset(split, (0, 1)), inputs, preprocess, progress=SILENT).inputs


A = TensorSpec(name="a", shape=(1, 3))
B = TensorSpec(name="b", dtype="int32", shape=(1, 2))


def test_named_tensors_are_put_in_the_models_order() -> None:
    split = Tensors(np.ones((1, 2), np.int64), np.zeros((1, 3)), names=("b", "a"))
    a, b = read(split, A, B)
    assert a.shape == (2, 3) and a.dtype == np.float32 and b.shape == (2, 2) and b.dtype == np.int32


@pytest.mark.parametrize(
    ("split", "match"),
    [
        (
            Tensors(np.zeros((1, 3)), np.zeros((1, 2), int), names=("a", "c")),
            "arrays: must be the model's inputs: a, b",
        ),
        (Tensors(np.zeros((1, 3))), r"must be 2 input\(s\): a \[1, 3\], b \[1, 2\]"),
        (Tensors(np.zeros((1, 4)), np.zeros((1, 2), int)), "a: dimension 1 must be 3, given 4"),
        (Tensors(np.zeros((1, 3)), np.zeros((1, 2))), r"b must be int32 \(given: float64"),
        (Tensors(np.zeros((1, 3), int), np.zeros((1, 2), int)), r"a must be float32 \(given: int64"),
        (Tensors(np.zeros((1, 3)), np.full((1, 2), 2**40)), "b: a value does not fit int32"),
        (Tensors(np.full((1, 3), 1e300), np.zeros((1, 2), int)), "a: a value does not fit float32"),
    ],
)
def test_tensors_that_do_not_fit(split: Tensors, match: str) -> None:
    with pytest.raises(SpecError, match=match):
        read(split, A, B)


def test_images_and_tensors_are_not_mistaken_for_each_other() -> None:
    with pytest.raises(SpecError, match="has no preprocessing"):
        materialize(subset(open_dataset("digits").split("test"), 2, seed=0), IMAGE, None)
    with pytest.raises(SpecError, match="must be an image"):
        materialize_pixels(Subset(Labelled(np.zeros((1, 3))), (0,)), GREY)


class Labelled(Tensors):
    def labels_of(self) -> np.ndarray:  # type: ignore[override]
        return np.zeros(2, dtype=np.int64)


def test_an_image_that_does_not_fit_the_input() -> None:
    wide = (TensorSpec(name="image", shape=(1, 1, 8, 9)),)
    with pytest.raises(SpecError, match="image: dimension 3 must be 9, given 8"):
        materialize(subset(open_dataset("digits").split("test"), 2, seed=0), wide, GREY)


def test_training_needs_labels(tmp_path: Path, write_images: Callable[..., None]) -> None:
    write_images(tmp_path, 4)
    chosen = subset(open_dataset(f"imagefolder:{tmp_path}").split("train"), None, seed=0)
    with pytest.raises(DataError, match="no labels"):
        materialize_pixels(chosen, GREY)


@pytest.mark.parametrize("content", [{}, {"encoded": b"x", "pixels": np.zeros((1, 1, 3), np.uint8)}])
def test_a_sample_is_exactly_one_thing(content: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        Sample("s", None, **content)  # type: ignore[arg-type]
