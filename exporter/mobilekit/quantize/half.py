"""fp16 as a program: float16 weights and arithmetic, float32 at the ends. Refuses weights that float16 cannot hold.

For targets whose converter does not cast by itself. The contract's inputs and outputs stay what they are.
"""

from __future__ import annotations

import copy
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from mobilekit.capture import Captured, example_inputs, export_graph
from mobilekit.errors import QuantizeError
from mobilekit.quantize.graph import assign, is_float
from mobilekit.quiet import quiet
from mobilekit.usercode import summary

if TYPE_CHECKING:
    from torch import fx
    from torch.export import ExportedProgram

LARGEST = 65504.0
"""The largest float16 number."""


def half(captured: Captured) -> ExportedProgram:
    """The program computed in float16 between a cast of each float input and one of each float output."""
    import torch

    _check_range({**captured.program.state_dict, **captured.program.constants})
    try:
        with quiet(), torch.no_grad():
            module = copy.deepcopy(captured.program.module())  # half() changes tensors in place
            module.half()
            _halve_constants(module)
            _cast_ends(module)
            return export_graph(module, captured.inputs, example_inputs(captured.inputs))
    except Exception as error:
        raise QuantizeError(
            f"fp16: the graph does not run in float16: {summary(error)}",
            hint="something in it asks for float32; export it as fp32",
        ) from error


def _check_range(tensors: dict[str, Any]) -> None:
    import torch

    for name, tensor in tensors.items():
        if isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float32 and tensor.numel():
            largest = float(tensor.detach().abs().max())
            if largest > LARGEST:
                raise too_large(name, largest)


def too_large(name: str, largest: float) -> QuantizeError:
    """For every target that casts weights."""
    return QuantizeError(
        f"fp16: {name} holds {largest:.3g}, and float16 ends at {LARGEST:.0f}",
        hint="scale the weights down, or export the model as fp32",
    )


def _halve_constants(module: fx.GraphModule) -> None:
    """Tensors that are neither parameters nor buffers, which `half()` passes by."""
    import torch

    for node in module.graph.nodes:
        if node.op == "get_attr":
            tensor = attrgetter(str(node.target))(module)
            if isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float32:
                assign(module, str(node.target), tensor.half())


def _cast_ends(module: fx.GraphModule) -> None:
    import torch

    def cast(node: fx.Node, dtype: torch.dtype) -> fx.Node:
        return module.graph.call_function(torch.ops.aten.to.dtype, (node, dtype))

    for node in [node for node in module.graph.nodes if node.op == "placeholder"]:
        if is_float(node):
            users = list(node.users)
            with module.graph.inserting_after(node):
                inner = cast(node, torch.float16)
            for user in users:
                user.replace_input_with(node, inner)
    (output,) = [node for node in module.graph.nodes if node.op == "output"]
    with module.graph.inserting_before(output):
        for node in list(output.all_input_nodes):
            if is_float(node):
                output.replace_input_with(node, cast(node, torch.float32))
    module.recompile()
