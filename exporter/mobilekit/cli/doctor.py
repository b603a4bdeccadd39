"""`mobilekit doctor`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from mobilekit.cli.options import JsonOption
from mobilekit.cli.screen import results
from mobilekit.errors import ExitCode


def command(
    quick: Annotated[bool, typer.Option("--quick", help="Versions only: import nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """What works on this machine, and the command that mends what doesn't.

    Ends with 0 when everything that mobilekit needs is there, 5 when something is missing or broken.
    """
    from mobilekit.doctor import diagnose, healthy

    findings = diagnose(quick=quick)
    if as_json:
        typer.echo(json.dumps([finding.model_dump() for finding in findings], indent=2))
    else:
        console = results()
        styles = {"ok": "green", "missing": "bold red", "broken": "bold red", "unavailable-here": "yellow"}
        for finding in findings:
            label = f"{finding.area} {finding.name}"
            console.print(f"[{styles[finding.status]}]{finding.status:<16}[/] {label:<32} ", end="")
            console.print(finding.detail, markup=False, soft_wrap=True)
            if finding.cure:
                console.print(f"{'':<17}to mend: ", end="")
                console.print(finding.cure, markup=False, soft_wrap=True)
    if not healthy(findings):
        raise typer.Exit(int(ExitCode.SETUP))
