"""Keeper: the run folder, what is written to it and when. Killed at any moment, it can be resumed and exported.

An epoch is written in this order: the best weights when it is the best, its checkpoint, its line of metrics, the card.
Whatever is missing after a kill is made again from the checkpoint.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mobilekit.errors import MobilekitError
from mobilekit.files import sha256, storage_errors, sweep_files
from mobilekit.model.run import RunCard, write_run_card
from mobilekit.progress import Progress
from mobilekit.train import board
from mobilekit.train.checkpoint import BEST, LAST, remove_states, save_state, save_weights
from mobilekit.train.loop import Loop
from mobilekit.train.metrics import EpochMetrics, append_metrics, best, start_metrics
from mobilekit.train.tally import Score

if TYPE_CHECKING:
    from torch import nn

History = tuple[EpochMetrics, ...]


class Keeper(Protocol):
    """What becomes of a training's results."""

    card: RunCard

    def opened(self, history: History) -> contextlib.AbstractContextManager[None]:
        """Begin, or go on after the epochs of `history`. Puts the folder in order when the block fails."""

    def keep(self, loop: Loop, history: History) -> None:
        """Record the last epoch of `history`. Raises StorageError."""

    def complete(self, test: Score) -> None:
        """Record the end."""


class Folder:
    """The leader's keeper: everything is written to `folder`."""

    def __init__(self, folder: Path, card: RunCard, module: nn.Module, progress: Progress) -> None:
        self.folder, self.card = folder, card
        self._module, self._progress, self._board = module, progress, board.NO_BOARD

    @contextlib.contextmanager
    def opened(self, history: History) -> Iterator[None]:
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            sweep_files(self.folder)
            if not history:
                for name in (BEST, LAST):  # of an earlier run in the same folder
                    (self.folder / name).unlink(missing_ok=True)
        if not history:
            remove_states(self.folder)
        self._write(self._figures(history))
        start_metrics(self.folder, history)
        try:
            with board.opened(self.folder, history, self._progress) as self._board:
                yield
        except BaseException as error:
            self._interrupted(error)
            raise

    def keep(self, loop: Loop, history: History) -> None:
        names = (BEST, LAST) if self._best(history) is history[-1] else (LAST,)
        save_weights(self.folder, loop.best_module, *names)
        save_state(self.folder, loop.state(history))
        append_metrics(self.folder, history[-1])
        self._board.show(history[-1])
        self._write(self._figures(history))

    def complete(self, test: Score) -> None:
        self._write({"status": "complete", "test_top1": test.top1, "test_samples": test.samples})
        remove_states(self.folder)

    def _figures(self, history: History) -> dict[str, Any]:
        """What the card says after the epochs of `history`."""
        changes: dict[str, Any] = {
            "status": "running",
            "epochs_done": len(history),
            "seconds": sum(metrics.seconds for metrics in history) if history else None,
        }
        if history:
            kept = self._best(history)
            changes |= {"best_epoch": kept.epoch, "val_top1": kept.val_top1, "weights_sha256": self._hash()}
        return changes

    def _best(self, history: History) -> EpochMetrics:
        assert self.card.val_samples is not None
        return best(history, self.card.val_samples)

    def _interrupted(self, error: BaseException) -> None:
        """Put the folder in order after `error`. A failure to do so does not hide `error`.

        Without a completed epoch the current weights are kept, unless the model itself is what failed.
        """
        changes: dict[str, Any] = {"status": "interrupted"}
        with contextlib.suppress(MobilekitError, OSError):
            if not self.card.epochs_done and not isinstance(error, Exception):
                save_weights(self.folder, self._module, BEST, LAST)
                changes["weights_sha256"] = self._hash()
            self._write(changes)

    def _hash(self) -> str:
        return sha256(self.folder / BEST)

    def _write(self, changes: dict[str, Any]) -> None:
        self.card = self.card.model_copy(update=changes)
        write_run_card(self.folder, self.card)


class Spectator:
    """The keeper of all other processes: the leader writes for them."""

    def __init__(self, card: RunCard) -> None:
        self.card = card

    @contextlib.contextmanager
    def opened(self, history: History) -> Iterator[None]:
        yield

    def keep(self, loop: Loop, history: History) -> None: ...

    def complete(self, test: Score) -> None: ...
