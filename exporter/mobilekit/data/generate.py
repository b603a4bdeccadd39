"""Generated input, for when there is no data: it runs a model, and says nothing about its accuracy.

Scales that are calibrated on it mean nothing for accuracy either; whoever uses it must say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mobilekit.data.base import Array, Labels, Pixels, Sample, Waveform
from mobilekit.data.samples import Samples, materialize, takes_one
from mobilekit.data.sampling import normal, uniform
from mobilekit.data.subset import Subset
from mobilekit.spec.audio import AudioPreprocess
from mobilekit.spec.image import ImagePreprocess
from mobilekit.spec.preprocess import Preprocess
from mobilekit.spec.tensor import TensorSpec

SOURCE = "generated"
_GRID = 5


def generated(inputs: Sequence[TensorSpec], n: int, seed: int, preprocess: Preprocess | None) -> Samples:
    """`n` random samples that fit `inputs`, the same for the same seed; source "generated", no labels.

    With `preprocess`: smooth random images of the input's size, or chirps in noise, through that preprocessing. Else
    floats are standard normal and whole numbers 0 or 1, which is safe for indices and masks alike. Dynamic dimensions
    are at their lower bound. Where an input's first dimension cannot be 1, samples are whole inputs (see
    Samples.whole), and never images or sounds: a batch has no single one to be made from.
    """
    single = all(takes_one(spec) for spec in inputs)
    split = GeneratedSplit(tuple(inputs), n, seed, preprocess if single else None)
    subset = Subset(split, tuple(range(n)))
    if single:
        return materialize(subset, inputs, preprocess)
    samples = [split.tensors(index) for index in range(n)]
    return Samples(
        inputs=tuple(np.stack(arrays) for arrays in zip(*samples, strict=True)),
        labels=None,
        ids=tuple(split.id_of(index) for index in range(n)),
        skipped=(),
        subset=subset,
        preprocess=None,
        whole=True,
    )


@dataclass(frozen=True, eq=False)
class GeneratedSplit:
    """Random samples, each made from (seed, index) when it is asked for."""

    inputs: tuple[TensorSpec, ...]
    length: int
    seed: int
    preprocess: Preprocess | None
    source: str = SOURCE
    name: str = SOURCE

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        if isinstance(self.preprocess, AudioPreprocess):
            return Sample(self.id_of(index), None, waveform=_chirp(self.preprocess, self.seed, index))
        if self.preprocess is not None:
            return Sample(
                self.id_of(index), None, pixels=_smooth_image(self._image_size(self.preprocess), self.seed, index)
            )
        names = tuple(spec.name for spec in self.inputs)
        return Sample(self.id_of(index), None, tensors=self.tensors(index), names=names)

    def tensors(self, index: int) -> tuple[Array, ...]:
        """One random tensor for each input, of its whole shape."""
        return tuple(_random_tensor(spec, self.seed, index) for spec in self.inputs)

    def id_of(self, index: int) -> str:
        return f"{SOURCE}/{index:05d}"

    def labels_of(self) -> Labels | None:
        return None

    def _image_size(self, preprocess: ImagePreprocess) -> tuple[int, int]:
        shape = self.inputs[0].sized()
        height, width = shape[2:4] if preprocess.layout == "NCHW" else shape[1:3]
        return preprocess.output_size or (height, width)


def _smooth_image(size: tuple[int, int], seed: int, index: int) -> Pixels:
    """uint8 (H, W, 3): a random grid of colours, linearly interpolated, with a little noise."""
    height, width = size
    grid = uniform((_GRID, _GRID, 3), seed, f"generated image {index}")
    rows, columns = (_interpolation(length) for length in size)
    smooth = np.einsum("yi,xj,ijc->yxc", rows, columns, grid)
    noise = uniform((height, width, 3), seed, f"generated noise {index}") - 0.5
    image: Pixels = np.clip(np.rint(smooth * 255 + noise * 16), 0, 255).astype(np.uint8)
    return image


def _chirp(spec: AudioPreprocess, seed: int, index: int) -> Waveform:
    """float32 (clip_samples,): a tone that glides between two random frequencies and fades, with a little noise."""
    length = spec.clip_samples
    low, high, loud = uniform((3,), seed, f"generated sound {index}")
    at = np.arange(length) / length
    hz = spec.fmin + (spec.fmax - spec.fmin) * (low + (high - low) * at)
    tone = np.sin(2 * np.pi * np.cumsum(hz) / spec.sample_rate) * np.sin(np.pi * at) * (0.05 + 0.45 * loud)
    sound: Waveform = (tone + 0.005 * normal((length,), seed, f"generated hiss {index}")).astype(np.float32)
    return sound


def _interpolation(length: int) -> Array:
    """float64 (length, _GRID): the weights that stretch _GRID points over `length` pixels."""
    at = np.linspace(0, _GRID - 1, length) if length > 1 else np.zeros(1)
    weights: Array = np.clip(1 - np.abs(at[:, np.newaxis] - np.arange(_GRID)), 0, 1)
    return weights


def _random_tensor(spec: TensorSpec, seed: int, index: int) -> Array:
    shape = spec.sized()
    purpose = f"generated {spec.name} {index}"
    if spec.dtype.startswith("float"):
        return np.asarray(normal(shape, seed, purpose), dtype=spec.dtype)
    return np.asarray(uniform(shape, seed, purpose) < 0.5, dtype=spec.dtype)
