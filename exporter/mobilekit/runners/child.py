"""Child: a fresh process with pipes to it, unnamed files shared with it, and its log. Knows nothing of runtimes.

It runs in a session of its own, so that Ctrl-C reaches only the caller; it is killed with everything it started. A
pipe that is never written to tells it when the caller is gone. No named files are made, so none can be left behind.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mobilekit.files import storage_errors

_LONGEST_LINE = 64 << 20
_LOG_LINES, _LOG_BYTES = 8, 16 << 10
_GRACE_SECONDS = 5


class ChildEndedError(Exception):
    """The child is no more; the message says how it ended."""


class ChildSilentError(Exception):
    """The child did not answer in time."""


def python(module: str, *args: str) -> list[str]:
    """The command that runs a module in a fresh interpreter."""
    # -P: a file called onnx.py in the working folder must not be taken for the package
    return [sys.executable, "-P", "-W", "ignore", "-m", module, *args]


class Child:
    """`COMMAND... FDS...`, where FDS are: requests, replies, lifeline, inputs, outputs."""

    def __init__(self, command: Sequence[str], variables: Mapping[str, str]) -> None:
        self._open = contextlib.ExitStack()
        self._unread = b""
        try:
            with storage_errors(Path(tempfile.gettempdir())):
                self.inputs, self.outputs, self._log = (self._unnamed_file() for _ in range(3))
            self._process = self._launch(command, variables)
        except BaseException:
            self._open.close()
            raise
        self._log_mark = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, line: bytes) -> None:
        """Send one request. A child that has ended is noticed by `receive`, which can say how."""
        self._log_mark = os.fstat(self._log.fileno()).st_size
        with contextlib.suppress(BrokenPipeError):
            os.write(self._requests, line)

    def receive(self, timeout_s: float) -> bytes:
        """One line, without its newline. Raises ChildSilentError, ChildEndedError."""
        deadline = time.monotonic() + timeout_s
        parts = [self._unread]
        while b"\n" not in parts[-1]:
            if not select.select([self._replies], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise ChildSilentError
            part = os.read(self._replies, 1 << 16)
            if not part or sum(map(len, parts)) > _LONGEST_LINE:
                raise ChildEndedError(self._ending())
            parts.append(part)
        line, _, self._unread = b"".join(parts).partition(b"\n")
        return line

    def log_tail(self) -> str:
        """The last lines of what was printed since the last request."""
        size = os.fstat(self._log.fileno()).st_size
        start = max(self._log_mark, size - _LOG_BYTES)
        # pread leaves the position alone, which the child writes at
        text = os.pread(self._log.fileno(), size - start, start).decode(errors="replace")
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]
        return "\n".join(lines[-_LOG_LINES:])

    def close(self) -> None:
        """Kill it and what it started; safe to call twice."""
        self._open.close()

    def _launch(self, command: Sequence[str], variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
        request_read, self._requests = self._pipe(1)
        self._replies, reply_write = self._pipe(0)
        lifeline_read, self._lifeline = self._pipe(1)
        theirs = (request_read, reply_write, lifeline_read)
        descriptors = (*theirs, self.inputs.fileno(), self.outputs.fileno())
        log = None if os.environ.get("MOBILEKIT_VERBOSE") else self._log
        try:
            process = subprocess.Popen(
                [*command, *map(str, descriptors)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=descriptors,
                env={**os.environ, **variables},
                start_new_session=True,
            )
        finally:
            for one in theirs:
                os.close(one)
        self._open.callback(_end, process)
        return process

    def _unnamed_file(self) -> io.FileIO:
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (closed with the rest)
        self._open.callback(file.close)
        assert isinstance(file, io.FileIO)  # what buffering=0 gives; typeshed knows only the buffered kind
        return file

    def _pipe(self, mine: int) -> tuple[int, int]:
        ends = os.pipe()
        self._open.callback(os.close, ends[mine])
        return ends

    def _ending(self) -> str:
        try:
            code = self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return "closed its side without ending"
        if code >= 0:
            return f"ended by itself (exit code {code})"
        with contextlib.suppress(ValueError):
            return f"crashed by signal {-code} ({signal.Signals(-code).name})"
        return f"crashed by signal {-code}"


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
