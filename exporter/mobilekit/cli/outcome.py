"""What a command prints about a bundle's figures, and the error it ends with when a check failed."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mobilekit.bundle import Bundle
from mobilekit.bundle.manifest import Manifest
from mobilekit.cli.screen import results
from mobilekit.errors import VerificationFailed
from mobilekit.report import print_results, report_json

if TYPE_CHECKING:
    from mobilekit.model.run import RunCard


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
    place = quoted(bundle.path)
    typer.echo(f"\nbundle: {bundle.path}")
    typer.echo(f"report: {bundle.path / 'report.html'}, everything that was measured, with its evidence")
    typer.echo("next:")
    typer.echo(f"  mobilekit verify {place}")
    typer.echo("      runs every artifact again, for example on another machine")
    typer.echo(f"  mobilekit bench {place}")
    typer.echo("      measures latency, load time and memory again")
    typer.echo(f"  mobilekit inspect {place}")
    typer.echo("      shows what is inside")


def trained(card: RunCard) -> str:
    """`trained digits_cnn on digits: 99.44% top-1 on 359 held-out samples`"""
    reached = "not measured" if card.test_top1 is None else f"{card.test_top1:.2%} top-1"
    return f"trained {card.recipe_name} on {card.data}: {reached} on {card.test_samples} held-out samples"


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


def quoted(path: Path) -> str:
    """The path as a shell takes it."""
    return shlex.quote(str(path))


def as_model(folder: Path) -> str:
    """The folder as an argument that names a model: `./lenet`, since `lenet` alone is the zoo's."""
    return quoted(folder) if folder.is_absolute() or len(folder.parts) > 1 else f"./{quoted(folder)}"
