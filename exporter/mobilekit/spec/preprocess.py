"""Preprocess: what comes before the model's one input, told apart by `kind`; without a kind it is an image."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from mobilekit.spec.audio import AudioPreprocess
from mobilekit.spec.image import ImagePreprocess
from mobilekit.spec.tensor import TensorSpec


def _kind(value: Any) -> Any:
    return value.get("kind", "image") if isinstance(value, dict) else getattr(value, "kind", None)


Preprocess = Annotated[
    Annotated[ImagePreprocess, Tag("image")] | Annotated[AudioPreprocess, Tag("audio")], Discriminator(_kind)
]


def check_fits(preprocess: ImagePreprocess | AudioPreprocess, inputs: tuple[TensorSpec, ...]) -> None:
    """The tensor that preprocessing makes must be the model's one input. Raises ValueError."""
    if len(inputs) != 1:
        raise ValueError(f"preprocess: an {preprocess.kind} model has exactly one input")
    if isinstance(preprocess, AudioPreprocess):
        _check_sizes(inputs[0], "batch, frames, mels", (1, 2), (preprocess.frames, preprocess.mels))
        return
    shape = inputs[0].shape
    _check_rank(inputs[0], preprocess.layout, 4)
    axes = {"NCHW": (1, 2, 3), "NHWC": (3, 1, 2)}[preprocess.layout]
    size = preprocess.output_size or (shape[axes[1]], shape[axes[2]])
    _check_sizes(inputs[0], preprocess.layout, axes, (preprocess.channels, *size))


def _check_rank(spec: TensorSpec, layout: str, rank: int) -> None:
    if len(spec.shape) != rank:
        raise ValueError(f"preprocess: the input must have {rank} dimensions ({layout}), given {len(spec.shape)}")


def _check_sizes(spec: TensorSpec, layout: str, axes: tuple[int, ...], made: tuple[int | str, ...]) -> None:
    _check_rank(spec, layout, len(axes) + 1)
    wanted = tuple(spec.shape[axis] for axis in axes)
    if any(isinstance(w, int) and w != m for m, w in zip(made, wanted, strict=True)):
        names = "channels, height, width" if len(axes) == 3 else "frames, mels"
        raise ValueError(f"preprocess makes {names} {made}, but input {spec.name!r} is {spec.describe()}")
