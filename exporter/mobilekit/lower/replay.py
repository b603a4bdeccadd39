"""Replays: the passes of a lowering run the whole graph again, each, and mostly find what the one before it found.

ExecuTorch's passes and its checks between them run every node on fake tensors (shapes and dtypes without numbers), some
forty times over, to learn what comes out. A pass that changes one node in a thousand runs the others as before: on the
very same fake tensors. So what an operator gave for them is kept, and given again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from mobilekit.tracing import patched

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_VALUES = (bool, int, float, str, type(None))


@contextlib.contextmanager
def remembered() -> Iterator[None]:
    """For the block, an operator is asked once for what it gives on the same fake tensors.

    Not answered from memory: operators that write to a tensor or whose shapes depend on numbers, and calls with
    symbolic sizes, without a tensor, or with numbers to compute. Tracing has interpreters of its own.
    """
    from executorch.exir.verification.arg_validator import EdgeOpArgValidator
    from torch.fx import Interpreter

    replaying = (Interpreter, EdgeOpArgValidator)
    run = Interpreter.call_function
    # With the arguments, which must stay where they are while their addresses stand for them.
    known: dict[Any, tuple[Any, Any]] = {}

    def call_function(self: Any, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        key = _key(target, args, kwargs) if type(self) in replaying and _is_pure(target) else None
        if key is None:
            return run(self, target, args, kwargs)
        if key not in known:
            known[key] = (run(self, target, args, kwargs), (args, kwargs))
        return known[key][0]

    with patched(Interpreter, "call_function", call_function):
        yield


@cache
def _is_pure(target: Any) -> bool:
    """Whether `target` is an operator that only makes new tensors, of foreseeable shapes."""
    import torch
    from executorch.exir.dialects.edge._ops import EdgeOpOverload

    if not isinstance(target, (torch._ops.OpOverload, EdgeOpOverload)):
        return False
    unforeseeable = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape, torch.Tag.nondeterministic_seeded}
    return not target._schema.is_mutable and unforeseeable.isdisjoint(target.tags)


def _key(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What tells this call from others; None where it cannot be told, or has tensors of numbers to compute with.

    An operator of the edge dialect is the one of ATen with a note on the dtypes that it takes.
    """
    known = _types()
    mode = known.fake_mode()  # in which real tensors give fake ones
    tensors = fakes = 0

    def key(value: Any) -> Any:
        nonlocal tensors, fakes
        kind = type(value)
        if isinstance(value, known.tensor):
            tensors += 1
            fakes += kind is known.fake
            return id(value)
        if isinstance(value, (list, tuple)):
            return (kind, *map(key, value))
        if kind in _VALUES or kind in known.opaque:
            return (kind, value)
        raise _Unknown

    try:
        operator = target._op if isinstance(target, known.edge) else target
        found = (operator, id(mode), key(args), *((name, key(value)) for name, value in kwargs.items()))
    except _Unknown:
        return None
    return found if fakes or (tensors and mode is not None) else None


@dataclass(frozen=True)
class _Types:
    """What a key is told from: looked up once, since a long lowering makes a hundred thousand keys."""

    tensor: type
    fake: type
    edge: Any
    opaque: tuple[type, ...]
    fake_mode: Callable[[], Any]


@cache
def _types() -> _Types:
    import torch
    from executorch.exir.dialects.edge._ops import EdgeOpOverload
    from torch._subclasses import FakeTensor

    opaque = (torch.dtype, torch.device, torch.layout, torch.memory_format)
    fake_mode = partial(torch._C._get_dispatch_mode, torch._C._TorchDispatchModeKey.FAKE)
    return _Types(torch.Tensor, FakeTensor, EdgeOpOverload, opaque, fake_mode)


class _Unknown(Exception):
    """A value that is neither a fake tensor nor a plain one."""


@contextlib.contextmanager
def decomposed_where_needed(*, functional: bool) -> Iterator[None]:
    """For the block, a program without an operator that is to be decomposed is not traced again to find that out.

    ExecuTorch decomposes three times: with no table, which only makes a program functional, with its own table, and
    once more after it has hidden what a backend wants whole. `functional`: the program has just been decomposed.
    """
    from executorch.exir.graph_module import contains_any_call_fn_target_op
    from torch.export import ExportedProgram

    decompose: Callable[..., ExportedProgram] = ExportedProgram.run_decompositions

    def where_needed(program: ExportedProgram, table: Any = None, **options: Any) -> ExportedProgram:
        nonlocal functional
        if functional and table is not None and not contains_any_call_fn_target_op(program.graph_module, table):
            return program
        functional = True
        return decompose(program, table, **options)

    with patched(ExportedProgram, "run_decompositions", where_needed):
        yield
