"""Tracing eager PyTorch: the program of a .pt2 node by node, with the clock around each operator's call alone.

What runs between the calls is the tracer's own Python, and no part of eager: it is not counted.
"""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.inspection.traces import WARMUP, Runs, Sizes, collected, random_values, repeat
from mobilekit.runners.eager import EagerRunner, plain_module, to_torch

if TYPE_CHECKING:
    import torch


def trace_pt2(path: Path, threads: int) -> tuple[Runs, Sizes]:
    """Run the program at its largest shape, and say what that is. Raises whatever torch raises, and MobilekitError."""
    EagerRunner().prepare(threads)
    import torch

    from mobilekit.model.program import input_specs
    from mobilekit.model.pt2 import load_pt2

    program = load_pt2(path)
    inputs = input_specs(program)
    tensors = [to_torch(random_values(spec.dtype, spec.largest(), index)) for index, spec in enumerate(inputs)]
    runs: list[list[tuple[str, int]]] = []
    clocked = _clocked(plain_module(program), runs)

    def run() -> None:
        runs.append([])
        clocked.run(*tensors)

    gc.collect()
    gc.freeze()
    gc.disable()  # this process ends with the trace
    with torch.inference_mode():
        repeat(run)
    return collected(runs[WARMUP:], None), tuple(spec.largest() for spec in inputs)


def _clocked(module: torch.nn.Module, runs: list[list[tuple[str, int]]]) -> Any:
    """An interpreter of `module` that adds each operator's name and nanoseconds to the last of `runs`."""
    import torch
    from torch.fx import GraphModule, Interpreter

    class Clocked(Interpreter):
        def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
            if isinstance(target, torch._ops.HigherOrderOperator):
                # no_grad, autocast and branches hold graphs, whose operators are timed one by one as well.
                inner = (Clocked(one).run if isinstance(one, GraphModule) else one for one in args)
                return target(*inner, **kwargs)
            if not isinstance(target, torch._ops.OpOverload):
                # Python's own, getitem and arithmetic with sizes, computes nothing.
                return super().call_function(target, args, kwargs)
            before = time.perf_counter_ns()
            result = target(*args, **kwargs)
            runs[-1].append((str(target), time.perf_counter_ns() - before))
            return result

    return Clocked(module)
