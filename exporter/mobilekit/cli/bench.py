"""`mobilekit bench`."""

from __future__ import annotations

from typing import Annotated

import typer

from mobilekit.cli.options import BundleArgument, JsonOption, RunnerOption
from mobilekit.cli.outcome import show
from mobilekit.cli.screen import ScreenProgress, results


def command(
    bundle: BundleArgument,
    runs: Annotated[
        int,
        typer.Option("--runs", metavar="N", min=1, max=10_000, help="At least this many timed inferences for each."),
    ] = 50,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="S", min=0.0, max=600.0, help="Time each for at least this long.")
    ] = 0.5,
    rounds: Annotated[
        int, typer.Option("--rounds", metavar="N", min=1, max=1000, help="In so many turns, back and forth.")
    ] = 10,
    warmup: Annotated[int, typer.Option("--warmup", metavar="N", min=0, help="Inferences before timing starts.")] = 10,
    threads: Annotated[
        list[int] | None,
        typer.Option(
            "--threads",
            metavar="N",
            min=1,
            max=256,
            help="Threads of each runtime; may be given again. Default: every core, or 1 for a small input.",
            show_default=False,
        ),
    ] = None,
    batch: Annotated[
        list[int] | None,
        typer.Option(
            "--batch",
            metavar="N",
            min=1,
            max=4096,
            help="Samples in one call, where the artifact takes so many; may be given again. Default: 1.",
            show_default=False,
        ),
    ] = None,
    cold: Annotated[
        int,
        typer.Option("--cold", metavar="N", min=0, max=1000, help="Also load and run once in N new processes each."),
    ] = 0,
    self_check: Annotated[
        bool,
        typer.Option("--self-check", help="Also time a second copy of each: how far apart equals come out."),
    ] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of load order and bootstrap.")] = 0,
    runner: RunnerOption = None,
    instructions: Annotated[
        str | None,
        typer.Option(
            "--instructions",
            metavar="CPU",
            help="Also count the Arm instructions of one inference of each .pte, in all and by operator, on this "
            "emulated core: cortex-a53, cortex-a76 or max. Needs QEMU; docs/runners.md.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure latency, load time and peak memory of a bundle's artifacts.

    Each runs against eager PyTorch, alone in a process of its own, all in turns. The figures are for this machine;
    docs/benchmarking.md says what they mean for a phone. Changes nothing.

    \b
    Examples:
      mobilekit bench bundles/digits_cnn
      mobilekit bench bundles/digits_cnn --threads 1 --threads 2 --batch 1 --batch 8 --seconds 5
      mobilekit bench bundles/digits_cnn --self-check --cold 10 --json
      mobilekit bench bundles/digits_cnn --runner native --instructions cortex-a76
    """
    from mobilekit.bundle import Bundle
    from mobilekit.pipeline import BenchOptions, bench_bundle
    from mobilekit.report import print_latencies
    from mobilekit.runners import Effort

    options = BenchOptions(
        effort=Effort(warmup=warmup, min_runs=runs, min_seconds=seconds, max_seconds=max(20.0, 4 * seconds)),
        rounds=rounds,
        seed=seed,
        batches=tuple(dict.fromkeys(batch or ())),
        cold_starts=cold,
        self_check=self_check,
    )
    with ScreenProgress() as progress:
        manifest = bench_bundle(
            Bundle.load(bundle),
            threads=tuple(dict.fromkeys(threads or ())),
            options=options,
            runner=runner,
            instructions=instructions,
            progress=progress,
        )
    show(manifest, as_json=as_json)
    if not as_json:
        print_latencies(manifest, results())
