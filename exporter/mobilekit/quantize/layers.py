"""Layers: how far each int8 value inside a quantized program is from the float one's. Runs both; changes neither.

Both run side by side on calibration samples, the quantized one with the noise of all layers before: the figure of a
layer is what arrives there, as signal to quantization noise. Where it falls from one layer to the next, that layer
loses it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from mobilekit.bundle.measured import LayerNoise
from mobilekit.quantize.folding import operator_name

if TYPE_CHECKING:
    import torch
    from torch import fx

LAYER_SAMPLES = 16
"""Batches that both programs see. On resnet20 each layer came out within 2.6 dB of what 64 images say, and the worst
five layers were the same ones with 8, 16, 32 and 64."""

_FUSED = frozenset(["relu", "relu_", "hardtanh", "hardtanh_", "clamp", "clamp_", "relu6"])
_MOVES = frozenset(["flatten", "view", "reshape", "permute", "transpose", "unsqueeze", "squeeze", "expand", "slice"])
"""They hand on what came in, and its scale: no layer of their own."""
_QUANTIZE, _DEQUANTIZE = "quantize_per_tensor", "dequantize_per_tensor"


@dataclass
class Noise:
    """Sums over all values that were added: of the float ones, and of how far the others are from them, squared."""

    signal: float = 0.0
    noise: float = 0.0
    seen: bool = False

    def add(self, value: torch.Tensor, other: torch.Tensor) -> None:
        """`value` in float, `other` as it came out."""
        self.seen = True
        value, other = value.double(), other.double()
        self.signal += float(value.square().sum())
        self.noise += float((value - other).square().sum())

    def sqnr_db(self) -> float | None:
        """Signal to quantization noise in dB; None: all are equal."""
        if self.noise == 0:
            return None
        return 10 * math.log10(self.signal / self.noise) if self.signal else 0.0


@dataclass
class _Points:
    """Where a quantized program rounds to int8: the value before, and the one that goes on."""

    sources: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By dequantizing node: the node that was rounded, and the layer's key."""
    operators: dict[str, str] = field(default_factory=dict)
    layers: dict[str, Noise] = field(default_factory=dict)


def layer_noise(
    floating: fx.GraphModule,
    quantized: fx.GraphModule,
    batches: Sequence[Sequence[torch.Tensor]],
    costs: Mapping[str, float] | None = None,
) -> tuple[LayerNoise, ...]:
    """SQNR in dB of each int8 value, in the order they are computed; one entry for all calls of a layer.

    `floating` is what `quantized` was converted from, with the same names of nodes. `costs`: the SQNR that each
    layer alone would leave the outputs. Raises whatever the programs raise.
    Source: https://docs.pytorch.org/docs/stable/torch.ao.ns._numeric_suite_fx.html compares layers in the same way.
    """
    import torch

    points = _points(quantized)
    wanted = {source for source, _ in points.sources.values()}
    with torch.no_grad():
        for inputs in islice(batches, LAYER_SAMPLES):
            values = dict(_values(floating, inputs, wanted))
            for name, value in _values(quantized, inputs, points.sources):
                source, layer = points.sources[name]
                if source in values:
                    points.layers[layer].add(values[source], value)
    return tuple(
        LayerNoise(
            name=name,
            operator=points.operators[name],
            sqnr_db=sums.sqnr_db(),
            alone_sqnr_db=finite((costs or {}).get(name)),
        )
        for name, sums in points.layers.items()
        if sums.seen
    )


def finite(decibels: float | None) -> float | None:
    """None for what was not measured, and for no noise at all."""
    return None if decibels is None or math.isinf(decibels) else decibels


def _values(
    module: fx.GraphModule, inputs: Sequence[torch.Tensor], wanted: Collection[str]
) -> Iterator[tuple[str, torch.Tensor]]:
    """The values of the wanted nodes, by name; no other is kept for longer than the graph needs it."""
    from torch import fx

    found: list[tuple[str, torch.Tensor]] = []

    class Recorder(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            value = super().run_node(n)
            if n.name in wanted:
                found.append((n.name, value))
            return value

    Recorder(module).run(*inputs)
    return iter(found)


def _points(quantized: fx.GraphModule) -> _Points:
    points = _Points()
    for node in quantized.graph.nodes:
        if operator_name(node) != _QUANTIZE:
            continue
        restored = next((user for user in node.users if operator_name(user) == _DEQUANTIZE), None)
        source: Any = node.args[0]
        if restored is None or source.op == "get_attr" or operator_name(source) in _MOVES:
            continue
        owner = _owner(source)
        operator = "input" if owner.op == "placeholder" else operator_name(owner) or owner.name
        key = _label(owner)
        if key in points.layers and points.operators[key] != operator:
            key = f"{key} {operator}"
        points.sources[restored.name] = (source.name, key)
        points.operators[key] = operator
        points.layers.setdefault(key, Noise())
    return points


def layer_label(node: Any) -> str:
    """What a layer is called: the path of its module, or the graph's name for it. A fused activation is its layer's."""
    return _label(_owner(node))


def _owner(node: Any) -> Any:
    """The layer that a fused activation belongs to."""
    while operator_name(node) in _FUSED and operator_name(node.args[0]):
        node = node.args[0]
    return node


def _label(node: Any) -> str:
    """The path of the module that the node comes from; its own name where the program does not say."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path = str(stack[-1][0]) if stack else ""
    return path.removeprefix("L['self'].") or str(node.name)
