"""Tracer: the process that runs a .pte under ExecuTorch's event tracer, started by profile.py. Ends with its caller.

Inputs are random, of the largest shape that memory was planned for. The profile (ETDump) goes into the file that is
shared with the caller; a reply says how many runs it holds, or why there are none.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from mobilekit.bundle.contents import Count
from mobilekit.errors import RunnerError
from mobilekit.runners.limits import limit_this_process
from mobilekit.runners.protocol import Refused
from mobilekit.runners.pte import PteRunner
from mobilekit.runners.worker import end_with_caller, in_its_own_words
from mobilekit.spec.base import Spec

WARMUP, MOST_RUNS, MOST_SECONDS = 5, 200, 3.0
_INTEGERS = {0: "uint8", 1: "int8", 2: "int16", 3: "int32", 4: "int64", 11: "bool"}
_FLOATS = {5: "float16", 6: "float32", 7: "float64", 15: "bfloat16"}


class Traced(Spec):
    """The profile is in the shared file; its first `warmup` runs are not to be counted."""

    kind: Literal["traced"] = "traced"
    method: str
    warmup: Count


_REPLY: TypeAdapter[Traced | Refused] = TypeAdapter(Annotated[Traced | Refused, Field(discriminator="kind")])


def decode(line: bytes) -> Traced | Refused:
    """Raises ValueError when the line is not a reply."""
    return _REPLY.validate_json(line)


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
    start = time.monotonic()
    for done in range(WARMUP + MOST_RUNS):
        loaded.call(inputs, False)
        if done >= WARMUP and time.monotonic() - start > MOST_SECONDS:
            break
    program.write_etdump_result_to_file(output, "")
    return Traced(method=method, warmup=WARMUP)


def _random(meta: Any, index: int) -> Any:
    """Standard normal floats, and whole numbers of 0 and 1, which are safe for indices and masks alike."""
    import torch

    try:
        info = meta.input_tensor_meta(index)
    except RuntimeError as error:
        raise RunnerError(f"input {index} is not a tensor: {error}") from error
    sizes, code = tuple(int(size) for size in info.sizes()), info.dtype()
    generator = torch.Generator().manual_seed(index)
    if code in _FLOATS:
        return torch.randn(sizes, generator=generator).to(getattr(torch, _FLOATS[code]))
    if code in _INTEGERS:
        return torch.randint(0, 2, sizes, generator=generator).to(getattr(torch, _INTEGERS[code]))
    raise RunnerError(f"input {index} has a dtype that cannot be made here (ScalarType {code})")


def main(artifact: str, threads: int, *descriptors: int) -> None:
    """Trace, and answer with one line."""
    for one in descriptors:
        os.set_inheritable(one, False)
    _, replies, lifeline, _, outputs = descriptors
    end_with_caller(lifeline)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's to handle
    limit_this_process()
    reply: Traced | Refused
    try:
        reply = trace(Path(artifact), threads, f"/dev/fd/{outputs}")
    except Exception as error:
        reply = Refused(message=in_its_own_words(error))
    with os.fdopen(replies, "wb") as writer:
        writer.write(reply.model_dump_json().encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *(int(one) for one in sys.argv[3:]))
