"""`mobilekit doctor`."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.text import Text

from mobilekit.cli.options import JsonOption
from mobilekit.cli.screen import ScreenProgress, print_columns
from mobilekit.errors import ExitCode

_STYLES = {"ok": "green", "missing": "bold red", "broken": "bold red", "unavailable-here": "yellow"}


def command(
    quick: Annotated[bool, typer.Option("--quick", help="Versions only: import nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """What works on this machine, and the command that mends what doesn't.

    Ends with 0 when everything that mobilekit needs is there, 5 when something is missing or broken.
    """
    from mobilekit.doctor import diagnose, healthy

    with ScreenProgress() as progress, progress.task("looking at this machine"):
        findings = diagnose(quick=quick)
    if as_json:
        typer.echo(json.dumps([finding.model_dump() for finding in findings], indent=2))
    else:
        rows = [
            (
                Text(finding.status, style=_STYLES[finding.status]),
                Text(f"{finding.area} {finding.name}"),
                Text(finding.detail + (f"\nto mend: {finding.cure}" if finding.cure else "")),
            )
            for finding in findings
        ]
        print_columns(rows)
        verdict = "everything that mobilekit needs is there" if healthy(findings) else "something is missing or broken"
        typer.echo(f"\n{verdict}")
    if not healthy(findings):
        raise typer.Exit(int(ExitCode.SETUP))
