"""A training run, from first batch to run card. Refuses to go on after a loss that is not finite.

The folder is usable at any moment: weights are replaced whole, and before the card that names them. Ctrl-C keeps the
best weights so far, or the current ones when no epoch was completed.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.errors import MobilekitError, ModelError
from mobilekit.files import sha256, storage_errors
from mobilekit.model.run import RunCard, write_run_card
from mobilekit.model.weights import load_weights
from mobilekit.progress import SILENT, Progress
from mobilekit.spec.recipe import TrainSpec
from mobilekit.train.checkpoint import BEST, LAST, save_checkpoint
from mobilekit.train.data import TrainingData
from mobilekit.train.device import resolve_device, suitable_threads
from mobilekit.train.loop import Loop, Score
from mobilekit.train.metrics import EpochMetrics, append_metrics, start_metrics
from mobilekit.train.optim import make_optimizer

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class TrainResult:
    """What a complete run reached; `weights` is the file of the best epoch's."""

    folder: Path
    card: RunCard
    weights: Path


def train(
    module: nn.Module,
    data: TrainingData,
    spec: TrainSpec,
    run_dir: Path,
    *,
    device: str = "auto",
    card: RunCard,
    progress: Progress = SILENT,
) -> TrainResult:
    """Train `module` and leave a run in `run_dir`; the module ends on the CPU, in eval mode, with the best weights.

    `card` says what the caller knows (model, data, environment, created); what is measured is filled in. The best
    epoch is that with the highest validation top-1, of equals the one with the lower loss. The test part is used once,
    at the end, with the best weights. The caller's random state is left as it was. On the CPU the same seed gives
    the same bits. Raises ModelError (the model does not fit the data, or its loss is not finite), SetupError,
    StorageError; KeyboardInterrupt passes through after the folder is put in order.
    """
    target = resolve_device(device)
    values = spec.batch_size * sum(array[0].size for array in data.train.inputs)
    with _own_randomness(target), suitable_threads(values):
        module.to(target)
        loop = Loop(module, data, spec, make_optimizer(module, spec), target)
        loop.check_fits()
        keeper = _Keeper(run_dir, _opening_card(card, data, spec, target))
        keeper.open()
        try:
            _all_epochs(loop, keeper, progress)
            load_weights(module, run_dir / BEST)
            keeper.complete(loop.score(data.test))
        except BaseException as error:
            keeper.interrupted(module, error)
            raise
        module.to("cpu").eval()
    return TrainResult(run_dir, keeper.card, run_dir / BEST)


def _all_epochs(loop: Loop, keeper: _Keeper, progress: Progress) -> None:
    spec, data = loop.spec, loop.data
    with progress.task(f"training on {data.source}", total=spec.epochs * loop.batches) as task:
        for epoch in range(1, spec.epochs + 1):
            start = time.perf_counter()
            trained = loop.train_epoch(epoch, task)
            validated = loop.score(data.validation)
            metrics = _metrics(loop, epoch, trained, validated, time.perf_counter() - start)
            keeper.keep(loop.module, metrics)
            task.say(f"epoch {epoch}/{spec.epochs}  loss {trained.loss:.3f}  validation {validated.top1:.1%}")


def _metrics(loop: Loop, epoch: int, trained: Score, validated: Score, seconds: float) -> EpochMetrics:
    try:
        return EpochMetrics(
            epoch=epoch,
            train_loss=trained.loss,
            train_top1=trained.top1,
            val_loss=validated.loss,
            val_top1=validated.top1,
            lr=loop.last_learning_rate(epoch),
            images_per_second=trained.samples / trained.seconds,
            seconds=seconds,
        )
    except ValueError as error:  # Spec takes no NaN
        raise ModelError(
            f"the validation loss is {validated.loss} after epoch {epoch}; training stopped",
            hint="lower the learning rate; the best weights of the epochs before are kept",
        ) from error


class _Keeper:
    """The run folder: what is written to it, and when."""

    def __init__(self, folder: Path, card: RunCard) -> None:
        self.folder, self.card = folder, card
        self._best: tuple[float, float] | None = None

    def open(self) -> None:
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in (BEST, LAST):  # of an earlier run in the same folder
                (self.folder / name).unlink(missing_ok=True)
        start_metrics(self.folder)
        write_run_card(self.folder, self.card)

    def keep(self, module: nn.Module, metrics: EpochMetrics) -> None:
        """Record an epoch: weights, then its line, then the card."""
        rank = (metrics.val_top1, -metrics.val_loss)
        better = self._best is None or rank > self._best
        save_checkpoint(self.folder, module, *((BEST, LAST) if better else (LAST,)))
        append_metrics(self.folder, metrics)
        changes: dict[str, Any] = {
            "epochs_done": metrics.epoch,
            "seconds": (self.card.seconds or 0.0) + metrics.seconds,
        }
        if better:
            self._best = rank
            changes |= {"best_epoch": metrics.epoch, "val_top1": metrics.val_top1, "weights_sha256": self._hash()}
        self._write(changes)

    def complete(self, test: Score) -> None:
        self._write({"status": "complete", "test_top1": test.top1, "test_samples": test.samples})

    def interrupted(self, module: nn.Module, error: BaseException) -> None:
        """Put the folder in order after `error`. A failure to do so does not hide `error`.

        Without a completed epoch the current weights are kept, unless the model itself is what failed.
        """
        changes: dict[str, Any] = {"status": "interrupted"}
        with contextlib.suppress(MobilekitError, OSError):
            if self._best is None and not isinstance(error, Exception):
                save_checkpoint(self.folder, module, BEST, LAST)
                changes["weights_sha256"] = self._hash()
            self._write(changes)

    def _hash(self) -> str:
        return sha256(self.folder / BEST)

    def _write(self, changes: dict[str, Any]) -> None:
        self.card = self.card.model_copy(update=changes)
        write_run_card(self.folder, self.card)


def _opening_card(card: RunCard, data: TrainingData, spec: TrainSpec, device: torch.device) -> RunCard:
    return card.model_copy(
        update={
            "seed": spec.seed,
            "train": spec,
            "epochs_planned": spec.epochs,
            "epochs_done": 0,
            "status": "running",
            "best_epoch": None,
            "val_top1": None,
            "test_top1": None,
            "train_samples": len(data.train),
            "val_samples": len(data.validation),
            "test_samples": None,
            "weights": BEST,
            "weights_sha256": None,
            "device": str(device),
            "seconds": None,
        }
    )


@contextlib.contextmanager
def _own_randomness(device: torch.device) -> Iterator[None]:
    """Leave torch's global random state as it was found."""
    import torch

    cuda = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        yield
