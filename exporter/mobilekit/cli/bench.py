"""`mobilekit bench`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mobilekit.cli.options import BundleArgument, JsonOption, RunnerOption
from mobilekit.cli.outcome import show
from mobilekit.cli.screen import ScreenProgress, remark, results
from mobilekit.errors import UsageError


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
    imported: Annotated[
        list[Path] | None,
        typer.Option(
            "--import",
            metavar="FILE",
            help="Measure nothing; read what the app's benchmark screen shared from a phone, show it beside the desk's "
            "figures, and keep it in the bundle for its report. May be given again.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure latency, load time and peak memory of a bundle's artifacts.

    Each runs against eager PyTorch, alone in a process of its own, all in turns. The figures are for this machine;
    docs/benchmarking.md says what they mean for a phone. Changes nothing, but with --import.

    \b
    Examples:
      mobilekit bench bundles/digits_cnn
      mobilekit bench bundles/digits_cnn --threads 1 --threads 2 --batch 1 --batch 8 --seconds 5
      mobilekit bench bundles/digits_cnn --self-check --cold 10 --json
      mobilekit bench bundles/digits_cnn --runner native --instructions cortex-a76
      mobilekit bench bundles/digits_cnn --import pixel.json --import iphone.json
    """
    if imported:
        if threads or batch or cold or self_check or runner or instructions:
            raise UsageError("--import measures nothing, so it goes with --json only")
        _show_imported(bundle, imported, as_json=as_json)
        return
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


def _show_imported(folder: Path, paths: list[Path], *, as_json: bool) -> None:
    from mobilekit.bundle import Bundle
    from mobilekit.bundle.device import import_device_benches
    from mobilekit.report.phones import phone_rows, print_phones

    found = Bundle.load(folder)
    benches = import_device_benches(found, paths)
    if as_json:
        typer.echo(json.dumps([row.model_dump() for row in phone_rows(found.manifest, benches)], indent=2))
    else:
        print_phones(found.manifest, benches, results())
    remark(f"kept in {found.path / 'device'}; mobilekit report shows it")
