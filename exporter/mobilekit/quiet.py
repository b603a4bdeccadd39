"""Quiet: keep the chatter of third-party libraries off the user's screen while their code runs.

Only for the duration of a block, and only what the block itself prints: nothing is filtered globally. What was
held back is returned, so that an error can show its last lines, and MOBILEKIT_VERBOSE=1 lets everything through.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Chatter:
    """What a library printed while it was kept quiet."""

    text: str = field(default="")

    def tail(self, lines: int = 8) -> str:
        """The last lines, for an error's hint."""
        return "\n".join([line for line in self.text.splitlines() if line.strip()][-lines:])


@contextlib.contextmanager
def quiet() -> Iterator[Chatter]:
    """Hold back stdout, stderr (also of C++ code), logging and warnings of the block."""
    chatter = Chatter()
    if os.environ.get("MOBILEKIT_VERBOSE"):
        yield chatter
        return
    with tempfile.TemporaryFile() as sink, warnings.catch_warnings(), _handlers_muted(), _redirected(sink):
        warnings.simplefilter("ignore")
        try:
            yield chatter
        finally:
            _flush()
            sink.seek(0)
            chatter.text = sink.read().decode(errors="replace")


@contextlib.contextmanager
def _redirected(sink: io.BufferedRandom | tempfile._TemporaryFileWrapper[bytes]) -> Iterator[None]:
    """Point file descriptors 1 and 2, and Python's streams, to `sink`."""
    _flush()
    saved = [(number, os.dup(number)) for number in (1, 2)]
    writer = io.TextIOWrapper(io.BufferedWriter(_Forgiving(os.dup(sink.fileno()))), write_through=True)
    try:
        for number, _ in saved:
            os.dup2(sink.fileno(), number)
        with contextlib.redirect_stdout(writer), contextlib.redirect_stderr(writer):
            yield
    finally:
        for number, copy in saved:
            os.dup2(copy, number)
            os.close(copy)
        writer.close()


class _Forgiving(io.RawIOBase):
    """A file descriptor; chatter for which there is no room is lost, instead of failing the library that prints it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        with contextlib.suppress(OSError):
            os.write(self._descriptor, data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def _flush() -> None:
    """Python's buffers and the C library's: what C code printed goes where it pointed at that time."""
    sys.stdout.flush()
    sys.stderr.flush()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).fflush(None)


@contextlib.contextmanager
def _handlers_muted() -> Iterator[None]:
    """Disable log records up to ERROR for the block (handlers may hold the real streams).

    What the block itself sets up at the root (`logging.basicConfig`, which also `logging.warning` calls) ends with it:
    it writes to the block's sink.
    """
    root = logging.root
    before, handlers, level = root.manager.disable, root.handlers[:], root.level
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)
        root.handlers[:] = handlers
        root.setLevel(level)
