"""Rewrites of a captured graph that every target may use. Each works on a copy, and changes no program's meaning."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

_RESHAPES = frozenset({"aten.flatten.using_ints", "aten.view.default", "aten.reshape.default"})
_TRACES = ("stack_trace", "from_node")


def without_traces(program: ExportedProgram) -> ExportedProgram:
    """A copy without the tracer's notes on where each node came from.

    They hold source lines and paths of the exporting machine, and exporters write them into the artifact.
    """
    bare = copied(program)
    for module in bare.graph_module.modules():
        for node in getattr(getattr(module, "graph", None), "nodes", ()):
            for key in _TRACES:
                node.meta.pop(key, None)
    return bare


def copied(program: ExportedProgram) -> ExportedProgram:
    """A deep copy with the same node names: copying alone renames inputs that are called like a builtin (`input`)."""
    twin = copy.deepcopy(program)
    for ours, theirs in zip(twin.graph.nodes, program.graph.nodes, strict=True):
        ours.name = theirs.name
        if theirs.op == "placeholder":
            ours.target = theirs.target
    twin.graph_module.recompile()
    return twin


@contextlib.contextmanager
def ranges_kept(program: ExportedProgram) -> Iterator[None]:
    """For the block, tracing `program` again does not narrow its dynamic dimensions.

    The passes of a lowering run the operators on sizes alone, and torch then asks which CPU kernel it would take for
    a convolution. The answer depends on whether the batch is above 15 or so, and is made a condition of the program:
    a batch of 1..64 ends as 1..15. The runtime on the phone has no such kernels, and needs no such condition.
    """
    values = (node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder")
    sizes = (size for value in values for size in getattr(value, "shape", ()) if not isinstance(size, int))
    with contextlib.ExitStack() as held:
        for environment in {id(size.node.shape_env): size.node.shape_env for size in sizes}.values():
            held.enter_context(environment.suppress_guards())
        yield


def infer_dynamic_dimension(program: ExportedProgram) -> ExportedProgram:
    """A copy in which a reshape with one dynamic dimension infers it (-1) instead of reading it from its input.

    `flatten(x, 1)` of a dynamic batch otherwise becomes a view whose size is computed by operators of its own, which
    XNNPACK does not take: the program falls into two delegates with portable operators between them.
    """
    import torch

    inferred = copied(program)
    graph = inferred.graph
    for node in list(graph.nodes):
        size = _inferred_size(node) if str(node.target) in _RESHAPES else None
        if size is not None:
            view, reshape = torch.ops.aten.view.default, torch.ops.aten.reshape.default
            with graph.inserting_before(node):
                reshaped = graph.call_function(view if node.target is view else reshape, (node.args[0], size))
            reshaped.meta = dict(node.meta)
            node.replace_all_uses_with(reshaped, propagate_meta=False)
            _rename_output(inferred, node.name, reshaped.name)
            graph.erase_node(node)
    graph.eliminate_dead_code()
    inferred.graph_module.recompile()
    return inferred


def _inferred_size(node: torch.fx.Node) -> list[int] | None:
    """The sizes of a reshape with -1 for its one dynamic dimension; None when it has none, or several."""
    shape: Any = getattr(node.meta.get("val"), "shape", ())
    dynamic = [axis for axis, size in enumerate(shape) if not isinstance(size, int)]
    if len(dynamic) != 1:
        return None
    return [-1 if axis in dynamic else int(size) for axis, size in enumerate(shape)]


def _rename_output(program: ExportedProgram, before: str, after: str) -> None:
    """Keep the signature in step when the replaced node is one of the program's outputs."""
    program.graph_signature.replace_all_uses(before, after)
