"""Training for int8: a trained model, calibrated on training samples, as what training starts from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.capture import capture
from mobilekit.data.sampling import balanced
from mobilekit.errors import CaptureError, UsageError
from mobilekit.model import ModelSource, resolve
from mobilekit.model.ranges import Ranges
from mobilekit.pipeline.streaming import for_quantizing
from mobilekit.progress import SILENT, Progress
from mobilekit.quantize.qat import trainable
from mobilekit.spec import AugmentSpec, DynamicDim, TensorSpec, TrainSpec
from mobilekit.train import TrainingData
from mobilekit.train.data import place
from mobilekit.train.feed import make_feed

if TYPE_CHECKING:
    import torch
    from torch import nn

EPOCHS, RATE = 0.1, 0.02
"""Of the float training's epochs and learning rate. A trained network needs little, and a large step undoes it."""
LARGEST_BATCH = 65_536


def start_of(reference: str) -> Path:
    """The weights of a run, or of any trained model. Raises what resolving raises, UsageError without weights."""
    source = resolve(reference)
    if source.weights is None:
        raise UsageError(
            f"{reference} has no trained weights, and training for int8 starts from trained ones",
            hint="train it in float first: mobilekit train MODEL -o RUN, then mobilekit train MODEL --qat RUN",
        )
    return source.weights


def for_int8(spec: TrainSpec) -> TrainSpec:
    """Options of a training for int8 where nobody says otherwise: a tenth of the epochs, at a small, falling rate."""
    return spec.model_copy(
        update={
            "epochs": math.ceil(EPOCHS * spec.epochs),
            "learning_rate": RATE * spec.learning_rate,
            "schedule": "cosine",
            "milestones": (),
            "warmup_epochs": 0.0,
            "patience": None,
        }
    )


def rounding_module(
    source: ModelSource, data: TrainingData, seed: int, *, progress: Progress = SILENT
) -> tuple[nn.Module, Ranges]:
    """The module of `source`, with its trained weights, rounding like int8; and its ranges, measured on training data.

    Raises CaptureError and QuantizeError.
    """
    recipe = source.recipe
    samples = recipe.data.calibration_samples if recipe.data else 256
    specs = _any_batch(recipe.inputs)
    with progress.task(f"capturing {recipe.name}"):
        try:
            captured = capture(source.build(), specs)
        except CaptureError as error:
            hint = "training for int8 captures the model with a batch of any size; a fixed one in forward() prevents it"
            raise CaptureError(error.message, hint="; ".join(filter(None, [error.hint, hint]))) from error
    return trainable(for_quantizing(captured), _first(data, samples, seed), recipe.quantize, progress=progress)


def _any_batch(inputs: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
    """The inputs with a first dimension that takes a batch of training."""
    return tuple(
        spec.model_copy(
            update={
                "shape": ("batch", *spec.shape[1:]),
                "dynamic": {
                    **{name: dim for name, dim in spec.dynamic.items() if name != spec.shape[0]},
                    "batch": DynamicDim(min=1, max=LARGEST_BATCH),
                },
            }
        )
        for spec in inputs
    )


def _first(data: TrainingData, count: int, seed: int) -> list[tuple[torch.Tensor, ...]]:
    """`count` training samples as the model's inputs, every class as often as any other."""
    import torch

    feed, placed = make_feed(data, AugmentSpec()), place(data.train, torch.device("cpu"))
    chosen = balanced(data.train.labels, count, seed, "calibration of a training for int8")
    batch = placed.batch(torch.from_numpy(chosen))
    inputs = feed(batch.inputs)
    return [tuple(tensor[index : index + 1] for tensor in inputs) for index in range(len(chosen))]
