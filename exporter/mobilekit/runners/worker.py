"""The worker: the process that a runtime lives in, started by process.py as `python -m mobilekit.runners.worker`.

Reads requests and writes replies on file descriptors of its own; whatever libraries print goes to descriptors 1 and
2, which are its log. Ends with its caller, also when that is killed. A crash here is a sentence over there.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import gc
import io
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from mobilekit.errors import MobilekitError
from mobilekit.runners.arrays import read_samples, write_samples
from mobilekit.runners.base import OwnProgram, Runner, Session
from mobilekit.runners.limits import limit_this_process
from mobilekit.runners.memory import PeakMemory
from mobilekit.runners.protocol import (
    CountInstructions,
    Effort,
    Load,
    Loaded,
    Memory,
    MemoryUsed,
    ProfileRuns,
    Ran,
    Ready,
    Refused,
    Reply,
    Request,
    Run,
    Time,
    Timed,
    decode_request,
    encode,
)
from mobilekit.runners.registry import runner
from mobilekit.runners.stream import run_stream


class Served:
    """One artifact in one runtime, answering requests."""

    def __init__(self, chosen: Runner, inputs: io.FileIO, outputs: io.FileIO) -> None:
        self._runner, self._inputs, self._outputs = chosen, inputs, outputs
        self._session: Session | None = None
        self._memory: PeakMemory | None = None

    def answer(self, request: Request) -> Reply:
        match request:
            case Load():
                return self._load(Path(request.artifact), request.threads)
            case Run():
                return self._run(request)
            case Time():
                (sample,) = read_samples(self._inputs, 1, request.tensors)
                return timed(self._loaded().bind(sample), request.effort)
            case CountInstructions():
                raise MobilekitError("instructions are counted by the emulator, and this is none")
            case ProfileRuns():
                raise MobilekitError("only the C++ runners write a profile")
            case Memory():
                return MemoryUsed(peak_bytes=self._memory.bytes() if self._memory else None)

    def _load(self, path: Path, threads: int) -> Loaded:
        self._session = None
        gc.unfreeze()
        self._memory = PeakMemory()
        start = time.perf_counter_ns()
        self._session = self._runner.load(path, threads)
        return Loaded(load_ms=(time.perf_counter_ns() - start) / 1e6)

    def _run(self, request: Run) -> Ran:
        session, feed = self._loaded(), request.feed
        samples = read_samples(self._inputs, request.samples, request.tensors)
        results = [run_stream(session, sample, feed) if feed else session.run(sample) for sample in samples]
        write_samples(self._outputs, results)
        return Ran(tensors=len(results[0]))

    def _loaded(self) -> Session:
        if self._session is None:
            raise MobilekitError("no artifact is loaded")
        return self._session


def timed(call: Callable[[], object], effort: Effort) -> Timed:
    """Time `call` with the garbage collector off. Warm-up may take a quarter of `max_seconds`, but one run at least.

    What survives a collection is set aside, or each later block would wait for another walk over all that the
    runtime's import left (torch: about 100 ms).
    """
    clock = time.perf_counter_ns
    warmed, start = 0, clock()
    while warmed < effort.warmup and (warmed == 0 or clock() - start < effort.max_seconds * 1e9 / 4):
        call()
        warmed += 1
    taken: list[int] = []
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        taken_away, start = _preemptions(), clock()
        while True:
            before = clock()
            call()
            after = clock()
            taken.append(after - before)
            spent = (after - start) / 1e9
            enough = len(taken) >= effort.min_runs and spent >= effort.min_seconds
            if enough or len(taken) >= effort.max_runs or spent >= effort.max_seconds:
                return Timed(nanoseconds=tuple(taken), warmup=warmed, preemptions=_preemptions() - taken_away)
    finally:
        gc.enable()


def _preemptions() -> int:
    """How often the system took a core from a thread of this process that wanted to go on."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def serve(served: Served, requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer until the caller closes its end. What a runtime raises is an answer too."""
    while line := requests.readline():
        try:
            reply: Reply = served.answer(decode_request(line))
        except Exception as error:
            reply = _refusal(error)
        _send(reply, replies)


def in_its_own_words(error: Exception) -> str:
    """A runtime's message; the exception's name where it has none, or where it is one of Python's own."""
    text = error.message if isinstance(error, MobilekitError) else str(error).strip()
    if isinstance(error, RuntimeError | MobilekitError) or not type(error).__module__.startswith("builtins"):
        return text or type(error).__name__
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def end_with_caller(lifeline: int) -> None:
    """Exit when the other end of `lifeline` closes, which it does however the caller ends; nothing is ever sent on it.

    A thread waits for that. It cannot act while a runtime holds the interpreter's lock, so on Linux the kernel is
    asked to send SIGIO as well, whose default action ends a process.
    """
    threading.Thread(target=_exit_at_end_of, args=(lifeline,), daemon=True).start()
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            signal.signal(signal.SIGIO, signal.SIG_DFL)
            fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
            fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def _exit_at_end_of(lifeline: int) -> None:
    with contextlib.suppress(OSError):
        os.read(lifeline, 1)
    os._exit(0)


def _refusal(error: Exception) -> Refused:
    if os.environ.get("MOBILEKIT_VERBOSE"):
        traceback.print_exc()
    return Refused(message=in_its_own_words(error), hint=error.hint if isinstance(error, MobilekitError) else None)


def _send(reply: Reply, replies: BinaryIO) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).fflush(None)  # what C code printed belongs to this request's part of the log
    replies.write(encode(reply))
    replies.flush()


def main(name: str, threads: int, *descriptors: int) -> None:
    """Prepare the runner called `name`, say so, and serve."""
    for one in descriptors:
        os.set_inheritable(one, False)  # a library's own child must not keep them open
    requests, replies, lifeline, inputs, outputs = descriptors
    end_with_caller(lifeline)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's to handle
    limit_this_process()
    with os.fdopen(requests, "rb") as reader, os.fdopen(replies, "wb") as writer:
        try:
            chosen = runner(name)
            if isinstance(chosen, OwnProgram):
                raise MobilekitError(f"{name} is a program of its own")
            chosen.prepare(threads)
        except Exception as error:
            _send(_refusal(error), writer)
            return
        _send(Ready(), writer)
        serve(Served(chosen, io.FileIO(inputs, "r"), io.FileIO(outputs, "r+")), reader, writer)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *(int(one) for one in sys.argv[3:]))
