"""`mobilekit report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobilekit.cli.options import BundleArgument, ForceOption, ThreadsOption
from mobilekit.cli.screen import ScreenProgress, remark
from mobilekit.errors import UsageError

if TYPE_CHECKING:
    from mobilekit.bundle import Bundle
    from mobilekit.inspection import Inspection


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
        bool, typer.Option("--measure", help="Run each .pte under ExecuTorch's tracer: where its time goes.")
    ] = False,
    threads: ThreadsOption = None,
    force: ForceOption = False,
) -> None:
    """One self-contained HTML page about a bundle: no script, no network, light and dark, fit for a phone.

    It shows what the bundle holds: verdicts, accuracy against latency, sizes, what is inside the files, samples, the
    machine. `mobilekit export` writes the same page as report.html. A file of another program is not replaced.

    \b
    Examples:
      mobilekit report bundles/digits_cnn
      mobilekit report bundles/digits_cnn --measure -o digits.html
      mobilekit report bundles/digits_cnn --markdown | tee -a "$GITHUB_STEP_SUMMARY"
    """
    from mobilekit.bundle import Bundle
    from mobilekit.files import write_own
    from mobilekit.report import pull_request_markdown, report_html

    if markdown and measure:
        raise UsageError("--measure is for the page; --markdown has no place for the times of operators")
    if threads is not None and not measure:
        raise UsageError("--threads is for --measure, which was not given")
    found = Bundle.load(bundle)
    if markdown and output is None:
        typer.echo(pull_request_markdown(found.manifest), nl=False)
        return
    place = output or Path(f"{found.manifest.model.name}.html")
    _refuse_inside(found, place)
    if markdown:
        write_own(place, f"<!-- {_sign()} -->\n{pull_request_markdown(found.manifest)}", force=force)
    else:
        profiles = _profiles(found, threads) if measure else {}
        write_own(place, report_html(found.path, found.manifest, profiles), force=force)
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


def _profiles(bundle: Bundle, threads: int | None) -> dict[str, Inspection]:
    """Measured inspections of the artifacts that ExecuTorch runs, by file."""
    from mobilekit.inspection import inspect_artifact
    from mobilekit.inspection.profile import measured

    found = {}
    files = [one.file for one in bundle.manifest.artifacts if one.file.endswith(".pte")]
    with ScreenProgress() as progress:
        for file in files:
            with progress.task(f"running {file} under the tracer"):
                found[file] = measured(inspect_artifact(bundle.path / file), threads=threads)
    return found
