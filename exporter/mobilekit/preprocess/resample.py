"""Resample: Pillow's 8-bit resampling in numpy. The specification other languages are tested against.

Bit-equal to PIL.Image.resize of Pillow 13 with its defaults; docs/preprocessing.md says the same in words. Where
antialiasing is off it is also what runs, since Pillow cannot do that. Never crops, pads or changes colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mobilekit.spec.image import Interpolation

Pixels = NDArray[np.uint8]
Doubles = NDArray[np.float64]

PRECISION_BITS = 32 - 8 - 2
"""Fraction bits of a weight: 32 less 8 for the pixel and 2 for sums below 0 and above 1."""
_HALF = 1 << (PRECISION_BITS - 1)


def resample(
    pixels: Pixels, size: tuple[int, int], interpolation: Interpolation = "bilinear", antialias: bool = True
) -> Pixels:
    """uint8 (H, W) or (H, W, C) -> uint8 (h, w) or (h, w, C), for `size` = (h, w).

    `antialias` false keeps the filter at its own width when shrinking. Each pass rounds to uint8; a side that keeps
    its size gets no pass. Source of the method: Pillow 13, src/libImaging/Resample.c and Geometry.c.
    """
    source = (pixels.shape[0], pixels.shape[1])
    if interpolation == "nearest":
        rows, columns = (_nearest(source[axis], size[axis]) for axis in (0, 1))
        return pixels[rows[:, None], columns]
    passes = [
        (axis, windows(source[axis], size[axis], interpolation, antialias))
        for axis in pass_order(source, size)
        if source[axis] != size[axis]
    ]
    if len(passes) == 2:  # The first pass need not compute what the second will not look at.
        axis, second = passes[1]
        used, position = np.unique(second.index, return_inverse=True)
        pixels = pixels.take(used, axis=axis)
        passes[1] = (axis, Windows(position.reshape(second.index.shape), second.weights))
    for axis, window in passes:
        pixels = _apply(pixels, axis, window)
    return pixels.copy() if not passes else pixels


def pass_order(source: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """The axes in the order they are resampled: columns' first (1, 0), or rows' first (0, 1).

    Pillow 13's rule. Up to 12.2 Pillow always took (1, 0); since each pass rounds to uint8, results differ by a level
    or two where the order does.
    """
    fewer_rows, fewer_columns = source[0] - size[0], source[1] - size[1]
    return (0, 1) if fewer_rows > 0 and fewer_rows > 2 * fewer_columns else (1, 0)


@dataclass(frozen=True)
class Windows:
    """For each of n output positions its input positions and their fixed-point weights, both (n, taps).

    Taps beyond a window's end carry weight 0.
    """

    index: NDArray[np.intp]
    weights: NDArray[np.int32]


def windows(source: int, size: int, interpolation: Interpolation, antialias: bool) -> Windows:
    """The windows along one side: clipped to the image, their weights normalised in float64, then rounded."""
    filter_, radius = _FILTERS[interpolation]
    scale = source / size
    stretch = max(scale, 1.0) if antialias else 1.0
    support = radius * stretch
    center = (np.arange(size) + 0.5) * scale
    first = np.maximum((center - support + 0.5).astype(np.intp), 0)
    after = np.minimum((center + support + 0.5).astype(np.intp), source)
    index = first[:, None] + np.arange(int((after - first).max()))
    inside = index < after[:, None]
    weights = np.where(inside, filter_((index - center[:, None] + 0.5) * (1.0 / stretch)), 0.0)
    total = np.add.accumulate(weights, axis=1)[:, -1:]  # One after the other: the order of a sum shows in its last bit.
    weights = np.divide(weights, total, out=weights, where=total != 0) * (1 << PRECISION_BITS)
    rounded = np.where(weights < 0, weights - 0.5, weights + 0.5).astype(np.int32)
    return Windows(np.where(inside, index, 0), rounded)


def _apply(pixels: Pixels, axis: int, window: Windows) -> Pixels:
    """One pass: weighted sums along `axis` in 32-bit integers, rounded half up, clipped to 0..255."""
    shape = list(pixels.shape)
    shape[axis] = len(window.index)
    along = [1] * pixels.ndim
    along[axis] = -1
    total = np.full(shape, _HALF, dtype=np.int32)
    for tap in range(window.index.shape[1]):
        taken = pixels.take(window.index[:, tap], axis=axis)
        total += taken * window.weights[:, tap].reshape(along)
    rounded: NDArray[np.int32] = total >> PRECISION_BITS
    return rounded.clip(0, 255).astype(np.uint8)


def _nearest(source: int, size: int) -> NDArray[np.intp]:
    """The input position of each output position: (i + 0.5) * scale, rounded down, by repeated addition in float64."""
    scale = source / size
    steps = np.full(size, scale)
    steps[0] = scale * 0.5
    return np.add.accumulate(steps).astype(np.intp)


def _box(x: Doubles) -> Doubles:
    return np.where((x > -0.5) & (x <= 0.5), 1.0, 0.0)


def _bilinear(x: Doubles) -> Doubles:
    return np.maximum(1.0 - np.abs(x), 0.0)


def _hamming(x: Doubles) -> Doubles:
    x = np.abs(x)
    # Pillow writes 0.54f and 0.46f: the nearest float32 numbers, used in float64.
    window = float(np.float32(0.54)) + float(np.float32(0.46)) * _libm(math.cos, x * math.pi)
    return np.where(x < 1.0, _sinc(x) * window, 0.0)


def _bicubic(x: Doubles) -> Doubles:
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * -0.5
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _lanczos(x: Doubles) -> Doubles:
    return np.where((x >= -3.0) & (x < 3.0), _sinc(x) * _sinc(x / 3), 0.0)


def _sinc(x: Doubles) -> Doubles:
    angle = x * math.pi
    return np.divide(_libm(math.sin, angle), angle, out=np.ones_like(angle), where=angle != 0)


def _libm(function: Callable[[float], float], x: Doubles) -> Doubles:
    """`function` of the C library, as Pillow calls it: numpy's own vector code may differ in the last bit."""
    return np.array([function(value) for value in x.ravel().tolist()], dtype=np.float64).reshape(x.shape)


_FILTERS: dict[str, tuple[Callable[[Doubles], Doubles], float]] = {
    "box": (_box, 0.5),
    "bilinear": (_bilinear, 1.0),
    "hamming": (_hamming, 1.0),
    "bicubic": (_bicubic, 2.0),
    "lanczos": (_lanczos, 3.0),
}
"""Each filter and how far it reaches from its centre, in pixels of the coarser side."""
