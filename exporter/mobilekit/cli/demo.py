"""`mobilekit demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mobilekit.cli.options import JsonOption
from mobilekit.cli.outcome import fail_on_checks, show_bundle, trained
from mobilekit.cli.screen import ScreenProgress


def command(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the run and the bundle go.")
    ] = Path("mobilekit-demo"),
    as_json: JsonOption = False,
) -> None:
    """The whole way on real data in about a minute, without network.

    Trains a small convolutional network on handwritten digits (scikit-learn's), exports it in float and int8 for
    ExecuTorch, ONNX and Core ML, verifies each artifact and measures it. An earlier demo in the folder is replaced.
    """
    from mobilekit.pipeline import demo

    with ScreenProgress() as progress:
        result = demo(output, progress=progress)
    if not as_json:
        typer.echo(f"{trained(result.training.card)}\n")
    show_bundle(result.bundle, as_json=as_json)
    fail_on_checks(result.bundle.manifest)
