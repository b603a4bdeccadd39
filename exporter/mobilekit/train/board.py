"""Board: TensorBoard's event files in a run's tensorboard/ folder. Never read back; metrics.jsonl is the record.

Source: torch.utils.tensorboard, https://docs.pytorch.org/docs/stable/tensorboard.html
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from mobilekit.files import storage_errors
from mobilekit.progress import Progress
from mobilekit.quiet import quiet
from mobilekit.train.metrics import EpochMetrics

FOLDER = "tensorboard"


class Board(Protocol):
    """Where the figures of an epoch are drawn."""

    def show(self, metrics: EpochMetrics) -> None: ...


class _NoBoard:
    def show(self, metrics: EpochMetrics) -> None: ...


NO_BOARD: Board = _NoBoard()


@contextlib.contextmanager
def opened(run: Path, history: tuple[EpochMetrics, ...], progress: Progress) -> Iterator[Board]:
    """A board in `run` that shows `history` first, so that a resumed run's curves are whole.

    Without TensorBoard it says so and shows nothing.
    """
    if find_spec("tensorboard") is None:
        progress.warn("tensorboard is not installed, so no event files are written: pip install tensorboard")
        yield NO_BOARD
        return
    with quiet():
        from torch.utils.tensorboard import SummaryWriter
    with storage_errors(run):
        shutil.rmtree(run / FOLDER, ignore_errors=True)
        writer = SummaryWriter(str(run / FOLDER))
    board = _Events(writer)
    for metrics in history:
        board.show(metrics)
    try:
        yield board
    finally:
        with storage_errors(run):
            writer.close()


class _Events:
    def __init__(self, writer: object) -> None:
        self._writer = writer

    def show(self, metrics: EpochMetrics) -> None:
        figures = {
            "loss/train": metrics.train_loss,
            "loss/validation": metrics.val_loss,
            "top1/train": metrics.train_top1,
            "top1/validation": metrics.val_top1,
            "learning rate": metrics.lr,
            "samples per second": metrics.images_per_second,
        }
        for name, value in figures.items():
            self._writer.add_scalar(name, value, metrics.epoch)  # type: ignore[attr-defined]
        self._writer.flush()  # type: ignore[attr-defined]
