"""Loss: cross-entropy with label smoothing and class weights, for whole labels or mixed ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mobilekit.data.base import Labels
from mobilekit.errors import UsageError
from mobilekit.spec.train import TrainSpec

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Loss:
    """logits (n, classes), labels (n,) or their shares (n, classes) -> the mean loss in nats, computed in float32."""

    weights: torch.Tensor | None
    smoothing: float

    def __call__(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        import torch

        return torch.nn.functional.cross_entropy(
            logits.float(), labels, weight=self.weights, label_smoothing=self.smoothing
        )


PLAIN = Loss(None, 0.0)


def make_loss(spec: TrainSpec, labels: Labels, classes: int, device: torch.device) -> Loss:
    """The loss that `spec` names. Raises UsageError for class weights of another number than `classes`."""
    import torch

    weights = class_weights(spec, labels, classes)
    return Loss(None if weights is None else torch.tensor(weights, device=device), spec.label_smoothing)


def class_weights(spec: TrainSpec, labels: Labels, classes: int) -> tuple[float, ...] | None:
    """One weight per class, or None. "balanced" is n / (classes * n_of_class), as in scikit-learn."""
    if spec.class_weights == "none":
        return None
    if spec.class_weights == "balanced":
        counts = np.bincount(labels, minlength=classes)
        present = np.count_nonzero(counts)
        return tuple(float(len(labels) / (present * count)) if count else 1.0 for count in counts)
    if len(spec.class_weights) != classes:
        raise UsageError(
            f"class_weights has {len(spec.class_weights)} values, the model gives {classes} classes",
            hint='give one for each class, or "balanced"',
        )
    return spec.class_weights
