"""What is drawn on a terminal, and what is written where there is none."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import textwrap
import time
from pathlib import Path

import pytest

WORK = """
    import os, sys, time
    from mobilekit.cli.screen import ScreenProgress
    from mobilekit.quiet import quiet
    with ScreenProgress() as progress:
        with progress.task("reading a rather long name of a data set (train)", total=40) as task, quiet():
            for step in range(40):
                print("CHATTER", flush=True)
                os.write(2, b"CHATTER")
                time.sleep(0.02)
                task.say("a remark that is too long for the line " + "x" * 60 if step < 39 else "40 read")
                task.advance()
        progress.warn("something to know")
        with progress.task("lowering"), quiet():
            time.sleep(0.3)
        with progress.task("nothing to do"):
            pass
        print("a model's own print")
        for number in range(30):
            with progress.task(f"piece {number}"):
                time.sleep(0.06)
    print("THE RESULT")
"""
ESCAPE = re.compile(r"\x1b\[\??[\d;]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[[\d;]*3\d[\d;]*m")


def on_a_terminal(code: str, columns: int = 80, **env: str) -> str:
    """Everything that a program writes to a terminal of 24 lines."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    kept = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**kept, "TERM": "xterm-256color", **env},
    )
    os.close(slave)
    seen, deadline = b"", time.monotonic() + 60
    with contextlib.suppress(OSError):  # Linux says so when the other side is closed
        while select.select([master], [], [], deadline - time.monotonic())[0] and (part := os.read(master, 1 << 16)):
            seen += part
    os.close(master)
    assert process.wait(30) == 0, seen.decode()
    return seen.decode()


def final_lines(text: str, columns: int) -> list[str]:
    """What stands on the screen at the end: cursor movements and erasures carried out."""
    lines, row, column = [""], 0, 0
    for part in re.finditer(r"\x1b\[\??(\d*)[\d;]*([A-Za-z])|.|\n", text):
        sign = part[0]
        if sign == "\r":
            column = 0
        elif sign == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part[2] == "A":
            row = max(0, row - int(part[1] or 1))
        elif part[2] == "K":
            lines[row] = ""
        elif not part[2]:
            assert column < columns, f"wider than the screen: {lines[row]!r}"
            lines[row] = lines[row].ljust(column)[:column] + sign + lines[row].ljust(column)[column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]


@pytest.mark.parametrize("columns", [80, 50])
def test_bars_move_while_libraries_are_kept_quiet_and_leave_a_line_each(columns: int) -> None:
    seen = on_a_terminal(WORK, columns)
    assert "CHATTER" not in seen
    frames = re.findall(r"\S lowering +0:00:00", ESCAPE.sub("", seen))
    assert len({frame[0] for frame in frames}) >= 2, "the spinner does not turn while a library works"
    lines = [line for line in final_lines(seen, columns) if line]
    assert [line for line in lines if line.startswith("✓ reading") or "40 read" in line]
    assert "warning: something to know" in lines
    assert re.match(r"✓ lowering: 0\.\d s$", next(line for line in lines if "lowering" in line))
    assert not any("nothing to do" in line for line in lines)
    pieces = [line for line in lines if line.startswith("✓ piece")]
    assert len(pieces) == 30, "more pieces of work than the terminal has lines"
    assert lines[-1] == "THE RESULT"
    assert "a model's own print" in lines


def test_no_color() -> None:
    assert COLOUR.search(on_a_terminal(WORK))
    assert not COLOUR.search(on_a_terminal(WORK, NO_COLOR="1"))


def test_a_dumb_terminal_gets_lines() -> None:
    seen = on_a_terminal(WORK, TERM="dumb")
    assert "\x1b[2K" not in seen
    assert "lowering: 0." in seen


def test_without_a_terminal_results_and_progress_do_not_mix(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(WORK)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "THE RESULT\n"
    assert "\x1b" not in done.stderr
    lines = done.stderr.splitlines()
    assert re.match(r"reading a rather long name of a data set \(train\): \d\.\d s  40 read$", lines[0])
    assert lines[1] == "warning: something to know"
    assert re.match(r"lowering: 0\.\d s$", lines[2])
    assert lines[3] == "a model's own print"
    assert len(lines) == 34


def test_an_error_on_an_ascii_terminal() -> None:
    code = """
        from mobilekit.cli.screen import ScreenProgress, complain
        try:
            with ScreenProgress() as progress, progress.task("working"):
                raise OSError("no")
        except OSError:
            complain("it broke [bold]really[/]", "mend it")
    """
    seen = on_a_terminal(code, PYTHONIOENCODING="ascii", NO_COLOR="1")
    lines = [line for line in final_lines(seen, 80) if line]
    assert lines == ["* working: stopped", "error: it broke [bold]really[/]", "hint: mend it"]
