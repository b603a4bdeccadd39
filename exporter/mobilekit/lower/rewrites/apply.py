"""Applying rewrites: an ExportedProgram in which chosen operators are said in others, and constants are computed.

A rewrite is a function with the operator's own arguments. It is traced in the operator's place, for the shapes of the
program, so it may look at them; what it returns must be equal but for the order of sums. Where it returns
NotImplemented the operator stays.
Source: decompositions of torch.export, https://docs.pytorch.org/docs/stable/export.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

from mobilekit.quiet import quiet

if TYPE_CHECKING:
    import torch
    from torch import fx
    from torch.export import ExportedProgram

Rewrites = Mapping[str, Callable[..., Any]]
"""By the operator's name in ATen, with its overload: `layer_norm.default`."""


def rewritten(program: ExportedProgram, rewrites: Rewrites) -> ExportedProgram:
    """`program` with every operator that is in `rewrites` replaced; itself when it has none of them.

    The weights of `program` are shared, and the given program may lose those that are no longer used: give a copy.
    """
    import torch

    present = {str(node.target).removeprefix("aten.") for node in program.graph.nodes if node.op == "call_function"}
    if present.isdisjoint(rewrites):
        return program
    # All of them, since torch first composes some operators of others: chunk of split.
    table = {_operator(name): _or_as_it_is(_operator(name), function) for name, function in rewrites.items()}
    with torch.no_grad():
        changed: ExportedProgram = program.run_decompositions(table)
        fold_constants(changed)
    return changed


def _operator(name: str) -> Any:
    import torch

    packet, _, overload = name.partition(".")
    return getattr(getattr(torch.ops.aten, packet), overload)


def _or_as_it_is(operator: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """torch lets the decomposition of a composite operator not decline; it is then composed as usual.

    How, is asked before `function` takes the operator's place: afterwards the operator would compose itself by it.
    """
    import torch
    from torch._export.utils import _get_decomp_for_cia

    if not torch._C._dispatch_has_kernel_for_dispatch_key(operator.name(), "CompositeImplicitAutograd"):
        return function
    usual = _get_decomp_for_cia(operator)

    def composed(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return usual(*args, **kwargs) if result is NotImplemented else result

    return composed


def fold_constants(program: ExportedProgram) -> None:
    """Compute once, here, what depends on weights alone, and drop the weights that nothing needs then.

    Dequantized weights stay as they are: the backend wants them in int8.
    """
    import torch
    from torch.export.graph_signature import InputKind

    with quiet():
        from executorch.backends.transforms.utils import create_constant_placeholder, delete_constant_placeholder

    known = constants_of(program)
    for node in program.graph.nodes:
        if node.op == "call_function" and _is_foldable(node, known):
            args, kwargs = torch.fx.map_arg((node.args, node.kwargs), lambda one: known[one])
            known[node] = node.target(*args, **kwargs)
    first_input = next(node for node in program.graph.nodes if node.name in program.graph_signature.user_inputs)
    names = (name for index in count() if (name := f"folded_{index}") not in program.constants)
    for node in [one for one in known if one.op == "call_function"]:
        used = [user for user in node.users if user not in known]
        if not used or not isinstance(known[node], torch.Tensor):
            continue
        with program.graph.inserting_before(first_input):
            data = known[node].detach().contiguous().clone()
            constant = create_constant_placeholder(program, program.graph, next(names), InputKind.CONSTANT_TENSOR, data)
        for user in used:
            user.replace_input_with(node, constant)
    program.graph.eliminate_dead_code()
    for node in [one for one in known if one.op == "placeholder" and not one.users]:
        delete_constant_placeholder(program, node)
    program.graph_module.recompile()


def constants_of(program: ExportedProgram) -> dict[fx.Node, Any]:
    """Parameters, buffers and constants that no call changes, by their placeholder."""
    with quiet():
        from executorch.backends.transforms.utils import get_param_tensor, is_param_node

    changed = set(program.graph_signature.buffers_to_mutate.values())
    buffers = program.graph_signature.inputs_to_buffers
    inputs = [node for node in program.graph.nodes if node.op == "placeholder"]
    return {
        node: get_param_tensor(program, node)
        for node in inputs
        if is_param_node(program, node) and buffers.get(node.name) not in changed
    }


def _is_foldable(node: fx.Node, known: Mapping[fx.Node, torch.Tensor]) -> bool:
    """Whether all that it depends on is known. An output stays a call: no target expects a weight as one."""
    if "quantize" in str(node.target) or node.is_impure() or any(user.op == "output" for user in node.users):
        return False
    return all(one in known for one in node.all_input_nodes)
