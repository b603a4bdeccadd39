"""`mobilekit bench`."""

from __future__ import annotations

from typing import Annotated

import typer

from mobilekit.cli.options import BundleArgument, JsonOption, RunnerOption, ThreadsOption
from mobilekit.cli.outcome import show
from mobilekit.cli.screen import ScreenProgress


def command(
    bundle: BundleArgument,
    runs: Annotated[
        int,
        typer.Option("--runs", metavar="N", min=1, max=10_000, help="At least this many timed inferences for each."),
    ] = 50,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="S", min=0.0, max=600.0, help="Time each for at least this long.")
    ] = 0.5,
    warmup: Annotated[int, typer.Option("--warmup", metavar="N", min=0, help="Inferences before timing starts.")] = 10,
    threads: ThreadsOption = None,
    runner: RunnerOption = None,
    instructions: Annotated[
        str | None,
        typer.Option(
            "--instructions",
            metavar="CPU",
            help="Also count the Arm instructions of one inference of each .pte on this emulated core: cortex-a53, "
            "cortex-a76 or max. Needs QEMU; docs/runners.md.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure latency, load time and peak memory of a bundle's artifacts.

    Each runs against eager PyTorch, alone in a process of its own. The figures are for this machine;
    docs/benchmarking.md says what they mean for a phone. Changes nothing.

    \b
    Examples:
      mobilekit bench bundles/digits_cnn
      mobilekit bench bundles/digits_cnn --threads 1 --seconds 5 --json
      mobilekit bench bundles/digits_cnn --runner native --instructions cortex-a76
    """
    from mobilekit.bundle import Bundle
    from mobilekit.pipeline import bench_bundle
    from mobilekit.runners import Effort

    effort = Effort(warmup=warmup, min_runs=runs, min_seconds=seconds, max_seconds=max(20.0, 4 * seconds))
    with ScreenProgress() as progress:
        manifest = bench_bundle(
            Bundle.load(bundle),
            threads=threads,
            effort=effort,
            runner=runner,
            instructions=instructions,
            progress=progress,
        )
    show(manifest, as_json=as_json)
