"""The `mobilekit` command: parses, calls the pipeline, prints. The only place that knows about exit codes and screens."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

import mobilekit
from mobilekit.cli import bench, demo, doctor, export, inspect, listing, train, verify
from mobilekit.cli.screen import complain
from mobilekit.errors import ExitCode, MobilekitError

app = typer.Typer(
    name="mobilekit",
    help="A trained PyTorch model in, a verified, phone-ready bundle out.",
    epilog="Start with `mobilekit demo`. Exit codes: 0 success, 1 a check failed, 2 usage, 4 model, 5 set-up, "
    "6 bundle, 7 runtime (docs/exit-codes.md).",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.command)
app.command("train")(train.command)
app.command("export")(export.command)
app.command("verify")(verify.command)
app.command("bench")(bench.command)
app.command("inspect")(inspect.command)
app.command("doctor")(doctor.command)
app.command("list")(listing.command)


class Terminated(BaseException):
    """SIGTERM, as an exception, so that what is half done is cleaned up."""


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"mobilekit {mobilekit.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what the libraries print, and tracebacks of errors.")
    ] = False,
) -> None:
    if verbose:
        os.environ["MOBILEKIT_VERBOSE"] = "1"


def run() -> NoReturn:
    """Entry point: run the command and end with a documented exit code. Errors are told, never traced."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app(prog_name="mobilekit", standalone_mode=True)
        code = 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except MobilekitError as error:
        complain(error.message, error.hint)
        if os.environ.get("MOBILEKIT_VERBOSE"):
            traceback.print_exc()
        code = error.exit_code
    except KeyboardInterrupt:
        complain("interrupted")
        code = ExitCode.INTERRUPTED
    except Terminated:
        code = ExitCode.TERMINATED
    except BrokenPipeError:  # the reader of our output left, as `| head` does
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        code = _internal(error)
    sys.exit(int(code))


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def _internal(error: Exception) -> ExitCode:
    """A fault of mobilekit's own: the trace goes into a file, since it says nothing to most users."""
    place = "it could not be written down"
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(prefix="mobilekit-", suffix=".log")
        with os.fdopen(handle, "w") as stream:
            stream.write("".join(traceback.format_exception(error)))
        place = str(Path(name))
    complain(
        f"internal error: {type(error).__name__}: {str(error)[:300]}",
        f"this is a fault of mobilekit {mobilekit.__version__}; please report it with this file: {place}",
    )
    return ExitCode.INTERNAL
