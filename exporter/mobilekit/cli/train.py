"""`mobilekit train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mobilekit.cli.options import (
    Corrupt,
    CorruptOption,
    DataOption,
    ForceOption,
    InputOption,
    JsonOption,
    ModelArgument,
    WeightsOption,
    data_of,
    inputs_of,
)
from mobilekit.cli.screen import ScreenProgress


def command(
    model: ModelArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="The run to write. Default: runs/MODEL.", show_default=False
        ),
    ] = None,
    data: DataOption = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Default: the recipe's.", show_default=False)
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, help="Default: the recipe's.", show_default=False)
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--lr", help="Peak learning rate. Default: the recipe's.", show_default=False)
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            min=0,
            help="Of initial weights, order and augmentation. Default: the recipe's.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")] = "auto",
    inputs: InputOption = None,
    weights: WeightsOption = None,
    corrupt: CorruptOption = Corrupt.refuse,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train a model and leave a run: best weights as safetensors, metrics as JSON lines, and run.json.

    Examples:

      mobilekit train digits_cnn

      mobilekit train lenet --data fashion-mnist --epochs 5 -o runs/fashion

    Ctrl-C leaves the best weights so far, and the run can be exported. A run is a model: `mobilekit export runs/digits_cnn`.
    """
    from mobilekit.model import resolve
    from mobilekit.pipeline import train_source
    from mobilekit.spec.load import revalidated

    source = resolve(model, inputs=inputs_of(inputs), weights=weights)
    changes: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed}
    spec = revalidated(source.recipe.train, {key: value for key, value in changes.items() if value is not None})
    place = output or Path("runs") / source.recipe.name
    with ScreenProgress() as progress:
        result = train_source(
            source,
            place,
            data=data_of(source.recipe.data, data),
            spec=spec,
            device=device,
            corrupt=corrupt.value,
            force=force,
            progress=progress,
        )
    if as_json:
        typer.echo(result.card.model_dump_json(indent=2))
        return
    card = result.card
    typer.echo(
        f"test top-1 {card.test_top1 or 0:.2%} on {card.test_samples} samples (best epoch {card.best_epoch} of {card.epochs_done})"
    )
    typer.echo(f"run: {place}")
    typer.echo(f"next: mobilekit export {place}")
