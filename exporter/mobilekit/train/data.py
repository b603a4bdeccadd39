"""Training data: train, validation and test parts in memory, and the batches drawn from them.

Validation is carved from the train split; the test split is for the one figure at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mobilekit.data import Dataset, Subset, materialize, materialize_pixels, subset
from mobilekit.data.base import Array, Labels
from mobilekit.data.samples import Corrupt
from mobilekit.data.sampling import held_out, permutation
from mobilekit.errors import DataError
from mobilekit.progress import SILENT, Progress
from mobilekit.spec.image import ImagePreprocess
from mobilekit.spec.tensor import TensorSpec

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Part:
    """Samples in memory: uint8 images (N, h, w, C) as one input, or the model's inputs as they are; labels (N,)."""

    inputs: tuple[Array, ...]
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What a training needs to know of its data. `preprocess` is set exactly when the parts hold uint8 images."""

    source: str
    train: Part
    validation: Part
    test: Part
    preprocess: ImagePreprocess | None


def load_training_data(
    dataset: Dataset,
    inputs: Sequence[TensorSpec],
    preprocess: ImagePreprocess | None,
    *,
    seed: int,
    validation_fraction: float = 0.1,
    test_samples: int | None = None,
    corrupt: Corrupt = "refuse",
    progress: Progress = SILENT,
) -> TrainingData:
    """Read a data set for training. `validation_fraction` of train is held back by class, fixed by `seed`.

    Raises DataError when it is unlabelled, too small or unreadable, SpecError when it does not fit `inputs`.
    """
    split = dataset.split("train")
    labels = split.labels_of()
    if labels is None or dataset.split("test").labels_of() is None:
        raise DataError(f"{dataset.name} has no labels; training needs them", hint="put images into folders by class")
    kept, back = held_out(len(split), labels, validation_fraction, seed, "validation split")
    test = subset(dataset.split("test"), test_samples, seed=seed)
    chosen = (Subset(split, tuple(kept.tolist())), Subset(split, tuple(back.tolist())), test)

    def read(part: Subset) -> Part:
        if preprocess is not None and dataset.kind == "image":
            pixels, classes = materialize_pixels(part, preprocess, corrupt=corrupt, progress=progress)
            return Part((pixels,), classes)
        samples = materialize(part, inputs, preprocess, corrupt=corrupt, progress=progress)
        assert samples.labels is not None
        return Part(samples.inputs, samples.labels)

    train, validation, tested = (read(part) for part in chosen)
    if len(train) < 2 or len(validation) < 1:
        raise DataError(f"{dataset.name}: {len(split)} samples to train on are too few; at least 3 are needed")
    images = preprocess if dataset.kind == "image" else None
    return TrainingData(dataset.name, train, validation, tested, images)


@dataclass(frozen=True, eq=False)
class Batch:
    """Tensors on the training device; images still uint8 (n, h, w, C)."""

    inputs: tuple[torch.Tensor, ...]
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)


def shuffled_batches(part: Part, size: int, *, seed: int, epoch: int, device: torch.device) -> Iterator[Batch]:
    """One epoch in random order, drawn from (seed, epoch) alone, so that any epoch can be repeated.

    Batches are full; what is left over sits out this epoch (batch norm cannot take a batch of one).
    """
    order = permutation(len(part), seed, f"training epoch {epoch}")
    size = min(size, len(part))
    for start in range(0, len(part) - size + 1, size):
        yield _batch(part, order[start : start + size], device)


def batches_per_epoch(part: Part, size: int) -> int:
    """How many batches shuffled_batches gives."""
    return len(part) // min(size, len(part))


def ordered_batches(part: Part, size: int, *, device: torch.device) -> Iterator[Batch]:
    """All samples in order, the last batch as short as it comes."""
    for start in range(0, len(part), size):
        yield _batch(part, np.arange(start, min(start + size, len(part))), device)


def _batch(part: Part, indices: Labels, device: torch.device) -> Batch:
    import torch

    arrays = [torch.from_numpy(array[indices]).to(device) for array in (*part.inputs, part.labels)]
    return Batch(tuple(arrays[:-1]), arrays[-1])
