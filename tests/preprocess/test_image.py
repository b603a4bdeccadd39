"""From an image to the tensor: colour, resize, crop, normalisation; torchvision's presets to the last bit."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mobilekit.errors import DataError
from mobilekit.preprocess import center_crop, decode_image, normalize, preprocess_image, resample, to_pixels
from mobilekit.spec.image import ImagePreprocess, Resize

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
COLOUR = np.random.default_rng(8).integers(0, 256, (23, 31, 3), dtype=np.uint8)


def preset(resize: int, crop: int, interpolation: Any = "bilinear") -> ImagePreprocess:
    """torchvision.transforms._presets.ImageClassification, as a spec."""
    cover = Resize(size=(resize, resize), mode="cover", interpolation=interpolation)
    return ImagePreprocess(resize=cover, crop=(crop, crop), mean=MEAN, std=STD)


def lossless(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.slow  # importing torchvision takes longer than all the rest
@pytest.mark.parametrize(
    ("resize", "crop", "interpolation"), [(256, 224, "bilinear"), (232, 224, "bicubic"), (99, 131, "bilinear")]
)
def test_torchvision_presets_are_reproduced(photos: list[Path], resize: int, crop: int, interpolation: str) -> None:
    from torchvision.transforms._presets import ImageClassification
    from torchvision.transforms.functional import InterpolationMode

    theirs = ImageClassification(
        crop_size=crop, resize_size=resize, mean=MEAN, std=STD, interpolation=InterpolationMode(interpolation)
    )
    spec = preset(resize, crop, interpolation)
    for number, path in enumerate(photos[:8]):
        with Image.open(path) as image:
            photo = image.convert("RGB")
        if number % 2:  # Odd sizes, and both sides of square.
            photo = photo.crop((0, 0, 201 + 2 * number, 333 - 4 * number))
        expected = theirs(photo).numpy()[None]
        tensor = normalize(to_pixels(np.asarray(photo), spec), spec)
        np.testing.assert_array_max_ulp(tensor, expected, maxulp=1)


def test_a_file_takes_the_same_way_as_its_parts(photos: list[Path]) -> None:
    for spec in (
        preset(64, 56),
        ImagePreprocess(color="L", crop=(40, 30)),
        ImagePreprocess(color="BGR", layout="NHWC"),
    ):
        encoded = photos[3].read_bytes()
        in_parts = normalize(to_pixels(decode_image(encoded, spec, name="a"), spec), spec)
        np.testing.assert_array_equal(preprocess_image(encoded, spec, name="a"), in_parts)


def test_colours() -> None:
    np.testing.assert_array_equal(to_pixels(COLOUR, ImagePreprocess()), COLOUR)
    np.testing.assert_array_equal(to_pixels(COLOUR, ImagePreprocess(color="BGR")), COLOUR[..., ::-1])
    red, green, blue = (COLOUR[..., channel].astype(int) for channel in range(3))
    luma = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
    np.testing.assert_array_equal(to_pixels(COLOUR, ImagePreprocess(color="L"))[..., 0], luma)


def test_grey_stays_grey_in_luma() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    np.testing.assert_array_equal(to_pixels(grey, ImagePreprocess(color="L")), grey[..., :1])


@pytest.mark.parametrize("color", ["RGB", "BGR", "L"])
@pytest.mark.parametrize("mode", ["stretch", "cover", "fit"])
@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_the_order_is_colour_resize_pad_crop(color: Any, mode: Any, antialias: bool, interpolation: Any) -> None:
    resize = Resize(size=(9, 11), mode=mode, antialias=antialias, interpolation=interpolation, pad_value=77)
    crop = (8, 13)
    coloured = to_pixels(COLOUR, ImagePreprocess(color=color))
    size = {"stretch": (9, 11), "cover": (9, 12), "fit": (8, 11)}[mode]
    expected = resample(coloured, size, interpolation, antialias)
    if mode == "fit":
        expected = np.pad(expected, [(0, 1), (0, 0), (0, 0)], constant_values=77)
    expected = center_crop(expected, crop)

    result = to_pixels(COLOUR, ImagePreprocess(color=color, resize=resize, crop=crop))

    np.testing.assert_array_equal(result, expected)
    assert result.flags.c_contiguous and result.flags.writeable


def test_to_pixels_leaves_its_input_alone() -> None:
    before = COLOUR.copy()
    result = to_pixels(COLOUR, ImagePreprocess())
    result[:] = 0
    np.testing.assert_array_equal(COLOUR, before)


numbers = st.floats(-300, 300, width=64)
positive = st.floats(0.001, 1000, width=64)


@settings(max_examples=100)
@given(divisor=positive, mean=st.tuples(numbers, numbers, numbers), std=st.tuples(positive, positive, positive))
def test_normalize_rounds_every_operation_to_float32(
    divisor: float, mean: tuple[float, float, float], std: tuple[float, float, float]
) -> None:
    if any(0 < abs(value) < 1e-30 for value in mean):
        return
    spec = ImagePreprocess(divisor=divisor, mean=mean, std=std)
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    result = normalize(pixels, spec)
    assert result.dtype == np.float32 and result.shape == (1, 3, 16, 16)
    for channel in range(3):
        for value in (0, 1, 7, 128, 200, 255):
            scaled = np.float32(value) / np.float32(divisor)
            expected = np.float32(np.float32(scaled - np.float32(mean[channel])) / np.float32(std[channel]))
            assert result[0, channel].ravel()[value] == expected


def test_normalize_layouts_and_batches() -> None:
    batch = np.stack([COLOUR, COLOUR[::-1]])
    planes = normalize(batch, ImagePreprocess(mean=MEAN, std=STD))
    interleaved = normalize(batch, ImagePreprocess(mean=MEAN, std=STD, layout="NHWC"))
    assert planes.shape == (2, 3, 23, 31) and interleaved.shape == (2, 23, 31, 3)
    assert planes.flags.c_contiguous and interleaved.flags.c_contiguous
    np.testing.assert_array_equal(planes.transpose(0, 2, 3, 1), interleaved)
    np.testing.assert_array_equal(normalize(batch[1], ImagePreprocess(mean=MEAN, std=STD)), planes[1:])
    assert normalize(batch[:0], ImagePreprocess()).shape == (0, 3, 23, 31)


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 1), np.uint8), np.zeros((0, 4, 3), np.uint8)],
    ids=["float", "grey", "one-channel", "empty"],
)
def test_to_pixels_names_what_it_cannot_take(pixels: np.ndarray) -> None:
    with pytest.raises(DataError, match="sample 7: pixels must be uint8"):
        to_pixels(pixels, ImagePreprocess(), name="sample 7")


def test_normalize_names_what_it_cannot_take() -> None:
    for wrong in (COLOUR.astype(np.float32), COLOUR[..., 0], COLOUR[None, None], COLOUR[..., :1]):
        with pytest.raises(DataError, match="pixels must be uint8"):
            normalize(wrong, ImagePreprocess())


@pytest.mark.parametrize(("width", "side", "size"), [(6000, 224, "672000x224"), (700, 224, "78400x224")])
def test_a_sliver_is_not_blown_up(width: int, side: int, size: str) -> None:
    sliver = lossless(np.zeros((2, width, 3), dtype=np.uint8))
    with pytest.raises(DataError, match=rf"sliver.png: {width}x2 pixels would be resized to {size}"):
        preprocess_image(sliver, preset(side, side), name="sliver.png")


def test_never_imports_torch() -> None:
    code = "import sys, mobilekit.preprocess; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
