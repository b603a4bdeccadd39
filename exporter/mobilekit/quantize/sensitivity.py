"""Sensitivity: what rounding one layer to int8 costs the outputs, for all layers in one pass. Changes nothing.

To first order the noise d of a rounded value moves the outputs by J d, J their Jacobian at that value. |J d|² is the
mean of (r · J d)² over random directions r, and r · J is what one backward pass gives, for all values of the network at
once (Hutchinson 1990). So no layer is evaluated by itself. With the gradients of a loss in place of directions this is
FIT (Zandonati et al. 2022, https://arxiv.org/abs/2210.08502); directions need neither labels nor classes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mobilekit.quantize.layers import layer_label
from mobilekit.quantize.observers import Mode, observer_at, set_mode
from mobilekit.quantize.simulate import Batches

if TYPE_CHECKING:
    import torch
    from torch import fx

DRAWS = 32
"""Backward passes at least: a layer's figure then has a standard error of a quarter, one decibel."""


@dataclass(frozen=True)
class Costs:
    """SQNR in dB of the outputs by layer; inf where nothing is lost.

    `alone`: were nothing but the layer's weight and output int8. `spared`: were nothing int8 but what becomes float
    together with the layer, its inputs too.
    """

    alone: dict[str, float]
    spared: dict[str, float]


def sensitivity(prepared: fx.GraphModule, batches: Batches) -> Costs:
    """What each layer of a calibrated graph costs. Of several outputs, all count alike.

    Raises whatever the program raises.
    """
    import torch

    set_mode(prepared, Mode.off)
    alone: dict[str, float] = defaultdict(float)
    spared: dict[str, float] = defaultdict(float)
    draws = max(2, math.ceil(DRAWS / len(batches)))
    generator = torch.Generator().manual_seed(0)
    for inputs in batches:
        with torch.enable_grad():
            outputs, points = _probed(prepared, inputs)
            for _ in range(draws):
                for point, value in _moved(outputs, points, generator):
                    share = value / draws / len(batches)
                    alone[point.layer] += share
                    for name in {point.layer, *point.readers}:
                        spared[name] += share
    return Costs(_decibels(alone), _decibels(spared))


def _decibels(noise: dict[str, float]) -> dict[str, float]:
    return {name: -10 * math.log10(value) if value > 0 else math.inf for name, value in noise.items()}


@dataclass(frozen=True, eq=False)
class _Point:
    """One rounded value: whose it is, who reads it, the zeros that were added to it, and what rounding would add."""

    layer: str
    readers: frozenset[str]
    probe: torch.Tensor
    noise: torch.Tensor


def _probed(prepared: fx.GraphModule, inputs: Sequence[torch.Tensor]) -> tuple[list[torch.Tensor], list[_Point]]:
    import torch
    from torch import fx
    from torch.utils import _pytree as pytree

    points: list[_Point] = []

    class Probe(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            value = super().run_node(n)
            observer = observer_at(prepared, n)
            if observer is None:
                return value
            observer.mode = Mode.simulate
            noise = observer(value.detach()) - value.detach()
            observer.mode = Mode.off
            probe = torch.zeros_like(value, requires_grad=True)
            points.append(_Point(_layer(n), frozenset(map(layer_label, n.users)), probe, noise))
            return value + probe

    outputs = [one for one in pytree.tree_leaves(Probe(prepared).run(*inputs)) if one.is_floating_point()]
    return outputs, points


def _moved(outputs: list[torch.Tensor], points: list[_Point], generator: torch.Generator) -> list[tuple[_Point, float]]:
    """For one random direction: the squared movement of the outputs that each point causes, relative to the outputs."""
    import torch

    directions = [
        torch.randn(one.shape, generator=generator) / one.detach().norm().clamp_min(1e-30) / math.sqrt(len(outputs))
        for one in outputs
    ]
    gradients = torch.autograd.grad(
        outputs, [point.probe for point in points], directions, retain_graph=True, allow_unused=True
    )
    return [
        (point, float((gradient * point.noise).sum()) ** 2 if gradient is not None else 0.0)
        for point, gradient in zip(points, gradients, strict=True)
    ]


def _layer(node: fx.Node) -> str:
    """The layer that an observer belongs to: the one whose weight it rounds, else the one whose output."""
    source: Any = node.args[0]
    if source.op == "get_attr":
        source = next(iter(node.users))
    return layer_label(source)
