"""Feed: a batch as it lies in memory -> the model's inputs, varied for training or as they are for scoring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobilekit.errors import UsageError
from mobilekit.spec.image import ImagePreprocess
from mobilekit.spec.train import AugmentSpec
from mobilekit.train.augment import augment_features, augment_images, to_model_input
from mobilekit.train.data import TrainingData

if TYPE_CHECKING:
    import torch

_FOR_FEATURES = frozenset({"shift_frames", "mask_frames", "mask_bands"})


@dataclass(frozen=True)
class Feed:
    """`preprocess` is set exactly when batches are uint8 images (see TrainingData)."""

    preprocess: ImagePreprocess | None
    augment: AugmentSpec

    def __call__(
        self, inputs: tuple[torch.Tensor, ...], drawing: torch.Generator | None = None
    ) -> tuple[torch.Tensor, ...]:
        """The model's inputs for a batch, on the batch's device; varied when `drawing` is given."""
        first = inputs[0]
        if self.preprocess is not None:
            images = first if drawing is None else augment_images(first, self.augment, drawing)
            return (_as_input(images, self.preprocess),)
        if drawing is not None and first.ndim == 3:
            first = augment_features(first, self.augment, drawing)
        return (first, *inputs[1:])


def make_feed(data: TrainingData, augment: AugmentSpec) -> Feed:
    """The feed for `data`. Raises UsageError for augmentation that is for another kind of data."""
    asked = set(augment.model_dump(exclude_defaults=True))
    kind, fitting = _fitting(data)
    if asked - fitting:
        raise UsageError(
            f"augment: {', '.join(sorted(asked - fitting))} cannot be used on {data.source}, which holds {kind}",
            hint=f"what can be: {', '.join(sorted(fitting)) or 'nothing'}",
        )
    return Feed(data.preprocess, augment)


def _fitting(data: TrainingData) -> tuple[str, frozenset[str]]:
    """What the data is, in words, and the fields of AugmentSpec that suit it."""
    inputs = data.train.inputs
    if data.preprocess is not None:
        return "images", frozenset(AugmentSpec.model_fields) - _FOR_FEATURES
    if len(inputs) > 1:
        return "several tensors", frozenset()
    return ("audio features", _FOR_FEATURES | {"mixup"}) if inputs[0].ndim == 3 else ("tensors", frozenset({"mixup"}))


def _as_input(images: torch.Tensor, preprocess: ImagePreprocess) -> torch.Tensor:
    made = to_model_input(images, preprocess.divisor, preprocess.mean, preprocess.std)
    return made if preprocess.layout == "NCHW" else made.permute(0, 2, 3, 1).contiguous()
