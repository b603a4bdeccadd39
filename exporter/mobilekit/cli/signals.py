"""Signals: Ctrl-C, SIGTERM and SIGHUP become exceptions, so that what is half done is cleaned up.

A library may swallow an exception that is raised in the middle of it (a destructor, a callback from C++). `check`,
which the work calls at every step, raises it again then.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from types import FrameType

from mobilekit.errors import ExitCode

_CLEANING_SECONDS = 5.0
"""A second Ctrl-C within this time is taken for impatience: it would only interrupt the cleaning up."""
_CODES = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.TERMINATED,
}
_received: list[tuple[signal.Signals, float]] = []


class Terminated(BaseException):
    """SIGTERM or SIGHUP."""


class Interrupted(KeyboardInterrupt):
    """SIGINT.

    Not KeyboardInterrupt itself: where that leaves `exec` of a string, which libraries use, Python remembers it and
    ends by the signal, whatever was caught and cleaned up since.
    """


def listen() -> None:
    """Handle the signals that end a program, except those that were ignored when it started (nohup, `&`)."""
    for number in _CODES:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _handle)
    sys.unraisablehook = _unraisable


def end_quietly() -> None:
    """From here on nothing is left to clean up, and a signal must not show a trace of the interpreter's shutdown."""
    for number in _CODES:
        signal.signal(number, signal.SIG_IGN)


def check() -> None:
    """Raise what a signal stands for, if one was received."""
    if _received:
        raise _exception(_received[0][0])


def exit_code() -> ExitCode | None:
    """What the program ends with after a signal; None when there was none."""
    return _CODES[_received[0][0]] if _received else None


def _handle(number: int, frame: FrameType | None) -> None:
    cleaning = bool(_received) and time.monotonic() - _received[-1][1] < _CLEANING_SECONDS
    if not cleaning:
        _received.append((signal.Signals(number), time.monotonic()))
        raise _exception(_received[0][0])


def _exception(number: signal.Signals) -> BaseException:
    return Interrupted() if number == signal.SIGINT else Terminated()


def _unraisable(event: sys.UnraisableHookArgs) -> None:
    """Python prints what a destructor raises; a signal that happened to arrive there is told by `check`."""
    with contextlib.suppress(TypeError):
        if issubclass(event.exc_type, KeyboardInterrupt | Terminated):
            return
    if os.environ.get("MOBILEKIT_VERBOSE"):
        sys.__unraisablehook__(event)
