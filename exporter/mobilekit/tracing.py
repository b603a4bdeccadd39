"""Tracing: what torch and ExecuTorch trace a program again and again for, without the work that nothing here uses.

Lowering makes every node anew in some forty passes. More than a third of that time goes into notes for a debugger:
where each node came from, what called it, and Python source for every state of the graph. None of it reaches the
artifact, which is the same to the byte (a test holds it). Never around a user's own code, whose errors need the notes.
"""

from __future__ import annotations

import contextlib
import functools
import gc
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.fx import GraphModule


@contextlib.contextmanager
def patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    """`owner.name` is `value` for the block, and afterwards what it was, or not there."""
    own = name in vars(owner)
    before = vars(owner)[name] if own else None  # not getattr, which makes a plain function of a static method
    setattr(owner, name, value)
    try:
        yield
    finally:
        if own:
            setattr(owner, name, before)
        else:
            delattr(owner, name)


@contextlib.contextmanager
def lean() -> Iterator[None]:
    """For the block, programs are traced without stack traces, copies of notes, and source code that nobody runs.

    What is there before it is also set aside from the garbage collector, which would otherwise walk over a million
    objects of torch's again and again.
    """
    import torch._export.utils
    import torch.fx.config
    from torch.fx import GraphModule
    from torch.fx.traceback import NodeSource

    listing = functools.cache(torch._export.utils._materialize_cpp_cia_ops)
    with (
        patched(torch.fx.config, "do_not_emit_stack_traces", True),
        # Nodes share these notes, which are never changed once they are made, where torch would copy them.
        patched(NodeSource, "__deepcopy__", lambda source, _memo: source),
        patched(GraphModule, "recompile", functools.partialmethod(_compile_when_asked, GraphModule.recompile)),
        # torch lists all its operators before every decomposition, in case some have come.
        patched(torch._export.utils, "_materialize_cpp_cia_ops", listing),
        _set_aside(),
    ):
        yield


@contextlib.contextmanager
def _set_aside() -> Iterator[None]:
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class _Forward:
    """In the place of a graph module's `forward`, until somebody asks for that.

    Most graphs are walked node by node and changed again; only one that is called needs Python source.
    """

    def __init__(self, compiled: Callable[[GraphModule], object]) -> None:
        self._compiled = compiled

    def __get__(self, module: GraphModule | None, owner: type) -> Any:
        if module is None:
            return self
        self._compiled(module)  # puts the function in the place of this one
        return module.forward


def _compile_when_asked(module: GraphModule, compiled: Callable[[GraphModule], object]) -> None:
    shape_of_call = getattr(module.graph._codegen, "pytree_info", None)
    if shape_of_call is not None:
        module._in_spec, module._out_spec = shape_of_call.in_spec, shape_of_call.out_spec
    module._code = "compiled when called"  # for those who print it
    type(module).forward = _Forward(compiled)  # type: ignore[assignment]  # a class for every module
