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
    as_json: JsonOption = False,
) -> None:
    """Check a bundle's hashes, and run its artifacts against eager, here and now.

    The samples are those that the bundle was measured on, where they are at hand; else its golden samples.
    Ends with 0 when every check passed, 1 when one failed, 6 when the bundle is damaged. Changes nothing.

    \b
    Examples:
      mobilekit verify bundles/digits_cnn
      mobilekit verify bundles/digits_cnn --data imagefolder:photos --json
    """
    from mobilekit.bundle import Bundle
    from mobilekit.pipeline import verify_bundle

    if data is None and (test_samples is not None or seed is not None):
        raise UsageError("--test-samples and --seed choose samples of --data, which was not given")
    chosen = data_of(None, data, None, test_samples, seed) if data else None
    with ScreenProgress() as progress:
        manifest = verify_bundle(
            Bundle.load(bundle), data=chosen, corrupt=corrupt.value, threads=threads, progress=progress
        )
    show(manifest, as_json=as_json)
    fail_on_checks(manifest)
