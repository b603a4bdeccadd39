"""What a command prints about a bundle's figures, and the error it ends with when a check failed."""

from __future__ import annotations

from pathlib import Path

import typer

from mobilekit.bundle import Bundle
from mobilekit.bundle.manifest import Manifest
from mobilekit.cli.screen import results
from mobilekit.errors import VerificationFailed
from mobilekit.report import print_results, report_json


def show(manifest: Manifest, *, as_json: bool) -> None:
    """The table, or report.json's content."""
    if as_json:
        typer.echo(report_json(manifest), nl=False)
    else:
        print_results(manifest, results())


def show_bundle(bundle: Bundle, *, as_json: bool) -> None:
    """The table, where the bundle is and what to do next."""
    show(bundle.manifest, as_json=as_json)
    if as_json:
        return
    place = _quoted(bundle.path)
    typer.echo(f"\nbundle: {bundle.path.resolve()}")
    typer.echo("next:")
    typer.echo(f"  mobilekit verify {place}     run every artifact again, for example on another machine")
    typer.echo(f"  mobilekit bench {place}      measure latency again")
    typer.echo(f"  mobilekit inspect {place}    what is inside")
    typer.echo(f"  {bundle.path / 'report.md'} has everything that was measured, with its evidence")


def fail_on_checks(manifest: Manifest) -> None:
    """Raise VerificationFailed naming the artifacts with a failed check."""
    failed = [
        f"{one.target} {one.scheme}: " + ", ".join(check.name for check in one.verification.checks if not check.passed)
        for one in manifest.artifacts
        if one.verification is not None and one.verification.passed is False
    ]
    if failed:
        raise VerificationFailed(
            "verification failed: " + "; ".join(failed),
            hint="docs/verification.md explains each check; more calibration data often helps int8",
        )


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))
