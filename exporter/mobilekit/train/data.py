"""Training data: train, validation and test parts in memory, and the batches drawn from them.

Validation is carved from the train split; the test split is for the one figure at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobilekit.data import Dataset, Subset, materialize, materialize_pixels, subset
from mobilekit.data.base import Array, Labels
from mobilekit.data.samples import Corrupt
from mobilekit.data.sampling import held_out, permutation
from mobilekit.data.speakers import held_out_speakers
from mobilekit.errors import DataError
from mobilekit.progress import SILENT, Progress
from mobilekit.spec.image import ImagePreprocess
from mobilekit.spec.preprocess import Preprocess
from mobilekit.spec.tensor import TensorSpec
from mobilekit.train.distributed import ALONE, World

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
    preprocess: Preprocess | None,
    *,
    seed: int,
    validation_fraction: float = 0.1,
    test_samples: int | None = None,
    corrupt: Corrupt = "refuse",
    progress: Progress = SILENT,
) -> TrainingData:
    """Read a data set for training. `validation_fraction` of train is held back by class, fixed by `seed`.

    Of sounds whose names tell the speaker, whole speakers are held back.

    Raises DataError when it is unlabelled, too small or unreadable, SpecError when it does not fit `inputs`.
    """
    split = dataset.split("train")
    if split.labels_of() is None or dataset.split("test").labels_of() is None:
        raise DataError(f"{dataset.name} has no labels; training needs them", hint="put images into folders by class")
    test = subset(dataset.split("test"), test_samples, seed=seed)
    images = preprocess if isinstance(preprocess, ImagePreprocess) and dataset.kind == "image" else None
    chosen = (*divided(dataset, seed=seed, validation_fraction=validation_fraction), test)

    def read(part: Subset) -> Part:
        if images is not None:
            pixels, classes = materialize_pixels(part, images, corrupt=corrupt, progress=progress)
            return Part((pixels,), classes)
        samples = materialize(part, inputs, preprocess, corrupt=corrupt, progress=progress)
        assert samples.labels is not None
        return Part(samples.inputs, samples.labels)

    train, validation, tested = (read(part) for part in chosen)
    if len(train) < 2 or len(validation) < 1:
        raise DataError(f"{dataset.name}: {len(split)} samples to train on are too few; at least 3 are needed")
    return TrainingData(dataset.name, train, validation, tested, images)


def divided(dataset: Dataset, *, seed: int, validation_fraction: float) -> tuple[Subset, Subset]:
    """The part of the train split that trains, and the part that is held back from it: the same for the same seed."""
    split = dataset.split("train")
    labels = split.labels_of()
    files = [split.id_of(index) for index in range(len(split))] if dataset.kind == "audio" else []
    if files:  # a voice that is trained on says nothing of voices that are not
        kept, back = held_out_speakers(files, labels, validation_fraction, seed, "validation split")
    else:
        kept, back = held_out(len(split), labels, validation_fraction, seed, "validation split")
    return Subset(split, tuple(kept.tolist())), Subset(split, tuple(back.tolist()))


@dataclass(frozen=True, eq=False)
class Placed:
    """A part as tensors: on the training device where all of it fits, else in the host's memory, copied by batch."""

    inputs: tuple[torch.Tensor, ...]
    labels: torch.Tensor
    device: torch.device

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: torch.Tensor) -> Batch:
        """The samples at `indices` (int64, on the CPU), on the device."""
        here = indices.to(self.labels.device)
        inputs = tuple(tensor[here].to(self.device, non_blocking=True) for tensor in self.inputs)
        return Batch(inputs, self.labels[here].to(self.device, non_blocking=True))


@dataclass(frozen=True, eq=False)
class Batch:
    """Tensors on the training device; images still uint8 (n, h, w, C)."""

    inputs: tuple[torch.Tensor, ...]
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)


def place(part: Part, device: torch.device) -> Placed:
    """`part` for training on `device`. On CUDA it moves there whole when it takes less than half of what is free."""
    import torch

    inputs, labels = tuple(torch.from_numpy(array) for array in part.inputs), torch.from_numpy(part.labels)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if sum(tensor.nbytes for tensor in inputs) < free / 2:
            inputs, labels = tuple(tensor.to(device) for tensor in inputs), labels.to(device)
    return Placed(inputs, labels, device)


def shuffled_batches(placed: Placed, size: int, *, seed: int, epoch: int, world: World = ALONE) -> Iterator[Batch]:
    """One epoch in random order, drawn from (seed, epoch) alone, so that any epoch can be repeated.

    Each process of `world` takes `size` of every `size * world.size` samples, so that together they step on the
    batches that one process would with a batch that much larger. Batches are full; what is left over sits out this
    epoch (batch norm cannot take a batch of one).
    """
    import torch

    order = torch.from_numpy(permutation(len(placed), seed, f"training epoch {epoch}"))
    size = batch_size(len(placed), size, world)
    stride = size * world.size
    for start in range(world.rank * size, len(order) // stride * stride, stride):
        yield placed.batch(order[start : start + size])


def batch_size(samples: int, size: int, world: World = ALONE) -> int:
    """`size`, or what there is for each process of `world`."""
    return max(1, min(size, samples // world.size))


def batches_per_epoch(samples: int, size: int, world: World = ALONE) -> int:
    """How many batches shuffled_batches gives each process."""
    return samples // (batch_size(samples, size, world) * world.size)


def ordered_batches(placed: Placed, size: int, world: World = ALONE) -> Iterator[Batch]:
    """All samples in order, the last batch as short as it comes; each process of `world` gets its share of batches."""
    import torch

    starts = range(0, len(placed), size)
    for start in starts[world.rank :: world.size]:
        yield placed.batch(torch.arange(start, min(start + size, len(placed))))
