"""Worker: an artifact in a runtime in a process of its own, driven from here.

Whatever happens in that process ends as a result or as a RunnerError: it refused (in the runtime's own words),
crashed, timed out, or answered nonsense. Never runs a runtime in the caller's process.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from mobilekit.errors import RunnerError
from mobilekit.files import storage_errors
from mobilekit.runners.arrays import Sample, read_samples, size_of, write_samples
from mobilekit.runners.base import AnyRunner, Array, OwnProgram
from mobilekit.runners.child import Child, ChildEndedError, ChildSilentError, python
from mobilekit.runners.protocol import (
    Counted,
    CountInstructions,
    Effort,
    Load,
    Loaded,
    Memory,
    MemoryUsed,
    Profiled,
    ProfileRuns,
    Ran,
    Ready,
    Refused,
    Request,
    Run,
    Time,
    Timed,
    decode_reply,
    encode,
)
from mobilekit.runners.registry import runner as runner_called
from mobilekit.runners.stream import Feed

R = TypeVar("R", Ready, Loaded, Ran, Timed, Counted, Profiled, MemoryUsed)
_CHUNK_BYTES = 32 << 20
_LARGEST_PROFILE = 512 << 20
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_DAMAGED = "the file may be damaged or cut short, or made for another version of the runtime: export it again"
_SLOW = "give it a longer time limit if the model is merely slow"


@dataclass(frozen=True)
class Timing:
    """Nanoseconds of each timed inference, in the order they ran; `warmup` runs came before and are not among them.

    `preemptions` counts how often the system took a core away meanwhile: other programs were running.
    """

    nanoseconds: tuple[int, ...]
    warmup: int
    preemptions: int


class Worker:
    """`with Worker("pte", Path("model.pte"), threads=2) as worker: outputs = worker.run(samples)`

    Entering starts the process and loads the artifact. `timeout_s` bounds the start, the load and every later
    request, each on its own. Several may be open at once and be timed in turns. A refusal leaves it usable; after a
    crash or a time-out it is gone. Raises UnknownName for the runner, SetupError when its program cannot be built,
    RunnerError for everything that goes wrong later.
    """

    def __init__(self, runner: str | AnyRunner, artifact: Path, *, threads: int, timeout_s: float = 300) -> None:
        self._runner = runner_called(runner) if isinstance(runner, str) else runner
        self._artifact, self._threads = artifact, threads
        self._patience = self._runner.patience if isinstance(self._runner, OwnProgram) else 1.0
        self._timeout_s = timeout_s * self._patience
        self._child: Child | None = None
        self.load_ms = 0.0

    def __enter__(self) -> Self:
        reason = self._runner.unavailable()
        if reason is not None:
            raise RunnerError(f"{self._artifact.name} cannot be executed here: {reason}")
        if not self._artifact.exists():
            raise RunnerError(f"no such artifact: {self._artifact}")
        try:
            self._child = self._start()
            self._receive(Ready, "start")
            self.load(self._artifact)
        except BaseException:
            self.close()
            raise
        return self

    def load(self, artifact: Path) -> None:
        """Load another artifact in the place of the first, into the same process. After a refusal there is none."""
        self._artifact = artifact
        request = Load(artifact=os.path.abspath(artifact), threads=self._threads)
        self.load_ms = self._ask(request, Loaded, "load it", _DAMAGED).load_ms

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process; safe to call twice."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def _start(self) -> Child:
        variables = dict.fromkeys(_THREAD_VARIABLES, str(self._threads))
        if isinstance(self._runner, OwnProgram):
            launch = self._runner.launch(self._threads)
            return Child([*launch.command, str(self._threads)], {**variables, **launch.variables})
        return Child(python("mobilekit.runners.worker", self._runner.name, str(self._threads)), variables)

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return self._child.pid if self._child else None

    def run(self, batches: Iterable[Sequence[Array]], feed: Feed | None = None) -> list[Sample]:
        """Each batch's outputs, in order. Batches are taken as they come, about 32 MiB of them at a time (less of them
        where the runner is slow, so that whoever hands them out knows how far it is).

        With `feed` a batch goes through the artifact piece by piece, and each output is (calls, *shape).
        """
        results: list[Sample] = []
        chunk: list[Sequence[Array]] = []
        held = 0
        for batch in batches:
            if chunk and (held + size_of(batch) > _CHUNK_BYTES / self._patience or len(batch) != len(chunk[0])):
                results += self._run(chunk, feed)
                chunk, held = [], 0
            chunk.append(batch)
            held += size_of(batch)
        return results + (self._run(chunk, feed) if chunk else [])

    def time(self, inputs: Sequence[Array], effort: Effort | None = None) -> Timing:
        """Time inference on `inputs`. To take turns with other workers, call it again and again with `warmup=0`.

        Only the runtime's own call is timed: inputs are in its form already, outputs stay where they are.
        """
        self._write([inputs])
        timed = self._ask(Time(tensors=len(inputs), effort=effort or Effort()), Timed, "run it")
        return Timing(timed.nanoseconds, timed.warmup, timed.preemptions)

    def count(self, inputs: Sequence[Array], *, warmup: int, runs: int) -> tuple[int, ...]:
        """Instructions of each inference on `inputs`. Only a runner that an emulator runs counts them."""
        self._write([inputs])
        request = CountInstructions(tensors=len(inputs), warmup=warmup, runs=runs)
        return self._ask(request, Counted, "count its instructions").instructions

    def profile(self, inputs: Sequence[Array], *, warmup: int, runs: int) -> bytes:
        """The ETDump of `warmup` and `runs` inferences on `inputs`, from a C++ runner only; see bundle/etdump.py.

        Of a runner that counts instructions, one instruction is a microsecond in it.
        """
        self._write([inputs])
        request = ProfileRuns(tensors=len(inputs), warmup=warmup, runs=runs)
        told = self._ask(request, Profiled, "profile it")
        descriptor = self._alive().outputs.fileno()
        size = os.fstat(descriptor).st_size
        if size != told.bytes or size > _LARGEST_PROFILE:
            raise self._lost(f"left {size} bytes in a profile of {told.bytes} (at most {_LARGEST_PROFILE} are read)")
        return os.pread(descriptor, size, 0)

    def peak_memory_bytes(self) -> int | None:
        """Peak resident memory since just before loading, above the level then; see docs/benchmarking.md."""
        return self._ask(Memory(), MemoryUsed, "report its memory").peak_bytes

    def _run(self, samples: Sequence[Sequence[Array]], feed: Feed | None) -> list[Sample]:
        self._write(samples)
        ran = self._ask(Run(samples=len(samples), tensors=len(samples[0]), feed=feed), Ran, "run it")
        try:
            return read_samples(self._alive().outputs, len(samples), ran.tensors)
        except (ValueError, EOFError) as error:
            raise self._lost(f"answered nonsense: {error}") from error

    def _write(self, samples: Sequence[Sequence[Array]]) -> None:
        try:
            with storage_errors(Path(tempfile.gettempdir())):
                write_samples(self._alive().inputs, samples)
        except ValueError as error:
            raise RunnerError(f"{self._artifact.name}: an input is not a plain array: {error}") from error

    def _ask(self, request: Request, kind: type[R], what: str, hint: str | None = None) -> R:
        self._alive().send(encode(request))
        return self._receive(kind, what, hint)

    def _receive(self, kind: type[R], what: str, hint: str | None = None) -> R:
        child = self._alive()
        try:
            line = child.receive(self._timeout_s)
            reply = decode_reply(line)
        except ChildEndedError as ending:
            raise self._lost(f"{ending} when asked to {what}", hint) from None
        except ChildSilentError:
            raise self._lost(f"did not {what} within {self._timeout_s:g} s and was stopped", _SLOW) from None
        except ValueError:
            raise self._lost(f"answered nonsense when asked to {what}: {line[:80]!r}") from None
        if isinstance(reply, Refused):
            raise RunnerError(self._said(f"refused to {what}: {reply.message}"), hint=reply.hint or hint)
        if not isinstance(reply, kind):
            raise self._lost(f"answered nonsense when asked to {what}: {reply.kind!r}")
        return reply

    def _alive(self) -> Child:
        if self._child is None:
            raise RunnerError(f"{self._artifact.name}: its {self._runner.runtime} process is not running any more")
        return self._child

    def _lost(self, what: str, hint: str | None = None) -> RunnerError:
        """The error for a worker that cannot be used again; ends it."""
        message = self._said(what)
        self.close()
        return RunnerError(message, hint=hint)

    def _said(self, what: str) -> str:
        """The sentence, with what the runtime printed below it."""
        tail = self._alive().log_tail()
        lines = "".join(f"\n  {line}" for line in tail.splitlines())
        return f"{self._artifact.name}: {self._runner.runtime} {what}{lines}"
