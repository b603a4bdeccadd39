"""A tiny data set, a tiny model and a card to train them with, in a fraction of a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mobilekit.environment import describe
from mobilekit.model.run import RunCard
from mobilekit.spec import ImagePreprocess, TrainSpec
from mobilekit.spec.train import AugmentSpec
from mobilekit.train import Part, TrainingData


def _part(n: int, seed: int) -> Part:
    """Images whose class is where their bright half is: left or right."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    images = rng.integers(0, 120, (n, 6, 6, 1), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 3 * label : 3 * label + 3] += 100
    return Part((images,), labels.astype(np.int64))


@pytest.fixture
def tiny_data() -> TrainingData:
    return TrainingData("tiny", _part(70, 0), _part(20, 1), _part(30, 2), ImagePreprocess(color="L", mean=(0.5,)))


@pytest.fixture
def tiny_model() -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return nn.Sequential(
                nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.1), nn.Linear(64, 2)
            )

    return make


@pytest.fixture
def tiny_spec() -> TrainSpec:
    return TrainSpec(epochs=4, batch_size=16, learning_rate=1e-2, augment=AugmentSpec(shift_pixels=1))


@pytest.fixture
def card() -> Callable[..., RunCard]:
    def make(**changes: Any) -> RunCard:
        fields = {"model": "tiny", "recipe_name": "tiny", "data": "tiny", "seed": 0, "epochs_planned": 1}
        return RunCard(**{**fields, "environment": describe(), "created": "2026-01-01T00:00:00+00:00", **changes})

    return make
