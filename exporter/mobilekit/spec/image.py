"""Image preprocessing as the contract states it: from an encoded image to the model's input tensor.

docs/preprocessing.md defines every step to the bit; this file names the choices. The order is fixed:
decode, orient, convert colour, resize, crop, then per value `(float32(x) / divisor - mean[c]) / std[c]`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mobilekit.spec.base import Spec

Size = tuple[Annotated[int, Field(ge=1, le=16384)], Annotated[int, Field(ge=1, le=16384)]]
Interpolation = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]


class Resize(Spec):
    """Resample to `size` (height, width).

    mode "stretch" changes the aspect to fit `size` exactly; "cover" keeps it and fills `size` (the shorter
    side fits, the longer one is cut by `crop`); "fit" keeps it inside `size` and pads with `pad_value`.
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
    crop: Size | None = Field(default=None, description="centre crop (height, width), zero-padded where the image is smaller")
    divisor: Annotated[float, Field(gt=0)] = 255.0
    mean: tuple[float, ...] = ()
    std: tuple[Annotated[float, Field(gt=0)], ...] = ()
    layout: Literal["NCHW", "NHWC"] = "NCHW"

    @model_validator(mode="after")
    def _one_value_per_channel(self) -> Self:
        for field, values in (("mean", self.mean), ("std", self.std)):
            if values and len(values) != self.channels:
                raise ValueError(f"{field} needs {self.channels} value(s) for {self.color}, given {len(values)}")
        if self.crop is None and self.resize is not None and self.resize.mode == "cover":
            raise ValueError("resize mode 'cover' needs a crop, since the longer side is left over")
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
