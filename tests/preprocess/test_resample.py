"""The numpy resampling against Pillow, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mobilekit.preprocess.resample import pass_order, resample, windows
from mobilekit.spec.image import Interpolation

INTERPOLATIONS = get_args(Interpolation)
interpolations = st.sampled_from(INTERPOLATIONS)
sides = st.integers(1, 48) | st.sampled_from([63, 64, 100, 127, 300])


def by_pillow(pixels: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
    image = Image.fromarray(pixels)
    for axis in pass_order(pixels.shape[:2], size):
        one_side = [image.height, image.width]
        one_side[axis] = size[axis]
        image = image.resize((one_side[1], one_side[0]), Image.Resampling[interpolation.upper()])
    return np.asarray(image)


def noise(seed: int, shape: tuple[int, ...], extremes: bool) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return np.where(pixels > 127, 255, 0).astype(np.uint8) if extremes else pixels


@settings(max_examples=400)
@given(
    source=st.tuples(sides, sides),
    size=st.tuples(sides, sides),
    interpolation=interpolations,
    grey=st.booleans(),
    extremes=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_is_bit_equal_to_pillow(
    *,
    source: tuple[int, int],
    size: tuple[int, int],
    interpolation: Interpolation,
    grey: bool,
    extremes: bool,
    seed: int,
) -> None:
    # Black and white pixels make the filters with negative lobes leave 0..255, so that clipping is tried as well.
    pixels = noise(seed, source if grey else (*source, 3), extremes)

    result = resample(pixels, size, interpolation)

    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, by_pillow(pixels, size, interpolation))


@settings(max_examples=200)
@given(source=st.tuples(sides, sides), size=st.tuples(sides, sides), interpolation=interpolations)
def test_takes_the_passes_in_the_order_of_pillow_13(
    source: tuple[int, int], size: tuple[int, int], interpolation: Interpolation
) -> None:
    if int(Image.__version__.split(".")[0]) < 13:
        pytest.skip("older Pillow takes the passes in another order")
    pixels = noise(1, (*source, 3), False)
    at_once = Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling[interpolation.upper()])
    np.testing.assert_array_equal(resample(pixels, size, interpolation), np.asarray(at_once))


def test_the_order_of_the_passes_shows() -> None:
    pixels = noise(3, (400, 6, 3), False)
    columns_first = resample(resample(pixels, (40, 6), "bicubic"), (40, 5), "bicubic")
    rows_first = resample(resample(pixels, (400, 5), "bicubic"), (40, 5), "bicubic")
    assert pass_order((400, 6), (40, 5)) == (0, 1)
    assert (columns_first != rows_first).any()
    np.testing.assert_array_equal(resample(pixels, (40, 5), "bicubic"), columns_first)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(
    ("source", "size"), [((1, 5000), (3, 7)), ((5000, 1), (7, 3)), ((1, 1), (64, 33)), ((2, 3000), (700, 2))]
)
def test_extreme_shapes_are_bit_equal_to_pillow(
    source: tuple[int, int], size: tuple[int, int], interpolation: Interpolation
) -> None:
    pixels = noise(5, (*source, 3), True)
    np.testing.assert_array_equal(resample(pixels, size, interpolation), by_pillow(pixels, size, interpolation))


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_photographs_are_bit_equal_to_pillow(photos: list[Path], interpolation: Interpolation) -> None:
    chosen = photos if interpolation in ("bilinear", "bicubic") else photos[:4]
    for number, path in enumerate(chosen):
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        size = (224 - number, 192 + number)
        expected = by_pillow(pixels, size, interpolation)
        np.testing.assert_array_equal(resample(pixels, size, interpolation), expected, err_msg=path.name)


@settings(max_examples=100)
@given(
    source=st.tuples(sides, sides),
    more=st.tuples(st.integers(0, 20), st.integers(0, 20)),
    interpolation=interpolations,
)
def test_antialias_changes_nothing_when_enlarging(
    source: tuple[int, int], more: tuple[int, int], interpolation: Interpolation
) -> None:
    pixels, size = noise(7, (*source, 3), False), (source[0] + more[0], source[1] + more[1])
    np.testing.assert_array_equal(
        resample(pixels, size, interpolation, antialias=False), resample(pixels, size, interpolation, antialias=True)
    )


@settings(max_examples=100)
@given(m=st.integers(1, 400), n=st.integers(1, 400))
def test_without_antialias_box_takes_the_pixel_under_the_centre(m: int, n: int) -> None:
    window = windows(m, n, "box", antialias=False)
    twice_center = (2 * np.arange(n) + 1) * m
    clear = twice_center % (2 * n) != 0  # A centre on a border may fall to either neighbour.
    assert (window.index[clear, 0] == (twice_center // (2 * n))[clear]).all()
    assert (window.weights.sum(axis=1) == 1 << 22).all()


@pytest.mark.slow  # importing torch takes longer than all the rest
def test_without_antialias_bilinear_is_within_a_level_of_torch(photos: list[Path]) -> None:
    """torch repeats the border where this cuts it off: for two taps the same. It rounds once, this twice."""
    import torch

    with Image.open(photos[0]) as image:
        pixels = np.asarray(image.convert("RGB"))
    tensor = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None]
    expected = torch.nn.functional.interpolate(tensor, size=(96, 101), mode="bilinear", align_corners=False)[0]
    result = resample(pixels, (96, 101), "bilinear", antialias=False)
    assert np.abs(result - expected.permute(1, 2, 0).numpy()).max() <= 1.01


def test_the_same_size_gives_a_copy() -> None:
    pixels = noise(9, (5, 6, 3), False)
    for interpolation in INTERPOLATIONS:
        result = resample(pixels, (5, 6), interpolation)
        np.testing.assert_array_equal(result, pixels)
        assert not np.shares_memory(result, pixels)


@settings(max_examples=200)
@given(m=st.integers(1, 2000), n=st.integers(1, 300), interpolation=interpolations, antialias=st.booleans())
def test_windows_stay_in_the_image_and_weigh_one(m: int, n: int, interpolation: Interpolation, antialias: bool) -> None:
    if interpolation == "nearest":
        return
    window = windows(m, n, interpolation, antialias)
    assert window.index.min() >= 0
    assert window.index.max() < m
    taps = window.index.shape[1]
    # Each weight is rounded by at most half a unit.
    assert np.abs(window.weights.sum(axis=1) - (1 << 22)).max() <= taps / 2
