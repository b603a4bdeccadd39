"""Image: encoded bytes -> pixels -> float32 tensor, in the order that docs/preprocessing.md states.

Pillow decodes and resizes; numpy does the rest. Takes and gives numpy arrays; never imports torch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mobilekit.errors import DataError
from mobilekit.preprocess.decode import decode_rgb
from mobilekit.preprocess.geometry import Pixels, center_crop, pad_to_center, resized_size
from mobilekit.preprocess.resample import pass_order, resample
from mobilekit.spec.image import MAX_PIXELS, MAX_SIDE, ImagePreprocess, Interpolation, Resize

_PILLOW_FILTERS: dict[Interpolation, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def preprocess_image(encoded: bytes, spec: ImagePreprocess, *, name: str) -> NDArray[np.float32]:
    """An encoded image -> float32 (1, C, h, w) or (1, h, w, C), as `spec.layout` says.

    Raises DataError naming `name` for an image that cannot be decoded, or that the resize would make too large.
    """
    image = decode_rgb(encoded, exif_orientation=spec.exif_orientation, name=name)
    return normalize(_to_pixels(image, spec, name), spec)


def decode_image(encoded: bytes, spec: ImagePreprocess, *, name: str) -> Pixels:
    """An encoded image -> uint8 (H, W, 3), RGB, C-contiguous, upright where `spec.exif_orientation` is set.

    Raises DataError naming `name` for what is empty, of an unknown kind, corrupt, truncated or too large.
    """
    return np.array(decode_rgb(encoded, exif_orientation=spec.exif_orientation, name=name))


def to_pixels(pixels: Pixels, spec: ImagePreprocess, *, name: str = "image") -> Pixels:
    """uint8 (H, W, 3) RGB -> uint8 (h, w, C): colour, then resize, then crop, as `spec` says.

    Raises DataError naming `name` where `pixels` is not that, or the resize would make it too large.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise DataError(
            f"{name}: pixels must be uint8 (height, width, 3), given {pixels.dtype} {pixels.shape}",
            hint="repeat grey values three times; scaling to floats comes after",
        )
    return _to_pixels(Image.fromarray(np.ascontiguousarray(pixels)), spec, name)


def normalize(pixels: Pixels, spec: ImagePreprocess) -> NDArray[np.float32]:
    """uint8 (h, w, C) or (N, h, w, C) -> float32 (N, C, h, w) or (N, h, w, C), N being 1 for a single image.

    Every value is (float32(x) / divisor - mean[c]) / std[c], each constant and each operation rounded to float32.
    """
    batch = pixels[None] if pixels.ndim == 3 else pixels
    if batch.dtype != np.uint8 or batch.ndim != 4 or batch.shape[3] != spec.channels:
        raise DataError(
            f"pixels must be uint8 ([N,] height, width, {spec.channels}), given {pixels.dtype} {pixels.shape}",
            hint="to_pixels() makes them",
        )
    table = _normalized_values(spec)
    channels = [table[:, channel][batch[..., channel]] for channel in range(spec.channels)]
    return np.stack(channels, axis=1 if spec.layout == "NCHW" else 3)


def _normalized_values(spec: ImagePreprocess) -> NDArray[np.float32]:
    """float32 (256, C): what each pixel value becomes. The formula of the contract, once for each value there is."""
    mean = np.array(spec.mean or (0.0,) * spec.channels, dtype=np.float32)
    std = np.array(spec.std or (1.0,) * spec.channels, dtype=np.float32)
    scaled = np.arange(256, dtype=np.float32)[:, None] / np.float32(spec.divisor)
    return (scaled - mean) / std


def _to_pixels(image: Image.Image, spec: ImagePreprocess, name: str) -> Pixels:
    """Pillow RGB -> uint8 (h, w, C). An image stays Pillow's until it is small: a photo is copied once less."""
    if spec.color == "L":
        image = image.convert("L")
    pixels = np.asarray(image) if spec.resize is None else _resized(image, spec.resize, name)
    if spec.crop is not None:
        pixels = center_crop(pixels, spec.crop)
    if spec.color == "BGR":  # Nothing before mixes channels, so here it is the same, and cheaper.
        pixels = pixels[:, :, ::-1]
    return np.array(pixels.reshape(*pixels.shape[:2], spec.channels), order="C")


def _resized(image: Image.Image, resize: Resize, name: str) -> Pixels:
    source = (image.height, image.width)
    size = resized_size(source, resize)
    if size[0] * size[1] > MAX_PIXELS or max(size) > MAX_SIDE:
        raise DataError(
            f"{name}: {source[1]}x{source[0]} pixels would be resized to {size[1]}x{size[0]}; at most {MAX_PIXELS:,} "
            f"in all and {MAX_SIDE:,} a side are made",
            hint="cut such a long image to a part first, or use resize mode 'stretch' or 'fit'",
        )
    shrinks = size[0] < source[0] or size[1] < source[1]
    if resize.antialias or resize.interpolation == "nearest" or not shrinks:
        pixels = np.asarray(_pillow_resized(image, size, _PILLOW_FILTERS[resize.interpolation]))
    else:
        pixels = resample(np.asarray(image), size, resize.interpolation, antialias=False)
    return pad_to_center(pixels, resize.size, resize.pad_value) if resize.mode == "fit" else pixels


def _pillow_resized(image: Image.Image, size: tuple[int, int], filter_: Image.Resampling) -> Image.Image:
    """Pillow's resize, one side at a time: which side it takes first differs between Pillow's versions."""
    for axis in pass_order((image.height, image.width), size):
        target = [image.height, image.width]
        if target[axis] != size[axis]:
            target[axis] = size[axis]
            image = image.resize((target[1], target[0]), filter_)
    return image
