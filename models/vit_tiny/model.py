"""vit_tiny: a small vision transformer for 3x32x32 images that phones run as one piece.

Patches, learned positions, multi-head self-attention and an MLP per block, as in Dosovitskiy et al. 2020, "An Image is
Worth 16x16 Words". What phone runtimes have no fast kernel for is left out: each projection is a 1x1 convolution with
batch norm in place of layer norm, ReLU takes GELU's place, and the mean over all patches the class token's; LeViT
(Graham et al. 2021) goes the same way. Patches come from 3x3 convolutions in place of one large one, without which a
transformer learns slowly and from many more images (Xiao et al. 2021, "Early Convolutions Help Transformers See
Better"). Heads are folded into the batch and attention is written out as two matrix
products and a softmax, since scaled_dot_product_attention is lowered with guards against rows that are masked whole.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head self-attention over the positions of a map, (batch, width, side, side) -> the same shape."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (projection(width, width) for _ in range(4))
        self.head_width = width // heads

    def forward(self, x: Tensor) -> Tensor:
        _, width, side, _ = x.shape
        one_head = (-1, self.head_width, side * side)
        query = self.query(x).reshape(one_head)
        key = self.key(x).reshape(one_head)
        value = self.value(x).reshape(one_head)
        scores = torch.bmm(query.transpose(1, 2), key) * self.head_width**-0.5
        mixed = torch.bmm(value, scores.softmax(-1).transpose(1, 2))
        return self.out(mixed.reshape(-1, width, side, side))


class Block(nn.Module):
    """Attention, then two projections with a ReLU between them; each is added to what comes in."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(projection(width, hidden), nn.ReLU(), projection(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)
        return x + self.mlp(x)


class VisionTransformer(nn.Module):
    """(batch, 3, image_size, image_size) -> (batch, classes)."""

    def __init__(self, classes: int, image_size: int, patch: int, width: int, heads: int, depth: int) -> None:
        super().__init__()
        side = image_size // patch
        self.patches = stem(width, patch)
        self.positions = nn.Parameter(0.02 * torch.randn(1, width, side, side))
        self.blocks = nn.Sequential(*(Block(width, heads, 2 * width) for _ in range(depth)))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(width, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.blocks(self.patches(image) + self.positions)
        return self.classifier(self.pool(x).flatten(1))


def stem(width: int, patch: int) -> nn.Sequential:
    """(batch, 3, side, side) -> (batch, width, side / patch, side / patch), halved and doubled in turn.

    `patch` is a power of two that `width` is a multiple of. Raises ValueError when it is not.
    """
    halvings = patch.bit_length() - 1
    if patch != 2**halvings or width % patch:
        raise ValueError(f"patch must be a power of two, and width a multiple of it, given {patch} and {width}")
    widths = [width >> left for left in range(halvings, -1, -1)]
    layers: list[nn.Module] = [*convolution(3, widths[0], stride=1)]
    for inputs, outputs in pairwise(widths):
        layers += [nn.ReLU(), *convolution(inputs, outputs, stride=2)]
    return nn.Sequential(*layers)


def convolution(inputs: int, outputs: int, stride: int) -> tuple[nn.Module, nn.Module]:
    """3x3, and batch norm: one operator once they are folded."""
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs)


def projection(inputs: int, outputs: int) -> nn.Sequential:
    """A linear map at each position, and batch norm: one operator once they are folded."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))


def build(
    classes: int = 10, image_size: int = 32, patch: int = 4, width: int = 128, heads: int = 4, depth: int = 6
) -> nn.Module:
    return VisionTransformer(classes, image_size, patch, width, heads, depth)
