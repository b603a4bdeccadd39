"""Augmentation of uint8 image batches, on the device they are on, with the randomness handed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def random_shift(images: torch.Tensor, pixels: int, generator: torch.Generator) -> torch.Tensor:
    """Shift each image of uint8 (n, h, w, C) by up to `pixels` in both directions, filling with 0.

    `generator` is a CPU generator: the draws are the same whatever device the images are on.
    """
    import torch

    if pixels == 0:
        return images
    n, height, width = images.shape[:3]
    padded = torch.nn.functional.pad(images, (0, 0, pixels, pixels, pixels, pixels))
    offsets = torch.randint(0, 2 * pixels + 1, (2, n, 1), generator=generator).to(images.device)
    rows = offsets[0] + torch.arange(height, device=images.device)
    columns = offsets[1] + torch.arange(width, device=images.device)
    return padded[torch.arange(n, device=images.device)[:, None, None], rows[:, :, None], columns[:, None, :]]


def to_model_input(
    images: torch.Tensor, divisor: float, mean: tuple[float, ...], std: tuple[float, ...]
) -> torch.Tensor:
    """uint8 (n, h, w, C) -> float32 (n, C, h, w): `(x / divisor - mean[c]) / std[c]`, as preprocess.normalize does.

    The constants are tensors, not Python numbers: torch multiplies by the reciprocal of a number on some devices,
    which is not the same to the bit.
    """
    import torch

    def constant(values: tuple[float, ...]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float32, device=images.device).view(1, -1, 1, 1)

    values = images.permute(0, 3, 1, 2).to(torch.float32) / constant((divisor,))
    if mean:
        values = values - constant(mean)
    return values / constant(std) if std else values
