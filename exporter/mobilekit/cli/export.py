"""`mobilekit export`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mobilekit.cli.options import (
    DATA_NAMES,
    CalibrationOption,
    Corrupt,
    CorruptOption,
    ForceOption,
    InputOption,
    JsonOption,
    ModelArgument,
    SeedOption,
    TestOption,
    ThreadsOption,
    WeightsOption,
    data_of,
    inputs_of,
    settings_of,
)
from mobilekit.cli.outcome import fail_on_checks, show_bundle
from mobilekit.cli.screen import ScreenProgress


class Form(StrEnum):
    """Which form of a model with a [stream] table."""

    stream = "stream"
    whole = "whole"


def command(
    model: ModelArgument,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            "-t",
            metavar="TARGET",
            help="xnnpack, onnx, coreml; may be given several times. Default: the recipe's, else all.",
            show_default=False,
        ),
    ] = None,
    quantize: Annotated[
        list[str] | None,
        typer.Option(
            "--quantize",
            "-q",
            metavar="SCHEME",
            help="fp32, int8, int8-qat, mixed, fp16, ... (`mobilekit list schemes`); may be given several times. "
            "Default: the recipe's, else fp32 and int8.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="The bundle to write. Default: bundles/MODEL.", show_default=False
        ),
    ] = None,
    inputs: InputOption = None,
    weights: WeightsOption = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA",
            help=f"What calibrates (its train split) and measures (its test split): {DATA_NAMES}. "
            "Default: the recipe's; without any, random input.",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Any field of the recipe's [quantize]: --set observer=mse --set bias_correction=true "
            "--set adaround=true.",
            show_default=False,
        ),
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(
            "--max-drop",
            metavar="POINTS",
            min=0,
            max=100,
            help="Also make scheme mixed: as few layers in float as are needed to lose no more points of top-1 than "
            "this on the calibration samples.",
            show_default=False,
        ),
    ] = None,
    calibration_samples: CalibrationOption = None,
    test_samples: TestOption = None,
    seed: SeedOption = None,
    corrupt: CorruptOption = Corrupt.refuse,
    form: Annotated[
        Form | None,
        typer.Option(
            "--form",
            help="stream: fed a few frames at a time, as the sound comes; whole: a sample at once. "
            "Default: stream where the recipe has a [stream] table.",
            show_default=False,
        ),
    ] = None,
    threads: ThreadsOption = None,
    bench: Annotated[bool, typer.Option("--bench/--no-bench", help="Measure latency, load time and memory.")] = True,
    golden: Annotated[
        int | None,
        typer.Option(
            "--golden",
            metavar="N",
            min=1,
            help="How many test samples the bundle carries for an app's own tests. Default: 5.",
            show_default=False,
        ),
    ] = None,
    cache: Annotated[
        bool,
        typer.Option(
            "--cache/--no-cache", help="Take what an earlier export made of the same (`mobilekit cache` shows it)."
        ),
    ] = True,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Export a model to every target, verify each artifact against eager, and measure it.

    \b
    Examples:
      mobilekit export runs/digits_cnn -o bundles/digits
      mobilekit export torchvision:mobilenet_v3_small -t xnnpack -t onnx -q int8 \\
          --data imagefolder:photos
      mobilekit export runs/mobilenet -q int8 --set adaround=true --set bias_correction=true
      mobilekit export runs/mobilenet -q fp32 -q int8 --max-drop 0.5
      mobilekit export net.py:build -i image:batch=1..8,3,96,96 -i meta:batch,4 -q fp32

    Ends with 0 when every check passed, 1 when one failed (the bundle is written all the same).
    """
    from mobilekit.lower import check_schemes
    from mobilekit.model import resolve
    from mobilekit.pipeline import ExportOptions, export_source
    from mobilekit.pipeline.golden import DEFAULT_COUNT
    from mobilekit.quantize.schemes import MIXED
    from mobilekit.spec.load import revalidated

    specs = inputs_of(inputs)
    if target or quantize:  # wrong names are told before a model is loaded
        check_schemes(target or (), quantize or ())
    with ScreenProgress() as progress:
        source = resolve(model, inputs=specs, weights=weights)
        recipe = source.recipe
        changes = settings_of(settings or [], recipe.quantize, "quantize")
        if max_drop is not None:
            changes["max_drop"] = max_drop
            quantize = quantize and [*quantize, MIXED]
        options = ExportOptions(
            targets=tuple(target) if target else None,
            schemes=tuple(quantize) if quantize else None,
            data=data_of(recipe.data, data, calibration_samples, test_samples, seed),
            corrupt=corrupt.value,
            threads=threads,
            bench=bench,
            golden=golden or DEFAULT_COUNT,
            force=force,
            cache=cache,
            form=form.value if form else None,
            quantize=revalidated(recipe.quantize, changes),
        )
        bundle = export_source(source, output or Path("bundles") / recipe.name, options, progress=progress)
    show_bundle(bundle, as_json=as_json)
    fail_on_checks(bundle.manifest)
