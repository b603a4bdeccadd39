"""Tracer: the process that runs one artifact and takes the time of each operator, started by profile.py.

A .pte runs under ExecuTorch's event tracer, whose profile (ETDump) goes into the file that is shared with the caller;
a .pt2 or .onnx is traced by trace_pt2.py and trace_onnx.py, and its `Runs` go there. Inputs are random, of the largest
shape. A reply says that the profile is there, or why it is not. Ends with its caller.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from mobilekit.errors import RunnerError
from mobilekit.inspection.trace_onnx import trace_onnx
from mobilekit.inspection.trace_pt2 import trace_pt2
from mobilekit.inspection.traces import WARMUP, Traced, decode_sizes, random_values, repeat
from mobilekit.runners.limits import limit_this_process
from mobilekit.runners.protocol import Refused
from mobilekit.runners.pte import PteRunner
from mobilekit.runners.worker import end_with_caller, in_its_own_words

_DTYPES = {
    0: "uint8", 1: "int8", 2: "int16", 3: "int32", 4: "int64",
    5: "float16", 6: "float32", 7: "float64", 11: "bool", 15: "bfloat16",
}  # fmt: skip


def trace(artifact: Path, threads: int, output: str, method: str = "forward") -> Traced:
    """Run `artifact` and write the profile to `output`. Raises whatever the runtime raises."""
    PteRunner().prepare(threads)
    from executorch.extension.pybindings import _C

    program = _C._load_program(
        str(artifact), enable_etdump=True, program_verification=_C.Verification.InternalConsistency
    )
    if not program.has_etdump():
        raise RunnerError("this build of ExecuTorch has no event tracer")
    loaded, meta = program.load_method(method), program.method_meta(method)
    inputs = [_random(meta, index) for index in range(meta.num_inputs())]
    repeat(lambda: loaded.call(inputs, False))
    program.write_etdump_result_to_file(output, "")
    return Traced(method=method, warmup=WARMUP, sizes=tuple(tuple(one.shape) for one in inputs))


def _random(meta: Any, index: int) -> Any:
    """Input `index` as a tensor of the largest shape that memory was planned for."""
    import torch

    try:
        info = meta.input_tensor_meta(index)
    except RuntimeError as error:
        raise RunnerError(f"input {index} is not a tensor: {error}") from error
    dtype = _DTYPES.get(info.dtype())
    if dtype is None:
        raise RunnerError(f"input {index} has a dtype that cannot be made here (ScalarType {info.dtype()})")
    # NumPy has no bfloat16.
    values = random_values("float32" if dtype == "bfloat16" else dtype, [int(size) for size in info.sizes()], index)
    return torch.from_numpy(values).to(getattr(torch, dtype))


def trace_any(artifact: Path, threads: int, output: str, folder: str, sizes: str) -> Traced:
    """Run `artifact` by its kind. `folder` is for what a runtime must write; `sizes` are shapes of inputs, or empty."""
    if artifact.suffix == ".pte":
        return trace(artifact, threads, output)
    if artifact.suffix == ".onnx":
        runs, shapes = trace_onnx(artifact, threads, Path(folder), decode_sizes(sizes) if sizes else None)
    else:
        runs, shapes = trace_pt2(artifact, threads)
    Path(output).write_bytes(runs.model_dump_json().encode())
    return Traced(method="forward", warmup=WARMUP, sizes=shapes)


def main(artifact: str, threads: int, folder: str, sizes: str, *descriptors: int) -> None:
    """Trace, and answer with one line."""
    for one in descriptors:
        os.set_inheritable(one, False)
    _, replies, lifeline, _, outputs = descriptors
    end_with_caller(lifeline)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's to handle
    limit_this_process()
    reply: Traced | Refused
    try:
        reply = trace_any(Path(artifact), threads, f"/dev/fd/{outputs}", folder, sizes)
    except Exception as error:
        reply = Refused(message=in_its_own_words(error))
    with os.fdopen(replies, "wb") as writer:
        writer.write(reply.model_dump_json().encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], *(int(one) for one in sys.argv[5:]))
