"""`mobilekit publish`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mobilekit.cli.options import ForceOption, JsonOption
from mobilekit.cli.outcome import as_model
from mobilekit.cli.screen import ScreenProgress


def command(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="A run that `mobilekit train` wrote, or its folder of several seeds.",
            show_default=False,
        ),
    ],
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The model folder that was trained.", show_default=False)
    ],
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle",
            metavar="BUNDLE",
            help="A bundle of the run: adds what its artifacts reached.",
            show_default=False,
        ),
    ] = None,
    origin: Annotated[
        str | None, typer.Option("--origin", metavar="TEXT", help="Where the data comes from.", show_default=False)
    ] = None,
    data_license: Annotated[
        str | None, typer.Option("--license", metavar="TEXT", help="The data's licence.", show_default=False)
    ] = None,
    ship: Annotated[
        bool,
        typer.Option("--ship/--card-only", help="Or the card alone, for weights too large to come along."),
    ] = True,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Put a run's weights into its model's folder, with a card that says where they come from.

    Writes weights.safetensors and card.json. From then on `mobilekit export FOLDER` uses them.

    \b
    Examples:
      mobilekit publish runs/digits_cnn models/digits_cnn --bundle bundles/digits_cnn
      mobilekit publish runs/lenet models/lenet --origin "our scans, 2026" --force
    """
    from mobilekit.pipeline.publishing import publish
    from mobilekit.pipeline.start import load_torch

    with ScreenProgress() as progress:
        load_torch(progress)
        with progress.task(f"publishing {run}"):
            card = publish(run, folder, bundle=bundle, origin=origin, license=data_license, ship=ship, force=force)
    if as_json:
        typer.echo(card.model_dump_json(indent=2))
        return
    typer.echo(f"{card.model}: {card.describe()}")
    typer.echo(f"trained by: {card.command}")
    typer.echo(f"next: mobilekit export {as_model(folder if ship else run)}")
