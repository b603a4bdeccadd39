"""The commands put together, as typer knows them."""

from __future__ import annotations

import os
from typing import Annotated

import typer

import mobilekit
from mobilekit.cli import (
    bench,
    cache,
    demo,
    doctor,
    embed,
    export,
    gate,
    inspect,
    listing,
    publish,
    report,
    train,
    tune,
    verify,
)

EPILOG = """\b
Start with:
  mobilekit demo                        the whole way on real data, in a minute
  mobilekit train digits_cnn            a run, in runs/digits_cnn
  mobilekit export runs/digits_cnn      its bundle, in bundles/digits_cnn

\b
Exit codes (docs/exit-codes.md):
  0 success    1 a check failed, a regression    2 usage or data
  3 inconclusive (gate)    4 model    5 set-up    6 bundle    7 runtime
  70 fault of mobilekit    130 Ctrl-C
"""

app = typer.Typer(
    name="mobilekit",
    help="A trained PyTorch model in, a verified, phone-ready bundle out.",
    epilog=EPILOG,
    no_args_is_help=True,
    # Plain text: boxes take a third of an 80-column screen, and rewrap the examples.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command("demo", short_help="The whole way on real data, in about a minute.")(demo.command)
app.command("train", short_help="Train a model; leaves a run.")(train.command)
app.command("export", short_help="Make a bundle of a model: lower, verify, measure.")(export.command)
app.command("verify", short_help="Check a bundle, and run it against eager.")(verify.command)
app.command("bench", short_help="Latency, load time and memory of a bundle.")(bench.command)
app.command("gate", short_help="A candidate against its baseline, for CI.")(gate.command)
app.command("tune", short_help="Search for the fastest artifact within an accuracy budget.")(tune.command)
app.command("inspect", short_help="What is inside an artifact or a bundle.")(inspect.command)
app.command("report", short_help="A bundle as one HTML page, or as Markdown.")(report.command)
app.command("embed", short_help="Put a bundle into an Android or iOS app.")(embed.command)
app.command("publish", short_help="Put a run's weights into its model's folder.")(publish.command)
app.command("doctor", short_help="What works on this machine.")(doctor.command)
app.command("cache", short_help="What exports have kept for the next one.")(cache.command)
app.command("list", short_help="Models, targets, schemes, runners, datasets.")(listing.command)


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
