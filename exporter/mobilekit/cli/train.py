"""`mobilekit train`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    settings_of,
)
from mobilekit.cli.outcome import as_model, trained
from mobilekit.cli.screen import ScreenProgress, remark
from mobilekit.errors import UsageError
from mobilekit.progress import SILENT

if TYPE_CHECKING:
    from mobilekit.model.run import RunCard
    from mobilekit.pipeline.seeds import SeedsCard
    from mobilekit.spec import TrainSpec
    from mobilekit.train import TrainResult


def command(
    model: ModelArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="The run to write. Default: runs/MODEL, with --qat runs/MODEL-int8.",
            show_default=False,
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
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Any field of the recipe's [train]: --set ema_decay=0.999 --set augment.flip=true --set amp=bf16.",
            show_default=False,
        ),
    ] = None,
    qat: Annotated[
        str | None,
        typer.Option(
            "--qat",
            metavar="RUN",
            help="Train for int8, from the weights of this run (or any trained model): every step rounds as the "
            "export will. A tenth of the epochs and a fiftieth of the rate, unless told otherwise.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds",
            metavar="N",
            min=2,
            help="Train N times, with seed, seed + 1, ..., and give the mean and the spread.",
            show_default=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda or mps.")] = "auto",
    inputs: InputOption = None,
    weights: WeightsOption = None,
    corrupt: CorruptOption = Corrupt.refuse,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run that is there, after its last complete epoch.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", "-f", help="Train anew a run that is there already.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a model and leave a run, which is a model too: `mobilekit export RUN`.

    A run holds the best weights as safetensors, metrics as JSON lines and as TensorBoard events, a report with the
    curves, and run.json. Ctrl-C leaves the best weights so far, and the run can be exported. After a kill, the same
    command with --resume goes on after the last complete epoch.

    Several GPUs or processes: torchrun --nproc-per-node=N -m mobilekit train MODEL ...

    \b
    Examples:
      mobilekit train digits_cnn
      mobilekit train lenet --data fashion-mnist --epochs 5 -o runs/fashion
      mobilekit train path/to/my_model --data imagefolder:photos --set ema_decay=0.999
      mobilekit train resnet20 --seeds 3
      mobilekit train resnet20 --qat runs/resnet20 -o runs/resnet20-int8
    """
    from mobilekit.model import resolve
    from mobilekit.pipeline import train_seeds, train_source
    from mobilekit.pipeline.qat import for_int8, start_of
    from mobilekit.spec.load import revalidated
    from mobilekit.train.distributed import launched

    specs = inputs_of(inputs)
    leads = launched().leads
    with ScreenProgress() if leads else contextlib.nullcontext(SILENT) as progress:
        if qat is not None and weights is not None:
            raise UsageError("--qat and --weights both name the weights to start from", hint="give one of them")
        start = start_of(qat) if qat is not None else None
        source = resolve(model, inputs=specs, weights=str(start) if start else weights)
        base = for_int8(source.recipe.train) if start else source.recipe.train
        flat = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed}
        changes = {key: value for key, value in flat.items() if value is not None}
        spec = revalidated(base, settings_of(settings or [], base, "train") | changes)
        place = output or Path("runs") / f"{source.recipe.name}{'-int8' if start else ''}"

        def once(folder: Path, spec: TrainSpec) -> TrainResult:
            return train_source(
                source,
                folder,
                data=data_of(source.recipe.data, data),
                spec=spec,
                device=device,
                corrupt=corrupt.value,
                force=force,
                resume=resume,
                qat=qat,
                progress=progress,
            )

        try:
            if seeds is not None:
                several = train_seeds(once, place, spec, seeds)
            else:
                result = once(place, spec)
        except KeyboardInterrupt:
            if leads:
                _tell_what_is_left(place)
            raise
    if not leads:
        return
    if seeds is not None:
        _show_seeds(several, place, as_json=as_json)
    else:
        _show(result.card, place, as_json=as_json)


def _show(card: RunCard, place: Path, *, as_json: bool) -> None:
    if as_json:
        typer.echo(card.model_dump_json(indent=2))
        return
    stopped = "" if card.epochs_done == card.epochs_planned else f", stopped early of {card.epochs_planned}"
    typer.echo(f"{trained(card)} (best epoch {card.best_epoch} of {card.epochs_done}{stopped})")
    typer.echo(f"run: {place}")
    typer.echo(f"next: mobilekit export {as_model(place)}")


def _show_seeds(seeds: SeedsCard, place: Path, *, as_json: bool) -> None:
    if as_json:
        typer.echo(seeds.model_dump_json(indent=2))
        return
    for one in seeds.runs:
        typer.echo(f"seed {one.seed}: {one.test_top1:.2%} top-1")
    typer.echo(
        f"mean {seeds.mean_top1:.2%}, standard deviation {seeds.std_top1 * 100:.2f} points, n = {len(seeds.runs)}"
    )
    typer.echo(f"runs: {place}")
    typer.echo(f"next: mobilekit export {as_model(place / seeds.best.folder)}")


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
        remark(f"{what} are kept: mobilekit export {as_model(run)}")
        remark("the same command with --resume goes on with it")
