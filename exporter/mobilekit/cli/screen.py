"""The screen: results on standard output, progress and complaints on standard error; plain text without a terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from mobilekit.progress import Task


def results() -> Console:
    """Standard output."""
    return Console(highlight=False)


def complain(message: str, hint: str | None = None) -> None:
    """An error on standard error, in red where there is a terminal."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print("[bold red]error:[/]", end=" ")
    console.print(message, markup=False)
    if hint:
        console.print("[bold]hint:[/]", end=" ")
        console.print(hint, markup=False)


class ScreenProgress:
    """Draws bars on a terminal, and one line per finished piece of work elsewhere.

    It writes to a copy of standard error, because the pipeline points the real one away while libraries chatter.
    """

    def __init__(self) -> None:
        self._stream = _own_stderr()
        self._console = Console(file=self._stream, highlight=False, soft_wrap=True)
        self._bars = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(elapsed_when_finished=False),
            TextColumn("{task.fields[remark]}", style="dim"),
            console=self._console,
        )

    def __enter__(self) -> ScreenProgress:
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._bars.stop()

    @contextlib.contextmanager
    def task(self, title: str, total: int | None = None) -> Iterator[Task]:
        """See mobilekit.progress.Progress."""
        start = time.monotonic()
        if not self._console.is_terminal:
            line = _Line()
            yield line
            remark = f"  {line.remark}" if line.remark else ""
            self._console.print(f"{title}: {time.monotonic() - start:.1f} s{remark}", markup=False)
            return
        bar = self._bars.add_task(title, total=total, remark="")
        try:
            yield _Bar(self._bars, bar)
        except BaseException:
            self._bars.update(bar, remark="[red]stopped[/]")
            self._bars.stop_task(bar)
            raise
        self._bars.update(bar, total=total or 1, completed=total or 1)

    def warn(self, text: str) -> None:
        """See mobilekit.progress.Progress."""
        self._console.print("[bold yellow]warning:[/]", end=" ")
        self._console.print(text, markup=False)


class _Bar:
    def __init__(self, bars: Progress, bar: TaskID) -> None:
        self._bars, self._bar = bars, bar

    def advance(self, steps: int = 1) -> None:
        self._bars.advance(self._bar, steps)

    def say(self, text: str) -> None:
        self._bars.update(self._bar, remark=text)


class _Line:
    def __init__(self) -> None:
        self.remark = ""

    def advance(self, steps: int = 1) -> None: ...

    def say(self, text: str) -> None:
        self.remark = text


def _own_stderr() -> TextIO:
    try:
        number = sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):
        return sys.stderr
    return os.fdopen(os.dup(number), "w", buffering=1, encoding=sys.stderr.encoding, errors="replace")
