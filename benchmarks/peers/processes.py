"""Processes: converters and workers, each in its contender's environment, on one core where the system can hold it.

Whatever goes wrong in one becomes a RefusedError with a line that says why, never an exception of this process.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from contenders import HERE, PROJECT

from mobilekit.bench.pinning import pin

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class RefusedError(Exception):
    """Why there is no figure, in one line."""


def run_timed(
    environment: str, command: Sequence[str | Path], *, cores: tuple[int, ...] | None, limit_s: float
) -> tuple[dict[str, Any], dict[str, float]]:
    """The JSON on a program's last line, and what it took from its start to its end. Raises RefusedError."""
    before, started = _children(), time.perf_counter()
    with _process(environment, command, cores) as (process, log):
        try:
            out, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            raise RefusedError(f"not done within {limit_s:g} s") from None
        if process.returncode != 0:
            raise RefusedError(_ending(process, log))
    took = {"seconds": time.perf_counter() - started, "cpu_seconds": _children() - before}
    try:
        return json.loads(out.splitlines()[-1]), took
    except (ValueError, IndexError):
        raise RefusedError("it answered nothing that can be read") from None


class Worker:
    """`with Worker(python, "litert", cores=None) as worker: worker.ask("load", files=[...], threads=1)`"""

    def __init__(self, environment: str, python: Path, runtime: str, *, cores: tuple[int, ...] | None) -> None:
        self._start = _process(environment, [python, HERE / "worker.py", runtime], cores)

    def __enter__(self) -> Self:
        self._process, self._log = self._start.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._start.__exit__(kind, error, trace)

    def ask(self, what: str, *, limit_s: float = 600, **words: Any) -> dict[str, Any]:
        """The reply. Raises RefusedError when the runtime refuses, is silent for `limit_s`, or has ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": what, **words}) + "\n")
            self._process.stdin.flush()
            if not select.select([self._process.stdout], [], [], limit_s)[0]:
                raise RefusedError(f"did not {what} within {limit_s:g} s")
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._process.wait()
            raise RefusedError(_ending(self._process, self._log))
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise RefusedError(reply["error"])
        return reply


@contextlib.contextmanager
def _process(
    environment: str, command: Sequence[str | Path], cores: tuple[int, ...] | None
) -> Iterator[tuple[subprocess.Popen[str], Any]]:
    """In a session of its own, killed with all that it started when the block ends."""
    variables = {**os.environ, **dict.fromkeys(_THREADS, "1")}
    if environment != PROJECT:
        variables.pop("PYTHONPATH", None)
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [*map(str, command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=variables,
            start_new_session=True,
        )
        try:
            if cores is not None:
                pin(process.pid, cores)
            yield process, log
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()


def _ending(process: subprocess.Popen[str], log: Any) -> str:
    """`exit 1: ModuleNotFoundError: ...`, or the signal."""
    log.seek(0)
    lines = [line.strip() for line in log.read().splitlines() if line.strip()]
    code = process.returncode
    how = f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit {code}"
    return f"{how}: {lines[-1][:200]}" if lines else how


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
