"""Graph: what layers a graph has, and reading and changing their weights and biases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from mobilekit.quantize.folding import operator_name

if TYPE_CHECKING:
    import torch
    from torch import fx

LAYERS = frozenset({"conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "linear"})
"""Operators with a weight and a bias at places 1 and 2 of their arguments."""
RELUS = frozenset({"relu", "relu_"})


def is_bias(node: fx.Node, user: fx.Node) -> bool:
    """Whether `user` is a layer with the bias `node`."""
    return operator_name(user) in LAYERS and len(user.args) > 2 and user.args[2] is node


@dataclass(frozen=True, eq=False)
class Layer:
    """One convolution or linear layer of a graph, prepared or not."""

    module: fx.GraphModule
    node: fx.Node

    @property
    def observer(self) -> Any | None:
        """The observer of its weight, in a prepared graph; None where it stays float."""
        weight: Any = self.node.args[1]
        return self.module.get_submodule(str(weight.target)) if weight.op == "call_module" else None

    @property
    def weight(self) -> torch.Tensor:
        tensor: torch.Tensor = attrgetter(self._weight_name)(self.module)
        return tensor

    @property
    def bias(self) -> torch.Tensor | None:
        bias: Any = self.node.args[2] if len(self.node.args) > 2 else None
        return None if bias is None else attrgetter(str(bias.target))(self.module)

    @property
    def groups(self) -> int:
        """1 unless it is a grouped convolution."""
        place = {"conv1d": 6, "conv2d": 6, "conv_transpose1d": 6, "conv_transpose2d": 6}.get(operator_name(self.node))
        groups: Any = 1 if place is None or len(self.node.args) <= place else self.node.args[place]
        return int(groups)

    @property
    def channel_axis(self) -> int:
        """Of the output's axes, the one of its channels."""
        return -1 if operator_name(self.node) == "linear" else 1

    @property
    def alone(self) -> bool:
        """Whether no other layer has the same weight."""
        uses = [one for one in self.module.graph.nodes if one.op == "get_attr" and one.target == self._weight_name]
        return sum(len(one.users) for one in uses) == 1

    @property
    def _weight_name(self) -> str:
        weight: Any = self.node.args[1]
        return str(weight.args[0].target if weight.op == "call_module" else weight.target)

    def put(self, *, weight: torch.Tensor | None = None, bias: torch.Tensor | None = None) -> None:
        """Give the layer other values. They are tensors of the graph's own: the program it came from keeps its."""
        import torch

        nodes: list[Any] = [self.node.args[1], self.node.args[2] if len(self.node.args) > 2 else None]
        for node, value in zip(nodes, (weight, bias), strict=True):
            if value is not None:
                inner = node.args[0] if node.op == "call_module" else node
                assign(self.module, str(inner.target), torch.nn.Parameter(value.detach(), requires_grad=False))

    def call(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """The layer on `x` with another weight of the same shape."""
        target: Any = self.node.target
        result: torch.Tensor = target(x, weight, self.bias, *self.node.args[3:], **self.node.kwargs)
        return result


def layers_of(module: fx.GraphModule) -> Iterator[Layer]:
    """The layers with a constant weight, in the order in which they are computed."""
    for node in module.graph.nodes:
        if operator_name(node) in LAYERS and _is_constant(node.args[1]):
            yield Layer(module, node)


def _is_constant(weight: Any) -> bool:
    inner = weight.args[0] if weight.op == "call_module" else weight
    return bool(inner.op == "get_attr")


def give_biases(module: fx.GraphModule) -> None:
    """A bias of zeros to each layer that has none."""
    import torch

    for layer in layers_of(module):
        node = layer.node
        if layer.bias is not None:
            continue
        transposed = operator_name(node).startswith("conv_transpose")
        channels = layer.weight.shape[1] * layer.groups if transposed else layer.weight.shape[0]
        name = f"zero_bias_of_{node.name}"
        module.register_parameter(name, torch.nn.Parameter(torch.zeros(channels), requires_grad=False))
        with module.graph.inserting_before(node):
            bias = module.graph.get_attr(name)
        node.args = (*node.args[:2], bias, *node.args[3:])
    module.recompile()


def assign(module: fx.GraphModule, name: str, value: torch.Tensor) -> None:
    """Put `value` where the tensor called `name` is."""
    place, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(place), leaf, value)


def drop_unused(module: fx.GraphModule) -> None:
    """Forget the tensors that neither the graph nor a module that it calls reads: artifacts would carry them."""
    used = {str(node.target) for node in module.graph.nodes if node.op == "get_attr"}
    called = tuple(f"{node.target}." for node in module.graph.nodes if node.op == "call_module")
    held = (*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False))
    for name in [name for name, _ in held if name not in used and not name.startswith(called)]:
        place, _, leaf = name.rpartition(".")
        delattr(module.get_submodule(place), leaf)


def is_float(node: fx.Node) -> bool:
    """Whether the node gives float32."""
    import torch

    return getattr(node.meta.get("val"), "dtype", None) == torch.float32
