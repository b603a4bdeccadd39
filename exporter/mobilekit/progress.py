"""Progress: how long work tells what it does. Stages take a Progress; the command line draws it, libraries need not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol


class Task(Protocol):
    """One piece of work under way."""

    def advance(self, steps: int = 1) -> None:
        """`steps` more of the total are done."""

    def say(self, text: str) -> None:
        """A short remark beside the bar, replacing the last one (for example `loss 0.31`)."""


class Progress(Protocol):
    """Where work reports to."""

    def task(self, title: str, total: int | None = None) -> AbstractContextManager[Task]:
        """Announce a piece of work of `total` steps (None: not known)."""

    def warn(self, text: str) -> None:
        """Something that the user must know and that does not stop the work."""


class _SilentTask:
    def advance(self, steps: int = 1) -> None: ...

    def say(self, text: str) -> None: ...


class _SilentProgress:
    @contextlib.contextmanager
    def task(self, title: str, total: int | None = None) -> Iterator[Task]:
        yield _SilentTask()

    def warn(self, text: str) -> None: ...


SILENT: Progress = _SilentProgress()
