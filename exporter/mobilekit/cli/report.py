"""`mobilekit report`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobilekit.cli.options import DATA_NAMES, BundleArgument, ForceOption, TestOption, ThreadsOption, data_of
from mobilekit.cli.screen import ScreenProgress, remark
from mobilekit.errors import UsageError

if TYPE_CHECKING:
    from mobilekit.bundle import Bundle
    from mobilekit.inspection import Inspection
    from mobilekit.report.samples import Mistakes


def command(
    bundle: BundleArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where the page goes. Default: NAME.html in this folder. With --markdown: standard output.",
            show_default=False,
        ),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Short Markdown for a pull request instead.")] = False,
    measure: Annotated[
        bool, typer.Option("--measure", help="Run eager and each artifact under a tracer: where the time goes.")
    ] = False,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA",
            help=f"Run every artifact on this test split, and show what it gets wrong: {DATA_NAMES}.",
            show_default=False,
        ),
    ] = None,
    test_samples: TestOption = None,
    threads: ThreadsOption = None,
    force: ForceOption = False,
) -> None:
    """One self-contained HTML page about a bundle: no script, no network, light and dark, fit for a phone.

    It shows what the bundle holds: verdicts, accuracy against latency, sizes, what is inside the files, samples, the
    machine. `mobilekit export` writes the same page as report.html. A file of another program is not replaced.

    \b
    Examples:
      mobilekit report bundles/digits_cnn
      mobilekit report bundles/digits_cnn --measure --data digits -o digits.html
      mobilekit report bundles/digits_cnn --markdown | tee -a "$GITHUB_STEP_SUMMARY"
    """
    from mobilekit.bundle import Bundle
    from mobilekit.files import check_own, write_own
    from mobilekit.report import pull_request_markdown, report_html

    if markdown and (measure or data):
        raise UsageError("--measure and --data are for the page; --markdown has no place for what they show")
    if threads is not None and not (measure or data):
        raise UsageError("--threads is for --measure and --data, neither of which was given")
    if test_samples is not None and data is None:
        raise UsageError("--test-samples is for --data, which was not given")
    found = Bundle.load(bundle)
    if markdown and output is None:
        typer.echo(pull_request_markdown(found.manifest), nl=False)
        return
    place = output or Path(f"{found.manifest.model.name}.html")
    _refuse_inside(found, place)
    check_own(place, force=force)
    if markdown:
        write_own(place, f"<!-- {_sign()} -->\n{pull_request_markdown(found.manifest)}", force=force)
    else:
        profiles = _profiles(found, threads) if measure else {}
        mistakes = _mistakes(found, data, test_samples, threads) if data else None
        write_own(place, report_html(found.path, found.manifest, profiles, mistakes), force=force)
    remark(f"report: {place}")


def _sign() -> str:
    from mobilekit.files import MADE_BY

    return MADE_BY


def _refuse_inside(bundle: Bundle, place: Path) -> None:
    """The bundle vouches for its own files, so none of them is written over, not even with --force."""
    listed = {(bundle.path / entry.file).resolve() for entry in bundle.manifest.files()}
    if place.resolve() in {*listed, (bundle.path / "bundle.json").resolve()}:
        raise UsageError(
            f"{place} belongs to the bundle, which would no longer match its bundle.json",
            hint="choose another place with -o",
        )


def _mistakes(bundle: Bundle, data: str, test_samples: int | None, threads: int | None) -> Mistakes:
    from mobilekit.pipeline import find_mistakes

    chosen = data_of(None, data, None, test_samples, None)
    assert chosen is not None
    with ScreenProgress() as progress:
        return find_mistakes(bundle, chosen, threads=threads, progress=progress)


def _profiles(bundle: Bundle, threads: int | None) -> Mapping[str, Inspection]:
    """Measured inspections, by file, of the artifacts that can be measured here."""
    from mobilekit.inspection.bundled import measure_bundle

    with ScreenProgress() as progress:
        return measure_bundle(bundle, threads=threads, progress=progress).found
