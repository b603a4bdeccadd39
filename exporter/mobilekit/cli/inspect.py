"""`mobilekit inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mobilekit.cli.options import JsonOption
from mobilekit.cli.screen import print_pairs


def command(
    artifact: Annotated[
        Path,
        typer.Argument(metavar="ARTIFACT", help="A .pte, .onnx, .mlpackage or .pt2, or a bundle.", show_default=False),
    ],
    as_json: JsonOption = False,
) -> None:
    """What is inside an artifact or a bundle; reads it, never executes it.

    Inputs and outputs, operators, delegates and what fell outside them, bytes and planned memory.

    \b
    Examples:
      mobilekit inspect bundles/digits_cnn
      mobilekit inspect bundles/digits_cnn/digits_cnn.xnnpack.int8.pte --json
    """
    from mobilekit.inspection import inspect_artifact

    found = inspect_artifact(artifact)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        print_pairs(list(found.lines()))
