"""`mobilekit verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from mobilekit.cli.options import (
    DATA_NAMES,
    BundleArgument,
    Corrupt,
    CorruptOption,
    JsonOption,
    RunnerOption,
    SeedOption,
    TestOption,
    ThreadsOption,
    data_of,
)
from mobilekit.cli.outcome import fail_on_checks, show
from mobilekit.cli.screen import ScreenProgress
from mobilekit.errors import UsageError


def command(
    bundle: BundleArgument,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA",
            help=f"Data whose test split is run instead: {DATA_NAMES}. Default: what the bundle was measured on.",
            show_default=False,
        ),
    ] = None,
    test_samples: TestOption = None,
    seed: SeedOption = None,
    corrupt: CorruptOption = Corrupt.refuse,
    threads: ThreadsOption = None,
    runner: RunnerOption = None,
    cpu: Annotated[
        str | None,
        typer.Option(
            "--cpu",
            metavar="CPU",
            help="The Arm core that --runner arm64 emulates: cortex-a53, cortex-a76 or max. Default: cortex-a76, or "
            "this machine where it is Arm.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a bundle's hashes, and run its artifacts against eager, here and now.

    The samples are those that the bundle was measured on, where they are at hand; else its golden samples.
    Ends with 0 when every check passed, 1 when one failed, 6 when the bundle is damaged. Changes nothing.

    \b
    Examples:
      mobilekit verify bundles/digits_cnn
      mobilekit verify bundles/digits_cnn --data imagefolder:photos --json
      mobilekit verify bundles/digits_cnn --runner arm64 --cpu cortex-a53
    """
    from mobilekit.bundle import Bundle
    from mobilekit.pipeline import verify_bundle

    if data is None and (test_samples is not None or seed is not None):
        raise UsageError("--test-samples and --seed choose samples of --data, which was not given")
    if cpu is not None and runner != "arm64":
        raise UsageError("--cpu chooses what --runner arm64 emulates, which was not asked for")
    chosen = data_of(None, data, None, test_samples, seed) if data else None
    with ScreenProgress() as progress:
        manifest = verify_bundle(
            Bundle.load(bundle),
            data=chosen,
            corrupt=corrupt.value,
            threads=threads,
            runner=f"{runner}:{cpu}" if cpu else runner,
            progress=progress,
        )
    show(manifest, as_json=as_json)
    fail_on_checks(manifest)
