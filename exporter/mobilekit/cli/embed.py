"""`mobilekit embed`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mobilekit.cli.options import JsonOption
from mobilekit.cli.outcome import quoted
from mobilekit.cli.screen import remark, results, warn
from mobilekit.errors import UsageError

if TYPE_CHECKING:
    from mobilekit.embed import Embedded, Removed

_COLUMNS = ("target", "precision", "MB", "in this app", "file")


def command(
    bundle: Annotated[
        Path,
        typer.Argument(
            metavar="BUNDLE",
            help="A folder that `mobilekit export` wrote. With --remove it may be left out.",
            show_default=False,
        ),
    ],
    app: Annotated[
        Path | None,
        typer.Argument(
            metavar="APP",
            help="The folder of a Gradle or Xcode project, of one of its modules, or above them.",
            show_default=False,
        ),
    ] = None,
    artifact: Annotated[
        list[str] | None,
        typer.Option(
            "--artifact",
            "-a",
            metavar="TARGET:SCHEME",
            help="Embed this artifact; may be given again. Default: all that the app can run, but those that failed "
            "verification.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="Of the bundle's folder in the app. Default: the model's.",
            show_default=False,
        ),
    ] = None,
    golden: Annotated[
        bool, typer.Option("--golden/--no-golden", help="With the golden samples, or without: for a release.")
    ] = True,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take out what embed put in, and the folders that it made.")
    ] = False,
    aar: Annotated[
        Path | None,
        typer.Option(
            "--aar",
            metavar="FILE",
            help="The app's ExecuTorch AAR, or its libexecutorch.so, where it is not what Gradle downloaded.",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="What cannot be checked is refused with exit code 3, not warned of.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", "-f", help="Embed also what the app's runtime cannot run. Never replaces your files."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and say what would be done; write nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Put a bundle into an Android or iOS app, and check that the app's runtime can run it.

    Writes MODULE/src/main/assets/mobilekit/NAME (Android) or Resources/mobilekit/NAME (iOS): the artifacts that fit,
    bundle.json, labels and golden samples. Running it again changes nothing, or replaces what embed wrote itself.
    Reads the ExecuTorch version that the project pins, and ends with 1 when that is too old or lacks something.

    \b
    Examples:
      mobilekit embed bundles/digits_cnn android-demo
      mobilekit embed bundles/digits_cnn MyApp/app --artifact xnnpack:int8 --name digits
      mobilekit embed bundles/digits_cnn ios-demo --dry-run
      mobilekit embed bundles/digits_cnn android-demo --remove
    """
    from mobilekit.embed import embed

    if remove:
        if artifact or aar or strict or force or dry_run or not golden:
            raise UsageError("--remove goes with --name and --json only")
        _show_removed(_removed(bundle, app, name), as_json=as_json)
        return
    if app is None:
        raise UsageError("APP is missing", hint="mobilekit embed BUNDLE APP: the folder of your app's project")
    found = embed(
        bundle,
        app,
        artifacts=artifact or (),
        name=name,
        aar=aar,
        golden=golden,
        strict=strict,
        force=force,
        dry_run=dry_run,
    )
    for finding in found.findings:
        if finding.level != "passed":
            warn(f"{finding.words}; {finding.hint}" if finding.hint else finding.words)
    if as_json:
        typer.echo(json.dumps(_plain(found), indent=2))
    else:
        _show(found)
        if found.outcome in ("embedded", "replaced"):
            remark(f"to undo it: mobilekit embed {quoted(app)} --name {found.name} --remove")


def _removed(bundle: Path, app: Path | None, name: str | None) -> Removed:
    """Remove from `app`, or from the one folder that was given: without a bundle there is no name to take from it."""
    from mobilekit.bundle.store import read_manifest
    from mobilekit.embed import remove

    if app is None:
        return remove(bundle, name)
    return remove(app, name or read_manifest(bundle).model.name)


def _show_removed(removed: Removed, *, as_json: bool) -> None:
    if as_json:
        shown = {"name": removed.name, "place": str(removed.place), "files": removed.files}
        typer.echo(json.dumps({"outcome": "removed", **shown}, indent=2))
    else:
        typer.echo(f"removed {removed.name}: {removed.files} files, from {os.path.relpath(removed.place)}")


def _show(found: Embedded) -> None:
    from mobilekit.report.table import figure, plain_table

    rows = [
        (one.target, one.scheme, figure(one.bytes / 1e6), _status(found, f"{one.target} {one.scheme}"), one.file)
        for one in found.artifacts
    ]
    table = plain_table(_COLUMNS, rows, left=frozenset({0, 1, 3, 4}))
    results().print(table, markup=False, highlight=False, soft_wrap=True)
    typer.echo("")
    for artifact, why in found.left_out:
        typer.echo(f"left out: {artifact.target} {artifact.scheme}, {why}")
    for finding in found.findings:
        if finding.level == "passed" and not finding.about:
            typer.echo(f"checked: {finding.words}")
    typer.echo(
        f"{found.outcome}: {found.files} files, {found.bytes / 1e6:.2f} MB, {found.golden_samples} golden "
        f"samples among them, in {os.path.relpath(found.place)}"
    )


def _status(found: Embedded, label: str) -> str:
    """The worst that was found about the artifact, or about its runtime as a whole."""
    levels = {one.level for one in found.findings if one.about in ("", label)}
    return "cannot run" if "failed" in levels else "not known" if "unknown" in levels or not levels else "fits"


def _plain(found: Embedded) -> dict[str, Any]:
    return {
        "outcome": found.outcome,
        "name": found.name,
        "platform": found.platform,
        "place": str(found.place),
        "files": found.files,
        "bytes": found.bytes,
        "golden_samples": found.golden_samples,
        "artifacts": [
            {"target": one.target, "scheme": one.scheme, "file": one.file, "bytes": one.bytes}
            for one in found.artifacts
        ],
        "left_out": [{"target": one.target, "scheme": one.scheme, "reason": why} for one, why in found.left_out],
        "findings": [
            {"level": one.level, "about": one.about, "words": one.words, "hint": one.hint} for one in found.findings
        ],
    }
