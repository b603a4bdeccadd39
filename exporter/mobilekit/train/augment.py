"""Augmentation of whole batches on the device they are on: uint8 images, or float features. Never of labels alone.

Draws that decide per sample come from a CPU generator, so that they are the same whatever device the samples are on.
RandAugment, MixUp and CutMix are torchvision's; they draw from torch's global generator, which the loop seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mobilekit.spec.train import AugmentSpec

if TYPE_CHECKING:
    import torch

_GROUP = 8  # images that share one draw of RandAugment: torchvision draws once per call, and a call an image is slow
_ERASED = (0.02, 0.33)  # share of the area; with the aspects, torchvision's RandomErasing's defaults
_ASPECTS = (0.3, 3.3)


def augment_images(images: torch.Tensor, spec: AugmentSpec, generator: torch.Generator) -> torch.Tensor:
    """uint8 (n, h, w, C) -> the same shape, each image varied as `spec` says."""
    images = random_shift(images, spec.shift_pixels, generator)
    if spec.flip:
        images = random_flip(images, generator)
    if spec.randaugment:
        images = randaugment(images, spec.randaugment, spec.randaugment_magnitude)
    return random_erasing(images, spec.erasing, generator) if spec.erasing else images


def augment_features(features: torch.Tensor, spec: AugmentSpec, generator: torch.Generator) -> torch.Tensor:
    """Audio features, float (n, frames, bands) -> the same shape, each utterance varied as `spec` says.

    Masks set values to 0, the mean of normalized features (Park et al. 2019, "SpecAugment").
    """
    features = _shift_frames(features, spec.shift_frames, generator)
    for axis, longest in ((1, spec.mask_frames), (2, spec.mask_bands)):
        features = _mask(features, axis, longest, generator)
    return features


def random_shift(images: torch.Tensor, pixels: int, generator: torch.Generator) -> torch.Tensor:
    """Shift each image of uint8 (n, h, w, C) by up to `pixels` in both directions, filling with 0."""
    import torch

    if pixels == 0:
        return images
    n, height, width = images.shape[:3]
    padded = torch.nn.functional.pad(images, (0, 0, pixels, pixels, pixels, pixels))
    windows = padded.unfold(1, height, 1).unfold(2, width, 1)  # a view: (n, rows, columns, C, height, width)
    offsets = torch.randint(0, 2 * pixels + 1, (2, n), generator=generator).to(images.device)
    chosen = windows[torch.arange(n, device=images.device), offsets[0], offsets[1]]
    return chosen.permute(0, 2, 3, 1).contiguous()


def random_flip(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirror each image of (n, h, w, C) left to right with probability one half."""
    import torch

    flipped = (torch.rand(len(images), generator=generator) < 0.5).to(images.device)
    varied = images.clone()
    varied[flipped] = images[flipped].flip(2)
    return varied


def random_erasing(images: torch.Tensor, probability: float, generator: torch.Generator) -> torch.Tensor:
    """Set a rectangle of each image of (n, h, w, C) to 0 with `probability` (Zhong et al. 2017)."""
    import torch

    n, height, width = images.shape[:3]
    drawn = torch.rand(5, n, generator=generator)
    area = height * width * (_ERASED[0] + drawn[0] * (_ERASED[1] - _ERASED[0]))
    low, high = (torch.tensor(aspect).log() for aspect in _ASPECTS)
    aspect = (low + drawn[1] * (high - low)).exp()
    tall, wide = (area * aspect).sqrt().clamp(1, height), (area / aspect).sqrt().clamp(1, width)
    inside = _between(height, drawn[2], tall)[:, :, None] & _between(width, drawn[3], wide)[:, None, :]
    erased = (inside & (drawn[4] < probability)[:, None, None]).to(images.device)
    return images.masked_fill(erased[..., None], 0)


def randaugment(images: torch.Tensor, operations: int, magnitude: int) -> torch.Tensor:
    """torchvision's RandAugment (Cubuk et al. 2019) on uint8 (n, h, w, C), one draw for each eight images."""
    import torch
    from torchvision.transforms import v2

    transform = v2.RandAugment(operations, magnitude)
    groups = torch.split(images.permute(0, 3, 1, 2), _GROUP)
    return torch.cat([transform(group.contiguous()) for group in groups]).permute(0, 2, 3, 1).contiguous()


def mixing(
    spec: AugmentSpec, classes: int
) -> Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]] | None:
    """MixUp or CutMix as `spec` says: (inputs, labels (n,)) -> (inputs, label shares (n, classes)); None for neither.

    Of both, one is drawn for each batch (Zhang et al. 2017; Yun et al. 2019).
    """
    from torchvision.transforms import v2

    choices = [
        *([v2.MixUp(alpha=spec.mixup, num_classes=classes)] if spec.mixup else []),
        *([v2.CutMix(alpha=spec.cutmix, num_classes=classes)] if spec.cutmix else []),
    ]
    if not choices:
        return None
    return choices[0] if len(choices) == 1 else v2.RandomChoice(choices)  # type: ignore[no-any-return]


def to_model_input(
    images: torch.Tensor, divisor: float, mean: tuple[float, ...], std: tuple[float, ...]
) -> torch.Tensor:
    """uint8 (n, h, w, C) -> float32 (n, C, h, w): `(x / divisor - mean[c]) / std[c]`, as preprocess.normalize does.

    The constants are tensors, not Python numbers: torch multiplies by the reciprocal of a number on some devices,
    which is not the same to the bit. The memory stays as it lies: the result is channels-last.
    """
    import torch

    def constant(values: tuple[float, ...]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float32, device=images.device).view(1, -1, 1, 1)

    values = images.permute(0, 3, 1, 2).to(torch.float32)
    values /= constant((divisor,))  # in place: a batch goes through memory once less for each
    if mean:
        values -= constant(mean)
    if std:
        values /= constant(std)
    return values


def _between(length: int, start: torch.Tensor, extent: torch.Tensor) -> torch.Tensor:
    """bool (n, length): the positions from a `start` (share of the room there is) over `extent`."""
    import torch

    position = torch.arange(length)[None]
    first = (start * (length - extent + 1)).floor()[:, None]
    return (position >= first) & (position < first + extent.round()[:, None])


def _shift_frames(features: torch.Tensor, frames: int, generator: torch.Generator) -> torch.Tensor:
    import torch

    if frames == 0:
        return features
    n, length, bands = features.shape
    offsets = torch.randint(-frames, frames + 1, (n, 1), generator=generator)
    places = (torch.arange(length) + offsets).clamp(0, length - 1).to(features.device)
    return torch.gather(features, 1, places[..., None].expand(n, length, bands))


def _mask(features: torch.Tensor, axis: int, longest: int, generator: torch.Generator) -> torch.Tensor:
    import torch

    if longest == 0:
        return features
    n, length = len(features), features.shape[axis]
    extent = torch.randint(0, min(longest, length) + 1, (n,), generator=generator)
    masked = _between(length, torch.rand(n, generator=generator), extent).to(features.device)
    return features.masked_fill(masked.unsqueeze(3 - axis), 0)
