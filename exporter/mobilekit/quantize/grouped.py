"""int4-weight-only for XNNPACK: int4 weights in groups, int8 activations with a scale for each row found at run time.

That is what ExecuTorch calls 8da4w, the one form in which XNNPACK has 4-bit kernels. Refuses a model without a linear
layer whose inputs fall into whole groups; other layers stay in float.
Source: torchao's Int8DynamicActivationIntxWeightConfig, and "8da4w" in
https://docs.pytorch.org/executorch/stable/backends/xnnpack/xnnpack-quantization.html
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from mobilekit.capture import Captured, example_inputs, export_graph
from mobilekit.errors import QuantizeError
from mobilekit.quantize.folding import operator_name
from mobilekit.quantize.schemes import scheme
from mobilekit.quiet import quiet
from mobilekit.usercode import summary

if TYPE_CHECKING:
    from torch import fx, nn
    from torch.export import ExportedProgram

_PREFIX = "grouped_"


def grouped(captured: Captured) -> ExportedProgram:
    """The program with grouped int4 weights in each linear layer that can have them."""
    import torch

    group = scheme("int4-weight-only").group_size
    assert group is not None
    try:
        with quiet(), torch.no_grad():
            from torchao.quantization import quantize_
            from torchao.quantization.granularity import PerGroup
            from torchao.quantization.quant_api import Int8DynamicActivationIntxWeightConfig

            module = captured.program.module()
            made = _as_modules(module, group)
            if made:
                int4: torch.dtype = vars(torch)["int4"]  # which torch's own stubs do not know
                config = Int8DynamicActivationIntxWeightConfig(weight_dtype=int4, weight_granularity=PerGroup(group))
                quantize_(module, config, filter_fn=lambda one, _: one in made)
                return export_graph(module, captured.inputs, example_inputs(captured.inputs))
    except Exception as error:
        raise QuantizeError(f"int4-weight-only: the quantizer refuses the graph: {summary(error)}") from error
    raise nothing_to_group(group)


def nothing_to_group(group: int) -> QuantizeError:
    """For every target that groups the weights of linear layers."""
    return QuantizeError(
        f"int4-weight-only quantizes linear layers with a multiple of {group} inputs, and this model has none",
        hint="use int8, which quantizes convolutions too",
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
    _forget(module)
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


def _forget(module: fx.GraphModule) -> None:
    """Drop the weights that now belong to the new modules: the artifact would carry them."""
    used = {str(node.target) for node in module.graph.nodes if node.op == "get_attr"}
    held = [name for name, _ in module.named_parameters(remove_duplicate=False) if not name.startswith(_PREFIX)]
    for name in held:
        if name not in used:
            place, _, leaf = name.rpartition(".")
            delattr(module.get_submodule(place), leaf)
