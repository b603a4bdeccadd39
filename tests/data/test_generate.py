from __future__ import annotations

import numpy as np
import pytest

from mobilekit.data import generated
from mobilekit.preprocess import normalize, to_pixels
from mobilekit.spec import DynamicDim, ImagePreprocess, TensorSpec
from mobilekit.spec.image import Resize

BATCH = {"batch": DynamicDim(max=8)}


def test_floats_are_standard_normal_and_whole_numbers_small() -> None:
    inputs = (
        TensorSpec(name="a", shape=("batch", 40, 50), dynamic=BATCH),
        TensorSpec(name="b", dtype="int64", shape=(1, 9)),
        TensorSpec(name="c", dtype="bool", shape=(1, 9)),
        TensorSpec(name="d", dtype="float16", shape=(1, 9)),
    )
    samples = generated(inputs, 5, 0, None)
    a, b, c, d = samples.inputs
    assert a.shape == (5, 40, 50) and a.dtype == np.float32 and np.isfinite(a).all()
    assert abs(a.mean()) < 0.05 and abs(a.std() - 1) < 0.05
    assert b.dtype == np.int64 and set(np.unique(b)) == {0, 1}
    assert c.dtype == np.bool_ and d.dtype == np.float16
    assert (samples.source, samples.split, samples.labels) == ("generated", "generated", None)
    assert not (a[0] == a[1]).all(), "samples differ"


def test_the_same_seed_gives_the_same_samples() -> None:
    inputs = (TensorSpec(name="a", shape=(1, 4)),)
    first, again, other = (generated(inputs, 3, seed, None).inputs[0] for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).any()


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_images_go_through_the_preprocessing(layout: str) -> None:
    preprocess = ImagePreprocess(
        resize=Resize(size=(20, 30)), crop=(16, 24), mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4), layout=layout
    )
    shape = (1, 3, 16, 24) if layout == "NCHW" else (1, 16, 24, 3)
    samples = generated((TensorSpec(name="image", shape=shape),), 4, 7, preprocess)
    assert samples.inputs[0].shape == (4, *shape[1:])
    pixels = samples.pixels(2)
    assert pixels is not None and pixels.dtype == np.uint8 and pixels.std() > 5
    assert (normalize(to_pixels(pixels, preprocess), preprocess) == samples.one(2)[0]).all()
    steps = np.abs(np.diff(pixels.astype(int), axis=0))
    assert steps.mean() < 30, "smooth, unlike noise"


def test_images_of_the_inputs_own_size() -> None:
    spec = TensorSpec(name="image", shape=("batch", 1, 8, 8), dynamic=BATCH)
    assert generated((spec,), 2, 0, ImagePreprocess(color="L")).inputs[0].shape == (2, 1, 8, 8)


def test_inputs_whose_first_dimension_cannot_be_one_are_made_whole() -> None:
    fixed = generated((TensorSpec(name="a", shape=(4, 3)), TensorSpec(name="b", shape=())), 2, 0, None)
    assert fixed.whole
    assert [array.shape for array in fixed.inputs] == [(2, 4, 3), (2,)]
    assert [array.shape for array in fixed.one(1)] == [(4, 3), ()]


@pytest.mark.parametrize(
    "shapes", [[(4, 3)], [()], [(1, 3), (7,)], [("batch", 3)]], ids=["batch of 4", "scalar", "mixed", "batch from 2"]
)
def test_inputs_that_have_no_batch_of_one_are_made_whole(shapes: list) -> None:
    bounds = {"batch": DynamicDim(min=2, max=8)}
    inputs = [
        TensorSpec(name=f"x{i}", shape=shape, dynamic={dim: bounds[dim] for dim in shape if isinstance(dim, str)})
        for i, shape in enumerate(shapes)
    ]
    samples = generated(inputs, 3, 0, None)
    assert samples.whole
    assert len(samples) == len(samples.ids) == 3
    for index in range(3):
        assert [array.shape for array in samples.one(index)] == [spec.sized() for spec in inputs]
    assert not (samples.one(0)[0] == samples.one(1)[0]).all()
    assert samples.pixels(0) is None


def test_a_batch_of_images_is_no_image() -> None:
    samples = generated([TensorSpec(name="x", shape=(4, 3, 8, 8))], 2, 0, ImagePreprocess())
    assert samples.one(0)[0].shape == (4, 3, 8, 8)
    assert samples.pixels(0) is None
