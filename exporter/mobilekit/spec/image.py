"""Image preprocessing as the contract states it: from an encoded image to the model's input tensor.

docs/preprocessing.md defines every step to the bit; this file names the choices and refuses those that no image
could satisfy or that float32 cannot hold. The order is fixed: decode, orient, convert colour, resize, crop, then
per value `(float32(x) / divisor - mean[c]) / std[c]`.
"""

from __future__ import annotations

import struct
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from mobilekit.spec.base import Spec

MAX_PIXELS = 2**27
"""The most pixels of an image at any step: a 108-megapixel photo passes, a decompression bomb does not."""
MAX_SIDE = 65_535
"""The longest side of an image at any step, in pixels: what JPEG allows."""

_FLOAT32_MAX = (2 - 2**-23) * 2.0**127
_FLOAT32_TINY = 2.0**-126


def _within_pixel_limit(size: tuple[int, int]) -> tuple[int, int]:
    if size[0] * size[1] > MAX_PIXELS:
        raise ValueError(f"height x width must be at most {MAX_PIXELS} pixels")
    return size


def _normal_float32(value: float) -> float:
    if value != 0 and not _FLOAT32_TINY <= abs(value) <= _FLOAT32_MAX:
        raise ValueError(f"must be a normal float32 number ({_FLOAT32_TINY:.3g} to {_FLOAT32_MAX:.3g}), or 0")
    return value


Size = Annotated[
    tuple[Annotated[int, Field(ge=1, le=16384)], Annotated[int, Field(ge=1, le=16384)]],
    AfterValidator(_within_pixel_limit),
]
Interpolation = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
Float32 = Annotated[float, AfterValidator(_normal_float32)]
"""A number that arithmetic rounds to float32 before it is used; kept in files as it was given."""


class Resize(Spec):
    """Resample to `size` (height, width).

    mode "stretch" changes the aspect to fit `size` exactly; "cover" keeps it and fills `size` (one side fits, the
    other is `size` or longer and is cut by `crop`; size (S, S) makes the shorter side S); "fit" keeps it inside
    `size` and pads with `pad_value`, evenly around.
    antialias false samples at the filter's own support even when shrinking (cheap on a phone, and different).
    """

    size: Size
    mode: Literal["stretch", "cover", "fit"] = "stretch"
    interpolation: Interpolation = "bilinear"
    antialias: bool = True
    pad_value: Annotated[int, Field(ge=0, le=255)] = 0


class ImagePreprocess(Spec):
    """The exact way from an encoded image to a float32 tensor of shape (1, C, H, W) or (1, H, W, C)."""

    kind: Literal["image"] = "image"
    exif_orientation: bool = True
    color: Literal["RGB", "BGR", "L"] = "RGB"
    resize: Resize | None = None
    crop: Size | None = Field(
        default=None, description="centre crop (height, width), zero-padded where the image is smaller"
    )
    divisor: Annotated[Float32, Field(gt=0)] = 255.0
    mean: tuple[Float32, ...] = ()
    std: tuple[Annotated[Float32, Field(gt=0)], ...] = ()
    layout: Literal["NCHW", "NHWC"] = "NCHW"

    @model_validator(mode="after")
    def _one_value_per_channel(self) -> Self:
        for field, values in (("mean", self.mean), ("std", self.std)):
            if values and len(values) != self.channels:
                raise ValueError(f"{field} needs {self.channels} value(s) for {self.color}, given {len(values)}")
        if self.crop is None and self.resize is not None and self.resize.mode == "cover":
            raise ValueError("resize mode 'cover' needs a crop, since the longer side is left over")
        return self

    @model_validator(mode="after")
    def _normalised_values_are_finite(self) -> Self:
        means, stds = self.mean or (0.0,) * self.channels, self.std or (1.0,) * self.channels
        for mean, std in zip(means, stds, strict=True):
            for value in (0.0, 255.0):
                scaled = _rounded(value / _rounded(self.divisor))
                if abs(_rounded(_rounded(scaled - _rounded(mean)) / _rounded(std))) > _FLOAT32_MAX:
                    raise ValueError(
                        f"divisor, mean and std take pixel value {value:g} beyond float32: "
                        f"({value:g} / {self.divisor:g} - {mean:g}) / {std:g}"
                    )
        return self

    @property
    def channels(self) -> int:
        return 1 if self.color == "L" else 3

    @property
    def output_size(self) -> tuple[int, int] | None:
        """(height, width) of the tensor, or None when it is the image's own size."""
        if self.crop is not None:
            return self.crop
        return self.resize.size if self.resize else None


def _rounded(value: float) -> float:
    """`value` rounded to float32; infinity where it does not fit."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
