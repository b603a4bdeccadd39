"""The loop: one epoch over the training part, and a score over any part. Knows nothing of files."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobilekit.data.sampling import bits
from mobilekit.errors import ModelError
from mobilekit.model.usercode import call_user
from mobilekit.progress import Task
from mobilekit.spec.image import ImagePreprocess
from mobilekit.spec.recipe import TrainSpec
from mobilekit.train.augment import random_shift, to_model_input
from mobilekit.train.data import Batch, Part, TrainingData, batches_per_epoch, ordered_batches, shuffled_batches
from mobilekit.train.optim import learning_rate, set_learning_rate

if TYPE_CHECKING:
    import torch
    from torch import nn

_SCORING_BATCH = 256


@dataclass(frozen=True)
class Score:
    """Mean cross-entropy in nats and the share of samples whose arg-max is their label."""

    loss: float
    top1: float
    samples: int
    seconds: float


@dataclass(frozen=True, eq=False)
class Loop:
    """What stays the same from epoch to epoch."""

    module: nn.Module
    data: TrainingData
    spec: TrainSpec
    optimizer: torch.optim.Optimizer
    device: torch.device

    @property
    def batches(self) -> int:
        """Batches in an epoch."""
        return batches_per_epoch(self.data.train, self.spec.batch_size)

    def last_learning_rate(self, epoch: int) -> float:
        """The learning rate of the last step of `epoch` (from 1)."""
        return learning_rate(self.spec, epoch * self.batches - 1, self.spec.epochs * self.batches)

    def train_epoch(self, epoch: int, task: Task) -> Score:
        """Train on every batch once. Raises ModelError naming epoch and batch for a loss that is not finite.

        All randomness comes from (seed, epoch): torch's global generator is seeded for the model's own (dropout),
        another one serves the augmentation.
        """
        import torch

        augmenting = torch.Generator().manual_seed(_seed_of(self.spec.seed, epoch, "augmentation"))
        torch.manual_seed(_seed_of(self.spec.seed, epoch, "model"))
        self.module.train()
        tally = _Tally()
        for number, batch in enumerate(self._shuffled(epoch)):
            step = (epoch - 1) * self.batches + number
            set_learning_rate(self.optimizer, learning_rate(self.spec, step, self.spec.epochs * self.batches))
            loss, correct = self._step(batch, augmenting)
            if not math.isfinite(loss):
                raise ModelError(
                    f"the loss is {loss} in epoch {epoch}, batch {number + 1} of {self.batches}; training stopped",
                    hint="lower the learning rate; the best weights of the epochs before are kept",
                )
            tally.add(loss, correct, len(batch))
            task.say(f"epoch {epoch}/{self.spec.epochs}  loss {tally.loss:.3f}")
            task.advance()
        return tally.score()

    def score(self, part: Part) -> Score:
        """Evaluate the module on `part`, in eval mode and without label smoothing."""
        import torch

        self.module.eval()
        tally = _Tally()
        with torch.no_grad():
            for batch in ordered_batches(part, _SCORING_BATCH, device=self.device):
                logits = self._forward(batch, None)
                loss = torch.nn.functional.cross_entropy(logits, batch.labels)
                tally.add(loss.item(), int((logits.argmax(1) == batch.labels).sum()), len(batch))
        return tally.score()

    def check_fits(self) -> None:
        """Run one batch. Raises ModelError when the module does not turn it into one score per class."""
        import torch

        self.module.eval()
        with torch.no_grad():
            logits = self._forward(next(ordered_batches(self.data.train, 2, device=self.device)), None)
        if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or len(logits) != 2:
            given = list(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
            raise ModelError(f"training needs a model that gives (batch, classes); for a batch of 2 it gave {given}")
        largest = max(int(part.labels.max()) for part in (self.data.train, self.data.validation, self.data.test))
        if largest >= logits.shape[1]:
            raise ModelError(
                f"the model gives {logits.shape[1]} classes, {self.data.source} has the label {largest}",
                hint="set the number of classes in recipe.toml's [args]",
            )

    def _shuffled(self, epoch: int) -> Iterator[Batch]:
        spec = self.spec
        return shuffled_batches(self.data.train, spec.batch_size, seed=spec.seed, epoch=epoch, device=self.device)

    def _step(self, batch: Batch, augmenting: torch.Generator) -> tuple[float, int]:
        import torch

        logits = self._forward(batch, augmenting)
        loss = torch.nn.functional.cross_entropy(logits, batch.labels, label_smoothing=self.spec.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.item(), int((logits.detach().argmax(1) == batch.labels).sum())

    def _forward(self, batch: Batch, augmenting: torch.Generator | None) -> torch.Tensor:
        inputs = batch.inputs
        if self.data.preprocess is not None:
            images = inputs[0]
            if augmenting is not None:
                images = random_shift(images, self.spec.shift_pixels, augmenting)
            inputs = (_as_input(images, self.data.preprocess),)
        return call_user(self.module, *inputs, what="the model's forward()")  # type: ignore[no-any-return]


class _Tally:
    """A running mean over samples."""

    def __init__(self) -> None:
        self._loss, self._correct, self._samples, self._start = 0.0, 0, 0, time.perf_counter()

    def add(self, loss: float, correct: int, samples: int) -> None:
        self._loss += loss * samples
        self._correct += correct
        self._samples += samples

    @property
    def loss(self) -> float:
        return self._loss / self._samples

    def score(self) -> Score:
        seconds = time.perf_counter() - self._start
        return Score(self.loss, self._correct / self._samples, self._samples, seconds)


def _as_input(images: torch.Tensor, preprocess: ImagePreprocess) -> torch.Tensor:
    made = to_model_input(images, preprocess.divisor, preprocess.mean, preprocess.std)
    return made if preprocess.layout == "NCHW" else made.permute(0, 2, 3, 1).contiguous()


def _seed_of(seed: int, epoch: int, purpose: str) -> int:
    return int(bits(1, seed, f"{purpose} in epoch {epoch}")[0]) >> 1
