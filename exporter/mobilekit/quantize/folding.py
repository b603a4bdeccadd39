"""Batch norms that must not be folded, or not as they stand. torchao folds by pattern, and too eagerly.

torchao 0.18 folds every batch norm that follows a convolution into that convolution's weight. Where the convolution's
output is used elsewhere too, or its weight is (one head over several feature levels), that changes the other use
without a word. Here the first kind is hidden from it and the second gets weights of its own, so that folding is right.
Hiding also spares some 20 s: for each batch norm left over, converting looks for every pattern of quantization-aware
training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import fx

_LAYERS = ("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear")


def make_foldable(module: fx.GraphModule) -> None:
    """Change the graph so that folding each batch norm that is left into the layer before it keeps the outputs."""
    for norm in [node for node in module.graph.nodes if operator_name(node) == "batch_norm"]:
        layer: Any = norm.args[0]
        foldable = operator_name(layer) in _LAYERS and len(layer.users) == 1 and not norm.args[5]
        if foldable and not _is_grouped_transpose(layer):
            _own_weights(module, layer)
        else:
            _hide(norm)
    module.graph.lint()
    module.recompile()


def operator_name(node: Any) -> str:
    """`aten.conv2d.default` -> `conv2d`; empty for what is not a call of an operator."""
    return str(getattr(node, "target", "")).partition(".")[2].partition(".")[0]


def _is_grouped_transpose(layer: Any) -> bool:
    """Its weight is (in, out / groups, ...): folding would scale the wrong axis."""
    groups = layer.args[6] if len(layer.args) > 6 else 1
    return operator_name(layer).startswith("conv_transpose") and groups != 1


def _hide(norm: fx.Node) -> None:
    """Call torch's own function instead of the operator: the same to run and to export, and in none of the patterns."""
    import torch

    norm.target = torch.batch_norm


def _own_weights(module: fx.GraphModule, layer: Any) -> None:
    """A copy of each weight that another layer uses as well."""
    import torch

    for position in (1, 2):
        weight = layer.args[position] if len(layer.args) > position else None
        if weight is None or not _is_shared(module, weight):
            continue
        place, _, leaf = str(weight.target).rpartition(".")
        owner = module.get_submodule(place)
        name = f"{leaf}_of_{layer.name}"
        owner.register_parameter(name, torch.nn.Parameter(getattr(owner, leaf).detach().clone(), requires_grad=False))
        with module.graph.inserting_before(layer):
            own = module.graph.get_attr(f"{place}.{name}" if place else name)
        own.meta = dict(weight.meta)
        layer.update_arg(position, own)


def _is_shared(module: fx.GraphModule, weight: Any) -> bool:
    same = [node for node in module.graph.nodes if node.op == "get_attr" and node.target == weight.target]
    return sum(len(node.users) for node in same) > 1
