"""Ranking: the layers of a network in order, by what int8 costs the outputs, and by work. Makes nothing of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mobilekit.capture import Captured
from mobilekit.errors import QuantizeError
from mobilekit.model.seed import seeded
from mobilekit.progress import SILENT, Progress
from mobilekit.quantize.calibrate import calibrate, check_samples
from mobilekit.quantize.folding import operator_name
from mobilekit.quantize.graph import Layer, layers_of
from mobilekit.quantize.layers import LAYER_SAMPLES, layer_label
from mobilekit.quantize.mixed import ranked
from mobilekit.quantize.pt2e import prepared_graph
from mobilekit.quantize.sensitivity import sensitivity
from mobilekit.quantize.simulate import stacked
from mobilekit.quiet import quiet
from mobilekit.spec import QuantizeSpec

if TYPE_CHECKING:
    import torch
    from torch import fx

_WEIGHTED = frozenset(["conv1d", "conv2d", "conv_transpose2d", "linear"])


@dataclass(frozen=True)
class Ranking:
    """The layers that int8 rounds, by name: the most costly first; in the order in which they are computed; those with
    the fewest multiplications first, which gain least by int8 and pay the same for every conversion; and the depthwise
    convolutions alone, those with the largest kernels first."""

    by_cost: tuple[str, ...]
    in_order: tuple[str, ...]
    by_work: tuple[str, ...]
    depthwise: tuple[str, ...] = ()


def rank_layers(
    captured: Captured,
    calibration: Iterable[Sequence[torch.Tensor]],
    options: QuantizeSpec | None = None,
    *,
    progress: Progress = SILENT,
) -> Ranking:
    """What `sensitivity` finds, and what each layer has to do, as lists. Raises QuantizeError as `quantize` does."""
    options = options or QuantizeSpec()
    samples = list(calibration)
    if not samples:
        raise QuantizeError("nothing to calibrate on: the calibration set is empty")
    check_samples(samples, captured.inputs)
    with seeded(0):
        prepared = prepared_graph(captured.program, options)
        calibrate(prepared, captured, samples, options, progress=progress)
        with progress.task("measuring what each layer costs"), quiet():
            costs = sensitivity(prepared, stacked(samples[:LAYER_SAMPLES], captured.inputs)).spared
            work = _multiplications(prepared, samples[0])
    labels = dict.fromkeys(layer_label(node) for node in prepared.graph.nodes if node.op != "output")
    by_cost = tuple(name for name in ranked(prepared, costs) if name in labels)
    in_order = tuple(name for name in labels if name in by_cost)
    kernels = {layer_label(layer.node): _kernel(layer) for layer in layers_of(prepared) if _is_depthwise(layer)}
    return Ranking(
        by_cost,
        in_order,
        by_work=tuple(sorted(in_order, key=lambda name: work.get(name, 0))),
        depthwise=tuple(sorted((name for name in in_order if name in kernels), key=lambda name: -kernels[name])),
    )


def depthwise_kernels(captured: Captured) -> tuple[int, ...]:
    """The number of weights that each channel of a depthwise convolution has, of all of them, the largest first."""
    module = captured.program.module(check_guards=False)
    return tuple(sorted((_kernel(layer) for layer in layers_of(module) if _is_depthwise(layer)), reverse=True))


def _is_depthwise(layer: Layer) -> bool:
    return layer.groups > 1 and layer.weight.shape[1] == 1


def _kernel(layer: Layer) -> int:
    return layer.weight[0].numel()


def _multiplications(prepared: fx.GraphModule, inputs: Sequence[torch.Tensor]) -> dict[str, int]:
    """Of layers with weights, for one call, by name."""
    import torch
    from torch import fx

    work: dict[str, int] = defaultdict(int)

    class Count(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            value, name = super().run_node(n), operator_name(n)
            if name in _WEIGHTED:
                (x, weight, *_), _ = self.fetch_args_kwargs_from_env(n)
                counted = x if name.startswith("conv_transpose") else value
                work[layer_label(n)] += counted.numel() * weight[0].numel()
            return value

    with torch.no_grad():
        Count(prepared).run(*inputs)
    return work
