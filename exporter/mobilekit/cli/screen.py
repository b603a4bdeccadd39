"""The screen: results on standard output, progress and complaints on standard error; plain text without a terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TextIO

import typer
from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Task as Row
from rich.table import Column, Table
from rich.text import Text

from mobilekit.cli import signals
from mobilekit.progress import Task

_WORTH_A_LINE_SECONDS = 0.05
_BAR_WIDTH = 12
_WORTH_AN_ESTIMATE = 3.0  # seconds


def results() -> Console:
    """Standard output."""
    return Console(highlight=False)


def print_columns(rows: Sequence[Sequence[Text]]) -> None:
    """Aligned columns on standard output; on a terminal the last one wraps, elsewhere nothing is wrapped or cut."""
    console = results()
    if console.is_terminal:
        table = Table.grid(padding=(0, 2, 0, 0))
        for index, _ in enumerate(rows[0]):
            last = index == len(rows[0]) - 1
            table.add_column(no_wrap=not last, overflow="fold", ratio=1 if last else None)
        for row in rows:
            table.add_row(*row)
        console.print(table)
        return
    widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        *cells, last_cell = (cell.plain for cell in row)
        head = "".join(f"{cell:<{width + 2}}" for cell, width in zip(cells, widths, strict=False))
        for number, line in enumerate(last_cell.split("\n")):
            typer.echo((head if number == 0 else " " * len(head)) + line)


def print_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """Labels and what they stand for; a label that repeats is printed once."""
    rows, before = [], ""
    for label, value in pairs:
        rows.append((Text("" if label == before else label, style="bold"), Text(value)))
        before = label
    print_columns(rows)


def complain(message: str, hint: str | None = None) -> None:
    """An error on standard error, in red where there is a terminal."""
    console = _console()
    console.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)
    if hint:
        console.print(Text.assemble(("hint: ", "bold"), hint), soft_wrap=True)


def remark(text: str) -> None:
    """A sentence on standard error."""
    _console().print(Text(text), soft_wrap=True)


def warn(text: str) -> None:
    """A warning on standard error."""
    _console().print(Text.assemble(("warning: ", "bold yellow"), text), soft_wrap=True)


class ScreenProgress:
    """Draws bars on a terminal, and leaves one line for each finished piece of work, on a terminal or elsewhere.

    It writes to a copy of standard error, because the pipeline points the real one away while libraries chatter.
    While it is open, what anything else writes to standard output goes to standard error: a model's own print()
    must not get into the JSON that a program reads.
    """

    def __init__(self) -> None:
        self._console = _console()
        self._draws = self._console.file.isatty() and not self._console.is_dumb_terminal
        self._bars = _bars(self._console)
        self._held = contextlib.ExitStack()

    def __enter__(self) -> ScreenProgress:
        self._held.enter_context(_stdout_to_stderr())
        if self._draws:
            self._held.enter_context(self._bars)
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    @contextlib.contextmanager
    def task(self, title: str, total: int | None = None) -> Iterator[Task]:
        """See mobilekit.progress.Progress."""
        signals.check()
        start = time.monotonic()
        row = _Row(self._bars, self._bars.add_task(title, total=total, remark=""))
        try:
            yield row
        except BaseException:
            self._bars.remove_task(row.id)
            if self._draws:
                self._console.print(Text(f"{_sign(self._console, '✗')} {title}: stopped", style="red"), soft_wrap=True)
            raise
        self._bars.remove_task(row.id)
        self._finished(title, time.monotonic() - start, row.remark)
        signals.check()

    def warn(self, text: str) -> None:
        """See mobilekit.progress.Progress."""
        self._console.print(Text.assemble(("warning: ", "bold yellow"), text), soft_wrap=not self._draws)

    def _finished(self, title: str, seconds: float, said: str) -> None:
        if seconds < _WORTH_A_LINE_SECONDS and not said:
            return
        sign = f"{_sign(self._console, '✓')} " if self._draws else ""
        line = Text.assemble((sign, "green"), f"{title}: {seconds:.1f} s", (f"  {said}" if said else "", "dim"))
        self._console.print(line, soft_wrap=not self._draws)


class _Row:
    """One bar; it also notices a signal that some library has swallowed."""

    def __init__(self, bars: Progress, row: TaskID) -> None:
        self._bars, self.id, self.remark = bars, row, ""

    def advance(self, steps: int = 1) -> None:
        signals.check()
        self._bars.advance(self.id, steps)

    def say(self, text: str) -> None:
        self.remark = text
        self._bars.update(self.id, remark=text)


class _Steps(ProgressColumn):
    """A bar and `12/359` where the number of steps is known; for a single step it would never move."""

    def __init__(self, *, unicode: bool) -> None:
        super().__init__(Column(no_wrap=True))
        self._done, self._open = ("━", "━") if unicode else ("#", "-")

    def render(self, task: Row) -> Text:
        if not task.total or task.total < 2:
            return Text("")
        filled = int(_BAR_WIDTH * min(1.0, task.completed / task.total))
        rest = self._open * (_BAR_WIDTH - filled)
        steps = f"{rest} {task.completed:.0f}/{task.total:.0f}"
        return Text.assemble((self._done * filled, "green"), (steps, "dim"))


class _Left(ProgressColumn):
    """`4:12 left` for work that takes longer than it takes to read."""

    def render(self, task: Row) -> Text:
        if not task.total or task.total < 2 or task.time_remaining is None or (task.elapsed or 0) < _WORTH_AN_ESTIMATE:
            return Text("")
        minutes, seconds = divmod(int(task.time_remaining), 60)
        hours, minutes = divmod(minutes, 60)
        clock = f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
        return Text(f"{clock} left", style="dim")


def _bars(console: Console) -> Progress:
    """One line for each piece of work under way, never wider than the screen: the remark is cut off first."""
    return Progress(
        SpinnerColumn("dots" if _draws_unicode(console) else "line"),
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        _Steps(unicode=_draws_unicode(console)),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        _Left(table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[remark]}", style="dim", table_column=Column(no_wrap=True, ratio=1)),
        console=console,
        expand=True,
        transient=True,
    )


def _draws_unicode(console: Console) -> bool:
    return console.encoding.startswith("utf")


def _sign(console: Console, sign: str) -> str:
    return sign if _draws_unicode(console) else "*"


@cache
def _console() -> Console:
    """Standard error as it was when it was first asked for."""
    return Console(file=_own_stderr(), highlight=False)


def _own_stderr() -> TextIO:
    try:
        number = sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):
        return sys.stderr
    return os.fdopen(os.dup(number), "w", buffering=1, encoding=sys.stderr.encoding, errors="replace")


@contextlib.contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    try:
        sys.stdout.flush()
        kept = os.dup(1)
    except OSError:
        yield
        return
    try:
        os.dup2(2, 1)
        yield
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
