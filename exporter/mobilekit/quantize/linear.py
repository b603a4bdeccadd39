"""Integer linear layers without data: int8 or grouped int4 weights, activations in int8 with a scale for each row.

The scales of the activations are found while the model runs, in the kernel. That is XNNPACK's form of int8-dynamic, and
of int4-weight-only, which ExecuTorch calls 8da4w: XNNPACK has no 4-bit kernel for float activations. Convolutions stay
in float. Refuses a model without a linear layer, or for int4 without one whose inputs fall into whole groups.
Source: torchao's Int8DynamicActivationIntxWeightConfig, and
https://docs.pytorch.org/executorch/stable/backends/xnnpack/xnnpack-quantization.html
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from mobilekit.capture import Captured, example_inputs, export_graph
from mobilekit.errors import QuantizeError
from mobilekit.quantize.folding import operator_name
from mobilekit.quantize.graph import drop_unused
from mobilekit.quantize.schemes import Scheme
from mobilekit.quiet import quiet
from mobilekit.usercode import summary

if TYPE_CHECKING:
    from torch import fx, nn
    from torch.export import ExportedProgram

_PREFIX = "integer_"


def integer_linear(scheme: Scheme, captured: Captured) -> ExportedProgram:
    """The program with the scheme's weights in each linear layer that can have them."""
    import torch

    try:
        with quiet(), torch.no_grad():
            from torchao.quantization import quantize_

            module = captured.program.module()
            made = _as_modules(module, scheme.group_size or 1)
            if made:
                quantize_(module, _config(scheme), filter_fn=lambda one, _: one in made)
                return export_graph(module, captured.inputs, example_inputs(captured.inputs))
    except Exception as error:
        raise QuantizeError(f"{scheme.name}: the quantizer refuses the graph: {summary(error)}") from error
    raise no_linear(scheme)


def no_linear(scheme: Scheme) -> QuantizeError:
    """For every target that has this scheme for linear layers alone."""
    which = f"with a multiple of {scheme.group_size} inputs, " if scheme.group_size else ""
    return QuantizeError(
        f"{scheme.name} quantizes linear layers, and this model has none {which}whose weights are constants",
        hint="use int8, which quantizes convolutions too",
    )


def _config(scheme: Scheme) -> Any:
    import torch
    from torchao.quantization.granularity import PerAxis, PerGroup
    from torchao.quantization.quant_api import Int8DynamicActivationIntxWeightConfig

    return Int8DynamicActivationIntxWeightConfig(
        weight_dtype=getattr(torch, f"int{scheme.weight_bits}"),
        weight_granularity=PerGroup(scheme.group_size) if scheme.group_size else PerAxis(0),
    )


def _as_modules(module: fx.GraphModule, group: int) -> list[nn.Module]:
    """Make a module of each linear layer that has whole groups, for torchao to find; a shared layer becomes one."""
    made: dict[tuple[str, ...], str] = {}
    for node in [node for node in module.graph.nodes if operator_name(node) == "linear"]:
        weight, bias = node.args[1], node.args[2] if len(node.args) > 2 else None
        tensors = tuple(one for one in (weight, bias) if one is not None)
        if any(one.op != "get_attr" for one in tensors) or _of(module, weight).shape[1] % group:
            continue
        key = tuple(str(one.target) for one in tensors)
        if key not in made:
            made[key] = f"{_PREFIX}{len(made)}"
            module.add_submodule(made[key], _linear(_of(module, weight), None if bias is None else _of(module, bias)))
        with module.graph.inserting_before(node):
            call = module.graph.call_module(made[key], (node.args[0],))
        call.meta = dict(node.meta)
        node.replace_all_uses_with(call, propagate_meta=False)
        module.graph.erase_node(node)
    module.graph.eliminate_dead_code()
    module.recompile()
    drop_unused(module)
    return [module.get_submodule(name) for name in made.values()]


def _linear(weight: Any, bias: Any) -> nn.Linear:
    import torch

    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    layer.weight = torch.nn.Parameter(weight.detach(), requires_grad=False)
    if bias is not None:
        layer.bias = torch.nn.Parameter(bias.detach(), requires_grad=False)
    return layer


def _of(module: fx.GraphModule, node: Any) -> Any:
    return attrgetter(str(node.target))(module)
