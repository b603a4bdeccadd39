"""Values with several readers: each reader that needs a value in a form of its own gets one, before the partitioner.

ExecuTorch decides once in what form XNNPACK has a value, by the operator that comes first, and gives it to all others:

A constant is written into a delegate on the first reader's grid, which is what its integers stand for: scale and zero
point. So a bias of two layers (its steps are the input's scale times the weight's) had the wrong size in the second,
int8 constants that are equal number by number (the weights of layers with one input, say) had the scale of the first,
and what float read too did not load. Copies cost few bytes: a .pte keeps equal data once.
A dequantize call before an operator that XNNPACK computes in int8 is left out, for others that read it as well. An
operator in float then read integers: wrong answers, a file that does not load, or a cycle between delegates.
Constants that the program changes are left as they are.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from mobilekit.lower.rewrites.apply import constants_of
from mobilekit.quantize.folding import operator_name
from mobilekit.quantize.graph import RELUS, is_bias
from mobilekit.quiet import quiet

if TYPE_CHECKING:
    from torch import Tensor, fx
    from torch.export import ExportedProgram

_FUSED = frozenset({*RELUS, "clamp", "hardtanh", "hardtanh_"})
Grid = tuple[Any, ...] | None
"""The numbers that make it; None is float."""


def own_values(program: ExportedProgram) -> None:
    """Change `program` in place so that no value is read in two forms. It means the same."""
    _own_constants(program)
    _own_dequantized(program)
    program.graph_module.recompile()


def _own_constants(program: ExportedProgram) -> None:
    """A constant for each grid that it is read on."""
    from torch.export.graph_signature import InputKind

    with quiet():
        from executorch.backends.transforms.utils import create_constant_placeholder

    known = constants_of(program)
    inputs = [node for node in program.graph.nodes if node.op == "placeholder"]
    first_input = next((node for node in inputs if node.name in program.graph_signature.user_inputs), None)
    names = (name for index in count() if (name := f"own_{index}") not in program.constants)
    for constant, data in known.items():
        if len(constant.users) < 2:
            continue
        readers: dict[Grid, list[fx.Node]] = {}
        for user in constant.users:
            readers.setdefault(_grid_of(constant, user, known), []).append(user)
        for users in list(readers.values())[1:]:
            with program.graph.inserting_before(first_input or inputs[0]):
                twin = create_constant_placeholder(
                    program, program.graph, next(names), InputKind.CONSTANT_TENSOR, data.detach().clone()
                )
            for user in users:
                user.replace_input_with(constant, twin)


def _own_dequantized(program: ExportedProgram) -> None:
    """A dequantize call for each reader that may be computed in int8. Those in float share one, which is converted."""
    for node in list(program.graph.nodes):
        if operator_name(node) != "dequantize_per_tensor":
            continue
        integer = [user for user in node.users if _may_be_int8(user)]
        for user in integer[1:] if len(integer) == len(node.users) else integer:
            with program.graph.inserting_after(node):
                user.replace_input_with(node, program.graph.node_copy(node))


def _may_be_int8(node: fx.Node) -> bool:
    """Whether its output is rounded at once, or behind an activation that is fused with it."""
    after = list(node.users)
    if len(after) == 1 and operator_name(after[0]) in _FUSED:
        after = list(after[0].users)
    return len(after) == 1 and operator_name(after[0]).startswith("quantize")


def _grid_of(constant: fx.Node, user: fx.Node, known: dict[fx.Node, Tensor]) -> Grid:
    """The grid on which `user` reads `constant`."""
    if "quantize" in operator_name(user):
        return _numbers(user, known) if user.args[0] is constant else None
    if is_bias(constant, user):
        x, weight = user.args[:2]
        if _is_dequantized(x) and _is_dequantized(weight):
            return ("bias", _numbers(x, known), _numbers(weight, known))
    return None


def _is_dequantized(node: Any) -> bool:
    return operator_name(node).startswith("dequantize")


def _numbers(node: Any, known: dict[fx.Node, Tensor]) -> Grid:
    """What a quantize or dequantize call is given besides its tensor."""
    return tuple(str(known[one].tolist() if one in known else one) for one in node.args[1:])
