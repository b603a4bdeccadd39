"""`mobilekit inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mobilekit.cli.options import JsonOption


def command(
    artifact: Annotated[
        Path,
        typer.Argument(metavar="ARTIFACT", help="A .pte, .onnx, .mlpackage or .pt2, or a bundle.", show_default=False),
    ],
    as_json: JsonOption = False,
) -> None:
    """What is inside an artifact: inputs, outputs, operators, delegates and what fell outside them, bytes, memory.

    Reads the file; never executes it.
    """
    from mobilekit.inspection import inspect_artifact

    found = inspect_artifact(artifact)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    for label, value in found.lines():
        typer.echo(f"{label:<22} {value}")
