"""Geometry: which size an image is resized to, and where it is cropped and padded. Integers only, never resamples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mobilekit.spec.image import Resize

Pixels = NDArray[np.uint8]


def resized_size(source: tuple[int, int], resize: Resize) -> tuple[int, int]:
    """(height, width) that an image of `source` (height, width) is resampled to, before padding and crop.

    "cover" with a square size equals torchvision's Resize(int): shorter side exact, longer side rounded down.
    "fit" rounds the side that does not constrain half up, and keeps at least one pixel.
    """
    (height, width), (target_height, target_width) = source, resize.size
    if resize.mode == "stretch":
        return resize.size
    # target_height / height against target_width / width, without division.
    height_ratio, width_ratio = target_height * width, target_width * height
    if resize.mode == "cover":
        if height_ratio >= width_ratio:
            return target_height, target_height * width // height
        return target_width * height // width, target_width
    if height_ratio <= width_ratio:
        return target_height, max(1, (2 * target_height * width + height) // (2 * height))
    return max(1, (2 * target_width * height + width) // (2 * width)), target_width


def pad_to_center(pixels: Pixels, size: tuple[int, int], value: int) -> Pixels:
    """uint8 (H, W, ...) -> (h, w, ...): `value` around an image that is no larger than `size`.

    Of an odd number of rows or columns to add, the bottom or right gets one more.
    """
    height, width = pixels.shape[:2]
    if (height, width) == size:
        return pixels
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    padded = np.full((*size, *pixels.shape[2:]), value, dtype=np.uint8)
    padded[top : top + height, left : left + width] = pixels
    return padded


def center_crop(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """uint8 (H, W, ...) -> (h, w, ...), as torchvision.transforms.CenterCrop does on a PIL image.

    Where the image is smaller it is first padded with zeros (floor of half before, the rest after). The first row
    kept is round((H - h) / 2), halves to the even number; columns likewise.
    """
    height, width = max(pixels.shape[0], size[0]), max(pixels.shape[1], size[1])
    pixels = pad_to_center(pixels, (height, width), 0)
    top, left = _half_to_even(height - size[0]), _half_to_even(width - size[1])
    return pixels[top : top + size[0], left : left + size[1]]


def _half_to_even(difference: int) -> int:
    """difference / 2, and where that is halfway between two integers, the even one."""
    half = difference >> 1
    return half + (difference & half & 1)
