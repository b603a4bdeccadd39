"""Mixed precision: as few layers in float as an accuracy budget needs, by sensitivity. Refuses what has no classes.

Layers are ranked by what they cost the outputs, the network is tried with the first k of them in float, k found by
halving, and what turns out not to be needed goes back to int8. Each trial is the graph as it will be, simulated.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobilekit.errors import QuantizeError
from mobilekit.progress import SILENT, Progress
from mobilekit.quantize.layers import layer_label
from mobilekit.quantize.simulate import Batches, outputs_of, simulated

if TYPE_CHECKING:
    import torch
    from torch import fx

MOST_PRUNED = 8
"""Layers that are tried in int8 again, the cheapest first: each costs a trial."""

Prepare = Callable[[Collection[str]], "fx.GraphModule"]
"""Layers that stay float -> the calibrated graph."""


@dataclass(frozen=True)
class Plan:
    """Which layers stay float, and the points of accuracy that the rest then loses on the samples."""

    floating: tuple[str, ...]
    drop_points: float
    met: bool


def plan(
    prepare: Prepare,
    costs: Mapping[str, float],
    batches: Batches,
    labels: Sequence[int] | None,
    budget: float,
    *,
    progress: Progress = SILENT,
) -> Plan:
    """The fewest layers in float with which no more than `budget` points are lost on `batches`, as far as is found.

    `costs` are those that `sensitivity` finds to be spared. Points are of top-1 with `labels` (one for each row of the
    outputs), else of agreement with float. Where no number of layers is enough, the best that was found, and `met` is
    false. Raises QuantizeError where the first output is not (batch, classes).
    """
    whole = prepare(())
    expected = _answers(whole, batches)
    tried: dict[frozenset[str], float] = {}

    def drop(floating: Collection[str]) -> float:
        key = frozenset(floating)
        if key not in tried:
            graph = prepare(key)
            with simulated(graph):
                tried[key] = _points_lost(expected, _answers(graph, batches), labels)
            task.advance()
        return tried[key]

    with progress.task("looking for the layers that must stay float") as task:
        order = ranked(whole, costs)
        low, high = 0, max(0, len(order) - 1)  # one at least stays int8
        if drop(order[:low]) > budget and drop(order[:high]) <= budget:
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if drop(order[:middle]) <= budget else (middle, high)
            kept = list(order[:high])
            for name in order[:high][::-1][:MOST_PRUNED]:
                without = [one for one in kept if one != name]
                kept = without if drop(without) <= budget else kept
    best = min(tried, key=lambda one: (tried[one] > budget, len(one) if tried[one] <= budget else tried[one]))
    return Plan(tuple(name for name in order if name in best), tried[best], tried[best] <= budget)


def ranked(graph: fx.GraphModule, costs: Mapping[str, float]) -> list[str]:
    """The layers, the most costly first; inputs are no layers."""
    inputs = {layer_label(node) for node in graph.graph.nodes if node.op == "placeholder"}
    return sorted((name for name in costs if name not in inputs), key=lambda name: costs[name])


def _answers(graph: fx.GraphModule, batches: Batches) -> torch.Tensor:
    import torch

    outputs = [outputs_of(graph, inputs)[0] for inputs in batches]
    if any(one.dim() != 2 or one.shape[1] < 2 for one in outputs):
        raise QuantizeError(
            "an accuracy budget needs a classifier: the first output must be (batch, classes)",
            hint="leave --max-drop out; --set bias_correction=true and --set adaround=true work for every model",
        )
    return torch.cat(outputs).argmax(1)


def _points_lost(expected: torch.Tensor, given: torch.Tensor, labels: Sequence[int] | None) -> float:
    import torch

    if labels is None:
        return 100 * float((given != expected).double().mean())
    right = torch.tensor(list(labels))
    return 100 * float((expected == right).double().mean() - (given == right).double().mean())
