"""A training run, from first batch to run card. Refuses to go on after a loss that is not finite.

The folder is usable at any moment (see keeper.py). Ctrl-C keeps the best weights so far, or the current ones when no
epoch was completed; `resume` goes on after the last completed epoch, to the same bits on one CPU process.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.errors import DataError, ModelError
from mobilekit.model.run import RunCard
from mobilekit.model.weights import load_weights
from mobilekit.progress import SILENT, Progress
from mobilekit.spec.train import TrainSpec
from mobilekit.train.checkpoint import BEST, State, load_state
from mobilekit.train.data import TrainingData, place
from mobilekit.train.device import resolve_device, suitable_threads
from mobilekit.train.distributed import World, joined, launched
from mobilekit.train.keeper import Folder, History, Keeper, Spectator
from mobilekit.train.loop import Loop, make_loop
from mobilekit.train.metrics import EpochMetrics, highest
from mobilekit.train.tally import Score

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
    resume: bool = False,
    progress: Progress = SILENT,
) -> TrainResult:
    """Train `module` and leave a run in `run_dir`; the module ends on the CPU, in eval mode, with the best weights.

    `card` says what the caller knows (model, data, environment, created); what is measured is filled in. The best
    epoch is the last whose validation top-1 lies within one standard error of the highest. The test part is used once,
    at the end, with the best weights. The caller's random state is left as it was. On the CPU the same seed gives
    the same bits. With `resume` the run's newest whole checkpoint is gone on from, if there is one. Under torchrun
    every process calls this; the leader writes, and all see the same folder.

    Raises ModelError (the model does not fit the data, or its loss is not finite), UsageError for options that do not
    fit them, DataError when every checkpoint is damaged, SetupError, StorageError; KeyboardInterrupt passes through
    after the folder is put in order.
    """
    world = launched()
    target = resolve_device(device, world.local)
    state = _state_of(run_dir, progress) if resume else None
    values = spec.batch_size * sum(array[0].size for array in data.train.inputs)
    with joined(world, target), _own_randomness(target), suitable_threads(values):
        loop = make_loop(module, data, spec, target, world)
        if state is not None:
            loop.restore(state)
        opening = _opening_card(card, data, spec, target, world)
        keeper: Keeper = Folder(run_dir, opening, loop.best_module, progress) if world.leads else Spectator(opening)
        with keeper.opened(state.history if state else ()):
            _all_epochs(loop, data, keeper, state.history if state else (), progress)
            world.wait()
            load_weights(loop.best_module, run_dir / BEST)
            keeper.complete(loop.score(place(data.test, target)))
        if loop.average is not None:
            module.load_state_dict(loop.best_module.state_dict())
        module.to("cpu").eval()
    return TrainResult(run_dir, keeper.card, run_dir / BEST)


def _all_epochs(loop: Loop, data: TrainingData, keeper: Keeper, history: History, progress: Progress) -> None:
    spec, validation = loop.spec, place(data.validation, loop.device)
    shown = progress if loop.world.leads else SILENT
    with shown.task(f"training on {data.source}", total=spec.epochs * loop.batches) as task:
        task.advance(len(history) * loop.batches)
        for epoch in range(len(history) + 1, spec.epochs + 1):
            if _waited_enough(history, spec):
                task.advance((spec.epochs - len(history)) * loop.batches)
                return
            start = time.perf_counter()
            trained = loop.train_epoch(epoch, task)
            validated = loop.score(validation)
            history = (*history, _metrics(loop, epoch, trained, validated, time.perf_counter() - start))
            keeper.keep(loop, history)
            task.say(f"epoch {epoch}/{spec.epochs}  loss {trained.loss:.3f}  validation {validated.top1:.1%}")


def _waited_enough(history: History, spec: TrainSpec) -> bool:
    """Whether the highest top-1 lies `patience` epochs back."""
    if spec.patience is None or not history:
        return False
    return len(history) - highest(history).epoch >= spec.patience


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


def _state_of(run_dir: Path, progress: Progress) -> State | None:
    state = load_state(run_dir, progress)
    if state is not None and not (run_dir / BEST).is_file():
        raise DataError(
            f"{run_dir} has checkpoints but no {BEST}", hint="the file was removed; train anew, with --force"
        )
    return state


def _opening_card(card: RunCard, data: TrainingData, spec: TrainSpec, device: torch.device, world: World) -> RunCard:
    return card.model_copy(
        update={
            "seed": spec.seed,
            "train": spec,
            "epochs_planned": spec.epochs,
            "train_samples": len(data.train),
            "val_samples": len(data.validation),
            "weights": BEST,
            "device": str(device),
            "processes": world.size,
        }
    )


@contextlib.contextmanager
def _own_randomness(device: torch.device) -> Iterator[None]:
    """Leave torch's global random state as it was found."""
    import torch

    cuda = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        yield
