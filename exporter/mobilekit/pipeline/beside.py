"""Beside: the process that lowers what lowering.py hands it, as `python -m mobilekit.pipeline.beside THREADS FDS`.

One job in a line of JSON, one reply in another; what libraries print goes into its log. Ends with its caller, also when
that is killed.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.errors import MobilekitError
from mobilekit.pipeline.lowering import Failed, Job, LostError, Made, failed, lowered
from mobilekit.runners.worker import end_with_caller
from mobilekit.usercode import summary

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def main(threads: int, *descriptors: int) -> None:
    """Answer jobs until there are none."""
    for one in descriptors:
        os.set_inheritable(one, False)
    requests, replies, lifeline, *_ = descriptors
    end_with_caller(lifeline)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's to handle
    import torch

    torch.set_num_threads(threads)  # sums of constants are to come out as they do in the caller's process
    with os.fdopen(requests, "rb") as incoming, os.fdopen(replies, "wb", buffering=0) as outgoing:
        for line in incoming:
            outgoing.write(answer(Job.model_validate_json(line)).model_dump_json().encode() + b"\n")


def answer(job: Job) -> Made | Failed:
    """What came of `job`; never raises for what a target or a library does."""
    try:
        return lowered(job, _program(Path(job.program)))
    except MobilekitError as error:
        return failed(error)
    except Exception as error:
        return Failed(error=LostError.__name__, message=summary(error))


@lru_cache(maxsize=1)
def _program(path: Path) -> ExportedProgram:
    from mobilekit.model.pt2 import load_pt2

    return load_pt2(path)


if __name__ == "__main__":
    main(int(sys.argv[1]), *(int(one) for one in sys.argv[2:]))
