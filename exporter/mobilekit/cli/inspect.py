"""`mobilekit inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobilekit.cli.options import ForceOption, JsonOption, ThreadsOption
from mobilekit.cli.screen import ScreenProgress, print_pairs, remark
from mobilekit.errors import UsageError

if TYPE_CHECKING:
    from mobilekit.inspection import Inspection


def command(
    artifact: Annotated[
        Path,
        typer.Argument(metavar="ARTIFACT", help="A .pte, .onnx, .mlpackage or .pt2, or a bundle.", show_default=False),
    ],
    measure: Annotated[
        bool,
        typer.Option(
            "--measure",
            help="Run it, or each artifact of a bundle, in a process of its own: where the time goes.",
        ),
    ] = False,
    threads: ThreadsOption = None,
    runner: Annotated[
        str,
        typer.Option("--runner", metavar="NAME", help="What measures a .pte: pte, in Python, or native, in C++."),
    ] = "pte",
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            metavar="FILE.svg",
            help="Draw a .pte in the order it runs: delegates, and what runs between them.",
            show_default=False,
        ),
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """What is inside an artifact or a bundle; executes nothing, unless asked to measure.

    Inputs and outputs, operators, weights, delegates and what fell outside them: why, and what cures it.

    \b
    Examples:
      mobilekit inspect bundles/digits_cnn --measure
      mobilekit inspect bundles/digits_cnn/digits_cnn.xnnpack.int8.pte --json
      mobilekit inspect bundles/digits_cnn/digits_cnn.xnnpack.int8.pte --measure --picture partition.svg
    """
    from mobilekit.files import check_own
    from mobilekit.inspection import inspect_artifact
    from mobilekit.inspection.picture import partition_svg

    if threads is not None and not measure:
        raise UsageError("--threads is for --measure, which was not given")
    if runner != "pte" and not measure:
        raise UsageError("--runner is for --measure, which was not given")
    found = inspect_artifact(artifact)
    if picture is not None:
        check_own(picture, force=force)
        partition_svg(found)  # refuses what has no picture before anything runs
    if measure:
        found = _measured(found, threads, runner)
    if picture is not None:
        _draw(found, picture, force)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _print(found)


def _measured(found: Inspection, threads: int | None, runner: str) -> Inspection:
    from mobilekit.bundle import Bundle
    from mobilekit.inspection.bundled import measure_bundle, with_times
    from mobilekit.inspection.native import tracing_runner
    from mobilekit.inspection.profile import measured

    with ScreenProgress() as progress:
        chosen = tracing_runner(runner, progress)
        if found.kind == "bundle":
            bundle = Bundle.load(found.path, check=False)  # its files were held against it just now
            return with_times(found, measure_bundle(bundle, threads=threads, runner=chosen, progress=progress))
        with progress.task(f"running {Path(found.path).name} under the tracer"):
            return measured(found, threads=threads, runner=chosen)


def _draw(found: Inspection, picture: Path, force: bool) -> None:
    from mobilekit.files import write_own
    from mobilekit.inspection.picture import partition_svg

    write_own(picture, partition_svg(found), force=force)
    remark(f"picture: {picture}")


def _print(found: Inspection) -> None:
    from mobilekit.inspection.tables import explanations, listings
    from mobilekit.report.table import plain_table

    print_pairs(list(found.lines()))
    for listing in listings(found):
        typer.echo(f"\n{listing.title}\n")
        typer.echo(plain_table(listing.columns, listing.rows, left=listing.left))
        for number, note in enumerate(listing.notes):
            typer.echo(f"{'' if number else chr(10)}{note}")
    for number, (one, share) in enumerate(explanations(found)):
        if number == 0:
            typer.echo("\nOutside delegates: why, and what cures it")
        typer.echo(f"\n{one.count} x {one.operator}" + (f": {share}" if share else ""))
        pairs = [("  why", one.why), ("  cure", one.cure), *(("  see", reference) for reference in one.references)]
        print_pairs(pairs)
