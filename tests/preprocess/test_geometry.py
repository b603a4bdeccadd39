"""Sizes, padding and crop."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.preprocess.geometry import center_crop, pad_to_center, resized_size
from mobilekit.spec.image import Resize

sides = st.integers(1, 5000)
sizes = st.tuples(sides, sides)


@given(source=sizes, short=st.integers(1, 1024))
def test_cover_with_a_square_is_torchvision_resize(source: tuple[int, int], short: int) -> None:
    height, width = source
    expected = (
        (int(short * height / width), short) if width <= height else (short, int(short * width / height))
    )  # torchvision.transforms.functional._compute_resized_output_size
    assert resized_size(source, Resize(size=(short, short), mode="cover")) == expected


@given(source=sizes, size=sizes)
def test_cover_fills_and_fit_stays_inside(source: tuple[int, int], size: tuple[int, int]) -> None:
    height, width = resized_size(source, Resize(size=size, mode="cover"))
    assert height >= size[0] and width >= size[1] and (height == size[0] or width == size[1])
    height, width = resized_size(source, Resize(size=size, mode="fit"))
    assert 1 <= height <= size[0] and 1 <= width <= size[1] and (height == size[0] or width == size[1])
    assert resized_size(source, Resize(size=size)) == size


@given(source=sizes, size=sizes)
def test_the_free_side_is_rounded_as_stated(source: tuple[int, int], size: tuple[int, int]) -> None:
    height_scale, width_scale = (Fraction(size[i], source[i]) for i in (0, 1))
    scale = max(height_scale, width_scale)
    assert resized_size(source, Resize(size=size, mode="cover")) == tuple(int(side * scale) for side in source)
    scale = min(height_scale, width_scale)
    rounded = tuple(max(1, int(side * scale + Fraction(1, 2))) for side in source)
    assert resized_size(source, Resize(size=size, mode="fit")) == rounded


@given(source=st.tuples(st.integers(1, 20), st.integers(1, 20)), size=st.tuples(st.integers(1, 24), st.integers(1, 24)))
def test_crop_begins_at_the_half_rounded_to_even(source: tuple[int, int], size: tuple[int, int]) -> None:
    height, width = source
    pixels = np.arange(1, height * width + 1, dtype=np.uint16).astype(np.uint8).reshape(height, width, 1)
    pads = [((max(b - a, 0)) // 2, (max(b - a, 0) + 1) // 2) for a, b in zip(source, size, strict=True)]
    padded = np.pad(pixels, [*pads, (0, 0)])
    top, left = (round((a - b) / 2) for a, b in zip(padded.shape[:2], size, strict=True))

    result = center_crop(pixels, size)

    np.testing.assert_array_equal(result, padded[top : top + size[0], left : left + size[1]])


@pytest.mark.parametrize(("length", "first"), [(4, 0), (5, 0), (6, 1), (7, 2), (8, 2), (9, 2), (10, 3), (11, 4)])
def test_crop_of_a_known_row(length: int, first: int) -> None:
    row = np.arange(length, dtype=np.uint8).reshape(1, length)
    np.testing.assert_array_equal(center_crop(row, (1, 4))[0], np.arange(first, first + 4))


def test_padding_puts_the_odd_one_after() -> None:
    pixels = np.full((1, 2, 3), 9, dtype=np.uint8)
    expected = np.full((4, 5, 3), 7, dtype=np.uint8)
    expected[1, 1:3] = 9
    np.testing.assert_array_equal(pad_to_center(pixels, (4, 5), 7), expected)
