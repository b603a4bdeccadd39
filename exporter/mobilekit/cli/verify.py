"""`mobilekit verify`."""

from __future__ import annotations

from mobilekit.cli.options import (
    BundleArgument,
    Corrupt,
    CorruptOption,
    DataOption,
    JsonOption,
    SeedOption,
    TestOption,
    ThreadsOption,
    data_of,
)
from mobilekit.cli.outcome import fail_on_checks, show
from mobilekit.cli.screen import ScreenProgress


def command(
    bundle: BundleArgument,
    data: DataOption = None,
    test_samples: TestOption = None,
    seed: SeedOption = None,
    corrupt: CorruptOption = Corrupt.refuse,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a bundle's hashes and run its artifacts on real samples against eager, here and now.

    The samples are those that the bundle was measured on, where they are at hand; else its golden samples.
    Ends with 0 when every check passed, 1 when one failed, 6 when the bundle is damaged. Changes nothing.
    """
    from mobilekit.bundle import Bundle
    from mobilekit.pipeline import verify_bundle

    loaded = Bundle.load(bundle)
    chosen = data_of(None, data, None, test_samples, seed) if data else None
    with ScreenProgress() as progress:
        manifest = verify_bundle(loaded, data=chosen, corrupt=corrupt.value, threads=threads, progress=progress)
    show(manifest, as_json=as_json)
    fail_on_checks(manifest)
