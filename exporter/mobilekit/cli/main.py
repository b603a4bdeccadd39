"""The `mobilekit` command's entry: runs it, and ends with a documented exit code. Errors are told, never traced."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import traceback
from typing import NoReturn

import mobilekit
from mobilekit.cli import signals
from mobilekit.errors import ExitCode, MobilekitError


def run() -> NoReturn:
    """Run the command that sys.argv names, and exit."""
    signals.listen()
    code = _ending()
    signals.end_quietly()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    sys.exit(code)


def _ending() -> int:
    """The exit code of the command; whatever it raised has been told."""
    try:
        code = _outcome()
    except BaseException:  # a signal while an error was being told
        code = int(signals.exit_code() or ExitCode.INTERNAL)
    stopped = signals.exit_code()
    if stopped is None or code == ExitCode.OK:
        return code
    if stopped is ExitCode.INTERRUPTED:
        _tell("interrupted", error=False)
    return int(stopped)


def _outcome() -> int:
    try:
        from mobilekit.cli.app import app

        app(prog_name="mobilekit")
    except SystemExit as ending:
        return _code_of(ending)
    except MobilekitError as error:
        if signals.exit_code() is None:  # else a stage took the signal for an error of its own
            _tell(error.message, error.hint)
        if os.environ.get("MOBILEKIT_VERBOSE"):
            traceback.print_exc()
        return int(error.exit_code)
    except (KeyboardInterrupt, signals.Terminated):
        return int(signals.exit_code() or ExitCode.INTERRUPTED)
    except Exception as error:
        if signals.exit_code() is None:
            _tell(*_internal(error))
        return int(ExitCode.INTERNAL)
    return int(ExitCode.OK)


def _code_of(ending: SystemExit) -> int:
    if isinstance(ending.__context__, BrokenPipeError):  # the reader of our output left, as `| head` does
        return int(ExitCode.OK)
    return ending.code if isinstance(ending.code, int) else int(ending.code is not None)


def _tell(message: str, hint: str | None = None, *, error: bool = True) -> None:
    from mobilekit.cli.screen import complain, remark

    with contextlib.suppress(OSError):
        complain(message, hint) if error else remark(message)


def _internal(error: Exception) -> tuple[str, str]:
    """A fault of mobilekit's own, in words: the trace goes into a file, since it says nothing to most users."""
    place = "it could not be written down"
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(prefix="mobilekit-", suffix=".log")
        with os.fdopen(handle, "w") as stream:
            stream.write("".join(traceback.format_exception(error)))
        place = name
    return (
        f"internal error: {type(error).__name__}: {str(error)[:300]}",
        f"this is a fault of mobilekit {mobilekit.__version__}; please report it with this file: {place}",
    )
