"""Walk: a float network and its simulated int8 form side by side, node by node, all samples at once.

One pass is enough to mend one layer after the other: when a layer is reached, the simulated form has all layers before
it as they were mended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mobilekit.quantize.graph import Layer, layers_of
from mobilekit.quantize.observers import Mode, observer_at, set_mode
from mobilekit.quantize.simulate import Batches

if TYPE_CHECKING:
    import torch
    from torch import fx

Mend = Callable[[Layer, Sequence["torch.Tensor"], Sequence["torch.Tensor"]], None]
"""Called with an int8 layer, its inputs in the simulated form, and its outputs in the float one, a tensor per call."""


def walk(prepared: fx.GraphModule, batches: Batches, mend: Mend, *, done: Callable[[], None] = lambda: None) -> None:
    """Let `mend` change each layer before the simulated form goes on with it; `done` is called after each."""
    import torch
    from torch import fx

    class Lane(fx.Interpreter):
        def begin(self, inputs: Sequence[torch.Tensor]) -> Lane:
            self.args_iter = iter(inputs)
            return self

        def again(self, node: fx.Node) -> None:
            self.env[node] = self.run_node(node)

        def step(self, node: fx.Node) -> None:
            self.env[node] = self.run_node(node)
            for dead in self.user_to_last_uses.get(node, []):
                del self.env[dead]

    layers = {layer.node: layer for layer in layers_of(prepared) if layer.observer is not None}
    set_mode(prepared, Mode.off)
    floats, rounded = ([Lane(prepared).begin(inputs) for inputs in batches] for _ in range(2))
    with torch.no_grad():
        for node in prepared.graph.nodes:
            layer, observer = layers.get(node), observer_at(prepared, node)
            for lane in floats:
                lane.step(node)
            if layer is not None:
                source: Any = node.args[0]
                mend(layer, [lane.env[source] for lane in rounded], [lane.env[node] for lane in floats])
                for lane in rounded:
                    _refresh(lane, prepared, node)
                done()
            if observer is not None:
                observer.mode = Mode.simulate
            for lane in rounded:
                lane.step(node)
            if observer is not None:
                observer.mode = Mode.off


def _refresh(lane: Any, prepared: fx.GraphModule, node: fx.Node) -> None:
    """Read the layer's weight and bias again."""
    weight: Any = node.args[1]
    observer = observer_at(prepared, weight)
    assert observer is not None
    lane.again(weight.args[0])
    observer.mode = Mode.simulate
    lane.again(weight)
    observer.mode = Mode.off
    if len(node.args) > 2 and node.args[2] is not None:
        lane.again(node.args[2])
