"""Splits that live in memory: images as one uint8 array, or model inputs as one array per input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mobilekit.data.base import Array, Labels, Pixels, Sample


@dataclass(frozen=True, eq=False)
class ImageArray:
    """Images of one size: uint8 (N, H, W) or (N, H, W, 1) grey, or (N, H, W, 3) RGB."""

    source: str
    name: str
    images: Pixels
    labels: Labels | None

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        return Sample(self.id_of(index), _label(self.labels, index), pixels=as_rgb(self.images[index]))

    def id_of(self, index: int) -> str:
        return f"{self.name}/{index:05d}"

    def labels_of(self) -> Labels | None:
        return self.labels


@dataclass(frozen=True, eq=False)
class TensorArrays:
    """Model inputs, one array (N, ...) per input; `inputs` names them, or is empty when the file does not say."""

    source: str
    name: str
    arrays: tuple[Array, ...]
    labels: Labels | None
    inputs: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: int) -> Sample:
        tensors = tuple(array[index : index + 1] for array in self.arrays)
        return Sample(self.id_of(index), _label(self.labels, index), tensors=tensors, names=self.inputs)

    def id_of(self, index: int) -> str:
        return f"{self.name}/{index:05d}"

    def labels_of(self) -> Labels | None:
        return self.labels


def as_rgb(image: Pixels) -> Pixels:
    """uint8 (H, W), (H, W, 1) or (H, W, 3) -> (H, W, 3); grey is given to all three channels."""
    if image.ndim == 2:
        image = image[..., np.newaxis]
    return np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)))


def _label(labels: Labels | None, index: int) -> int | None:
    return None if labels is None else int(labels[index])
