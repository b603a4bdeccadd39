"""`mobilekit tune`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobilekit.cli.options import (
    DATA_NAMES,
    CalibrationOption,
    ForceOption,
    InputOption,
    JsonOption,
    ModelArgument,
    TestOption,
    ThreadsOption,
    WeightsOption,
    data_of,
    inputs_of,
    settings_of,
)
from mobilekit.cli.outcome import fail_on_checks, quoted
from mobilekit.cli.screen import ScreenProgress, results
from mobilekit.errors import VerificationFailed

if TYPE_CHECKING:
    from mobilekit.report.tuned import TuneResult


class Goal(StrEnum):
    """What is made small."""

    latency = "latency"
    size = "size"


def command(
    model: ModelArgument,
    max_drop: Annotated[
        float,
        typer.Option(
            "--max-drop",
            metavar="POINTS",
            min=0,
            max=100,
            help="Accuracy budget: points of top-1 that may be lost against the float model.",
        ),
    ] = 0.5,
    objective: Annotated[
        Goal, typer.Option("--objective", help="The fastest artifact, or the smallest.")
    ] = Goal.latency,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            "-t",
            metavar="TARGET",
            help="Search these; may be given several times. Default: the recipe's that can be measured here.",
            show_default=False,
        ),
    ] = None,
    quantize: Annotated[
        list[str] | None,
        typer.Option(
            "--quantize",
            "-q",
            metavar="SCHEME",
            help="Search these schemes; may be given several times. Default: all that each target takes.",
            show_default=False,
        ),
    ] = None,
    trials: Annotated[
        int, typer.Option("--trials", metavar="N", min=1, max=100_000, help="Candidates in all, of every process.")
    ] = 30,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout", metavar="S", min=0, help="Begin no trial after S seconds. Default: none.", show_default=False
        ),
    ] = None,
    final_seconds: Annotated[
        float,
        typer.Option(
            "--final-seconds",
            metavar="S",
            min=0,
            max=86_400,
            help="How long the finalists may race against the best plain artifact.",
        ),
    ] = 120.0,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="The winner's bundle. Default: bundles/MODEL-tuned.",
            show_default=False,
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="FILE|URL",
            help="Where the study is kept: a SQLite file, or postgresql://USER:PASSWORD@HOST/DATABASE for several "
            "machines. Default: tuning/STUDY.db.",
            show_default=False,
        ),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option("--study", metavar="NAME", help="Its name in there. Default: the model's.", show_default=False),
    ] = None,
    search_only: Annotated[
        bool, typer.Option("--search-only", help="Add trials to the study; another process chooses and exports.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            help="The chart with the Pareto front, .svg or .png. Default: tuning/STUDY.svg.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA",
            help=f"Its train split calibrates and chooses, its test split judges the winner: {DATA_NAMES}. "
            "Default: the recipe's.",
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        int,
        typer.Option(
            "--samples", metavar="N", min=1, help="Held-back training samples that the search goes by, at most."
        ),
    ] = 1000,
    calibration_samples: CalibrationOption = None,
    test_samples: TestOption = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="A field of the recipe's [quantize] for every candidate: --set adaround=true.",
            show_default=False,
        ),
    ] = None,
    inputs: InputOption = None,
    weights: WeightsOption = None,
    threads: ThreadsOption = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of what is tried.")] = 0,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Search for the fastest or smallest artifact within an accuracy budget, by measuring.

    Tries targets, schemes, observers, bias correction, equalization and which layers stay float, plain float and int8
    first; the best then run against each other, and the winner becomes an ordinary bundle. Each artifact is executed
    here, so only targets with a runtime on this machine take part. Stopped or killed, the same command goes on.

    \b
    Examples:
      mobilekit tune digits_cnn
      mobilekit tune runs/mobilenet --max-drop 0.3 -t xnnpack -t onnx --trials 60
      mobilekit tune runs/mobilenet --objective size -q int8 -q mixed --timeout 3600
      mobilekit tune runs/mobilenet --storage postgresql://me@db/tuning --search-only

    Ends with 0 when the winner is within the budget on test data too, 1 when not (the bundle is written all the same).
    """
    from mobilekit.lower import check_schemes
    from mobilekit.model import resolve
    from mobilekit.pipeline import TuneOptions, tune
    from mobilekit.report.tuning import print_tuning
    from mobilekit.spec.load import revalidated

    specs = inputs_of(inputs)
    if target or quantize:
        check_schemes(target or (), quantize or ())
    with ScreenProgress() as progress:
        source = resolve(model, inputs=specs, weights=weights)
        recipe = source.recipe
        options = TuneOptions(
            max_drop=max_drop,
            objective=objective.value,
            targets=tuple(target) if target else None,
            schemes=tuple(quantize) if quantize else None,
            data=data_of(recipe.data, data, calibration_samples, test_samples),
            quantize=revalidated(recipe.quantize, settings_of(settings or [], recipe.quantize, "quantize")),
            samples=samples,
            trials=trials,
            timeout=timeout,
            final_seconds=final_seconds,
            seed=seed,
            threads=threads,
            storage=storage,
            study=study,
            plot=plot,
            search_only=search_only,
            force=force,
        )
        result = tune(source, output or Path("bundles") / f"{recipe.name}-tuned", options, progress=progress)
    if as_json:
        typer.echo(result.model_dump_json(indent=2))
    else:
        print_tuning(result, results())
        _tell(result)
    _fail(result)


def _tell(result: TuneResult) -> None:
    if result.bundle is None:
        return
    place = quoted(Path(result.bundle))
    typer.echo(f"\nbundle: {result.bundle}")
    typer.echo(f"chart: {result.plot}")
    typer.echo(f"study: {result.study} in {result.storage}")
    typer.echo("next:")
    typer.echo(f"  mobilekit report {place}")
    typer.echo("      shows all that was measured of the winner")


def _fail(result: TuneResult) -> None:
    """Raise for a winner that is not what was asked for; the figures have been shown."""
    from mobilekit.bundle import Bundle
    from mobilekit.report.tuning import over_budget

    reason = over_budget(result)
    if reason is not None:
        raise VerificationFailed(
            reason,
            hint="more trials, a larger --max-drop, --set adaround=true, or training for int8 (docs/quantization.md)",
        )
    if result.bundle is not None:
        fail_on_checks(Bundle.load(Path(result.bundle), check=False).manifest)
