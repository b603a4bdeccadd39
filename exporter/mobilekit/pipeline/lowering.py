"""Lowering: jobs, each a program's file and the artifact to be made of it, here or in a process beside this one.

A typed error of a process beside is raised here as it is. Whatever else goes wrong there (it was killed for memory, a
library crashed, an operator is known to this process only) is no verdict on the model: the job is done again here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, TypeAdapter

from mobilekit import errors
from mobilekit.bundle.manifest import Delegation
from mobilekit.bundle.pte import planned_memory
from mobilekit.environment import available_memory_bytes, usable_cores
from mobilekit.lower import target as target_called
from mobilekit.pipeline.storage import storing
from mobilekit.progress import Progress
from mobilekit.runners.child import Child, ChildEndedError, ChildSilentError, python
from mobilekit.spec import TensorSpec
from mobilekit.spec.base import Spec

if TYPE_CHECKING:
    from torch.export import ExportedProgram

WORTH_NODES = 300
"""Operators to lower in all, from which on a process beside pays for its start (docs/decisions/0012)."""
PROCESS_BYTES, TIMES_PROGRAM = 1_500_000_000, 12
"""What a process beside needs: torch and the converters, and copies of the program."""
_DAY_SECONDS = 86_400.0
ProgramOf = Callable[[Path], "ExportedProgram"]


class Job(Spec):
    """One artifact to be made."""

    target: str
    scheme: str
    program: str
    path: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class Made(Spec):
    """What is said of the artifact that was written to the job's path."""

    kind: Literal["made"] = "made"
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    backends: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    delegation: Delegation | None = None
    planned_memory_bytes: int | None = None
    seconds: float = 0.0


class Failed(Spec):
    """A typed error, to be raised again."""

    kind: Literal["failed"] = "failed"
    error: str
    message: str
    hint: str | None = None


REPLY: TypeAdapter[Made | Failed] = TypeAdapter(Annotated[Made | Failed, Field(discriminator="kind")])


class LostError(Exception):
    """A process beside is gone, or failed in a way that says nothing of the model."""


def lowered(job: Job, program: ExportedProgram) -> Made:
    """Do `job` in this process. Raises what the target raises, and StorageError."""
    start, path = time.perf_counter(), Path(job.path)
    if path.is_dir():  # half of one, by a process that was lost
        shutil.rmtree(path)
    with storing(path):
        found = target_called(job.target).lower(program, job.scheme, path, inputs=job.inputs, outputs=job.outputs)
    return Made(
        inputs=found.inputs,
        outputs=found.outputs,
        backends=found.backends,
        operators=found.operators,
        delegation=found.delegation,
        planned_memory_bytes=planned_memory(path),
        seconds=time.perf_counter() - start,
    )


def failed(error: errors.MobilekitError) -> Failed:
    """`error` as a reply."""
    return Failed(error=type(error).__name__, message=error.message, hint=error.hint)


def error_of(reply: Failed) -> errors.MobilekitError:
    """The error that a reply stands for, of its own class: its message is whole already."""
    kind = getattr(errors, reply.error, errors.ModelError)
    found: errors.MobilekitError = kind.__new__(kind)
    errors.MobilekitError.__init__(found, reply.message, hint=reply.hint)
    return found


def processes_beside(jobs: int, nodes: int, program_bytes: int) -> int:
    """How many processes pay beside this one for `jobs` of programs with `nodes` operators each, and have memory."""
    if jobs < 2 or jobs * nodes < WORTH_NODES:
        return 0
    each = PROCESS_BYTES + TIMES_PROGRAM * program_bytes
    by_memory = (available_memory_bytes() - each) // each  # this process grows, too
    return max(0, min(usable_cores() - 1, jobs - 1, by_memory))


class Team:
    """Up to `size` processes beside this one, started when the first job comes; 0: all is done here.

    `submit` jobs in order; `finish` takes from the end what no other process has begun. Leaving the block ends them.
    """

    def __init__(self, size: int, threads: int, scratch: Path) -> None:
        """`threads` as torch has them here. What the converters leave in temporary files lies in `scratch`."""
        self._threads, self._scratch = threads, scratch
        self._children: list[Child] = []
        self._own = threading.local()
        self._lock, self._closed = threading.Lock(), False
        self._executor = ThreadPoolExecutor(size) if size else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
            for child in self._children:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, signal.SIGKILL)
        if self._executor:
            self._executor.shutdown(cancel_futures=True)
        for child in self._children:
            child.close()

    def submit(self, job: Job) -> Future[Made]:
        """Have a process beside do `job`, when one is free."""
        if self._executor is None:
            return Future()
        return self._executor.submit(self._ask, job)

    def _ask(self, job: Job) -> Made:
        """In a thread: it only waits."""
        try:
            child = self._child()
            child.send(job.model_dump_json().encode() + b"\n")
            reply = REPLY.validate_json(child.receive(_DAY_SECONDS))
        except (ChildEndedError, ChildSilentError, OSError, ValueError, errors.StorageError) as error:
            raise LostError(str(error)) from error
        if isinstance(reply, Failed):
            if reply.error == LostError.__name__:
                raise LostError(reply.message)
            raise error_of(reply)
        return reply

    def _child(self) -> Child:
        child: Child | None = getattr(self._own, "child", None)
        if child is None:
            with self._lock:
                if self._closed:
                    raise LostError("the work has ended")
                self._scratch.mkdir(parents=True, exist_ok=True)
                command = python("mobilekit.pipeline.beside", str(self._threads))
                child = Child(command, {"TMPDIR": str(self._scratch)})
                self._children.append(child)
            self._own.child = child
        return child


def finished(
    work: Sequence[tuple[Job, Future[Made]]], program_of: ProgramOf, progress: Progress
) -> Iterator[tuple[Job, Made]]:
    """The results of all jobs; those that no process beside has begun are done here, the last ones first.

    Raises what lowering raises."""
    beside: list[tuple[Job, Future[Made]]] = []
    alone = all(not future.running() and not future.done() for _, future in work)
    for job, future in work if alone else reversed(work):
        if future.cancel():
            yield job, _here(job, program_of, progress)
            for _, other in work:
                _raise_if_failed(other)
        else:
            beside.insert(0, (job, future))
    for job, future in beside:
        lost = False
        with progress.task(_title(job)) as task:
            try:
                made = future.result()
            except (LostError, CancelledError):
                lost = True
                task.say("again, in this process")
            else:
                task.say(f"{made.seconds:.1f} s in a process beside")
        yield job, _here(job, program_of, progress) if lost else made


def _raise_if_failed(future: Future[Made]) -> None:
    """An error is told at once, and not after all else has been done."""
    if future.done() and not future.cancelled():
        error = future.exception()
        if error is not None and not isinstance(error, LostError):
            raise error


def _here(job: Job, program_of: ProgramOf, progress: Progress) -> Made:
    with progress.task(_title(job)):
        return lowered(job, program_of(Path(job.program)))


def _title(job: Job) -> str:
    return f"lowering to {job.target} {job.scheme}"
