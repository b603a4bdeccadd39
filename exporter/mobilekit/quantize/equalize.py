"""Equalize: cross-layer equalization. Moves scale from channel to channel across a ReLU; the function stays the same.

Where one channel of a weight is far larger than the others, one scale for all of them leaves the small ones few of the
256 steps. ReLU passes positive factors on, so a channel can be divided by s in one layer and multiplied by s in the
next. Only where nothing but ReLU, pooling and flattening lies between two layers; a ReLU6 does not pass factors on.
Source: Nagel et al. 2019, Data-Free Quantization Through Weight Equalization and Bias Correction,
https://arxiv.org/abs/1906.04721, section 4.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mobilekit.quantize.folding import operator_name
from mobilekit.quantize.graph import RELUS, Layer, layers_of

if TYPE_CHECKING:
    import torch
    from torch import fx

_PASS_ON = RELUS | {
    "max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d", "adaptive_avg_pool1d", "adaptive_avg_pool2d",
    "dropout", "dropout_", "mean", "leaky_relu", "leaky_relu_",
}  # fmt: skip
_FLATTEN = frozenset({"flatten", "view", "reshape", "squeeze"})
ROUNDS = 20
"""A chain of layers converges in a few; each round costs no more than looking at the weights."""


def equalize(module: fx.GraphModule) -> int:
    """Equalize every pair of layers in place until nothing moves. Returns how many pairs there are."""
    import torch

    pairs = list(_pairs(module))
    with torch.no_grad():
        for _ in range(ROUNDS):
            moved = [_equalize(first, second) for first, second in pairs]
            if max(moved, default=0.0) < 1e-3:
                break
    return len(pairs)


def _pairs(module: fx.GraphModule) -> Iterator[tuple[Layer, Layer]]:
    layers = {layer.node: layer for layer in layers_of(module) if layer.alone and _equalizable(layer)}
    for node, first in layers.items():
        second = _next(node, layers)
        if second is not None and _channels_in(second) == _channels_out(first):
            yield first, second


def _equalizable(layer: Layer) -> bool:
    name = operator_name(layer.node)
    depthwise = layer.groups == layer.weight.shape[0] and layer.weight.shape[1] == 1
    return name in ("conv1d", "conv2d", "linear") and (layer.groups == 1 or depthwise)


def _next(node: fx.Node, layers: dict[fx.Node, Layer]) -> Layer | None:
    """The layer that alone reads what `node` gives, past what passes positive factors on."""
    while len(node.users) == 1:
        (user,) = node.users
        if user in layers and user.args[0] is node:
            return layers[user]
        name = operator_name(user)
        if name not in _PASS_ON and not (name in _FLATTEN and _keeps_channels(user)):
            return None
        node = user
    return None


def _keeps_channels(node: fx.Node) -> bool:
    """(N, C, 1, 1) to (N, C): each channel stays one value."""
    before: Any = node.args[0]
    given, made = (tuple(getattr(one.meta.get("val"), "shape", ())) for one in (before, node))
    return len(made) == 2 and len(given) > 2 and given[1] == made[1]


def _channels_out(layer: Layer) -> int:
    return int(layer.weight.shape[0])


def _channels_in(layer: Layer) -> int:
    return int(layer.weight.shape[1]) * layer.groups


def _equalize(first: Layer, second: Layer) -> float:
    """Make the ranges of each channel equal in both: s = sqrt(r1 r2) / r2 (equation 11). Returns the largest change."""
    import torch

    r1, r2 = first.weight.abs().flatten(1).amax(1), _range_in(second)
    usable = (r1 > 0) & (r2 > 0)
    s = torch.where(usable, (r1 / r2.clamp_min(1e-30)).sqrt(), torch.ones_like(r1)).clamp(1e-4, 1e4)
    first.put(weight=first.weight / _shaped(s, first.weight, 0))
    if first.bias is not None:
        first.put(bias=first.bias / s)
    axis = 0 if second.groups > 1 else 1
    second.put(weight=second.weight * _shaped(s, second.weight, axis))
    return float((s - 1).abs().max())


def _range_in(layer: Layer) -> torch.Tensor:
    """The largest magnitude of what each input channel is multiplied with: (channels in,)."""
    weight = layer.weight if layer.groups > 1 else layer.weight.transpose(0, 1)
    return weight.abs().flatten(1).amax(1)


def _shaped(factors: torch.Tensor, weight: torch.Tensor, axis: int) -> torch.Tensor:
    return factors.reshape([-1 if place == axis else 1 for place in range(weight.dim())])
