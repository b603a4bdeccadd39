"""The demo: train the embedded default on real data, export it everywhere, verify and measure. No network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mobilekit.bundle import Bundle
from mobilekit.errors import OutputExists
from mobilekit.model import resolve
from mobilekit.pipeline.exporting import ExportOptions, export_source
from mobilekit.pipeline.training import train_source
from mobilekit.progress import SILENT, Progress
from mobilekit.train import TrainResult

MODEL = "digits_cnn"


@dataclass(frozen=True)
class DemoResult:
    """Where the run and the bundle are."""

    training: TrainResult
    bundle: Bundle


def demo(folder: Path, *, progress: Progress = SILENT) -> DemoResult:
    """Train `digits_cnn` into `folder`/run and export it into `folder`/bundle; an earlier demo there is replaced."""
    _check_own(folder)
    training = train_source(resolve(MODEL), folder / "run", force=True, progress=progress)
    bundle = export_source(
        resolve(str(folder / "run")), folder / "bundle", ExportOptions(force=True), progress=progress
    )
    return DemoResult(training, bundle)


def _check_own(folder: Path) -> None:
    if not folder.exists():
        return
    strangers = [path.name for path in folder.iterdir() if path.name not in {"run", "bundle"} and path.name[0] != "."]
    if strangers or ((folder / "bundle").exists() and not (folder / "bundle" / "bundle.json").exists()):
        raise OutputExists(f"{folder} holds something else than a demo", hint="choose another folder with -o")
