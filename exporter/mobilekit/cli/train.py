"""`mobilekit train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mobilekit.cli.options import (
    DATA_NAMES,
    Corrupt,
    CorruptOption,
    InputOption,
    JsonOption,
    ModelArgument,
    WeightsOption,
    data_of,
    inputs_of,
)
from mobilekit.cli.outcome import quoted, trained
from mobilekit.cli.screen import ScreenProgress, remark


def command(
    model: ModelArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="The run to write. Default: runs/MODEL.", show_default=False
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data", metavar="DATA", help=f"What to train on: {DATA_NAMES}. Default: the recipe's.", show_default=False
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", metavar="N", min=1, help="Default: the recipe's.", show_default=False),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", metavar="N", min=1, help="Default: the recipe's.", show_default=False),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option("--lr", metavar="RATE", help="Peak learning rate. Default: the recipe's.", show_default=False),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            metavar="N",
            min=0,
            help="Of initial weights, order and augmentation. Default: the recipe's.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda or mps.")] = "auto",
    inputs: InputOption = None,
    weights: WeightsOption = None,
    corrupt: CorruptOption = Corrupt.refuse,
    force: Annotated[bool, typer.Option("--force", "-f", help="Train anew a run that is there already.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a model and leave a run, which is a model too: `mobilekit export RUN`.

    A run holds the best weights as safetensors, metrics as JSON lines, and run.json. Ctrl-C leaves the best weights
    so far, and the run can be exported.

    \b
    Examples:
      mobilekit train digits_cnn
      mobilekit train lenet --data fashion-mnist --epochs 5 -o runs/fashion
      mobilekit train path/to/my_model --data imagefolder:photos
    """
    from mobilekit.model import resolve
    from mobilekit.pipeline import train_source
    from mobilekit.spec.load import revalidated

    specs = inputs_of(inputs)
    with ScreenProgress() as progress:
        source = resolve(model, inputs=specs, weights=weights)
        changes: dict[str, Any] = {
            "epochs": epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "seed": seed,
        }
        spec = revalidated(source.recipe.train, {key: value for key, value in changes.items() if value is not None})
        place = output or Path("runs") / source.recipe.name
        try:
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
        except KeyboardInterrupt:
            _tell_what_is_left(place)
            raise
    if as_json:
        typer.echo(result.card.model_dump_json(indent=2))
        return
    card = result.card
    typer.echo(f"{trained(card)} (best epoch {card.best_epoch} of {card.epochs_done})")
    typer.echo(f"run: {place}")
    typer.echo(f"next: mobilekit export {quoted(place)}")


def _tell_what_is_left(run: Path) -> None:
    """After Ctrl-C: what of the training can be used."""
    from mobilekit.errors import MobilekitError
    from mobilekit.model.run import load_run_card

    try:
        card = load_run_card(run)
    except MobilekitError:
        return  # it had not begun
    if (run / card.weights).is_file():
        what = f"the best weights of {card.epochs_done} epochs" if card.epochs_done else "the weights so far"
        remark(f"{what} are kept: mobilekit export {quoted(run)}")
