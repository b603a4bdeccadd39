"""Tally: losses and hits of many batches, looked at as seldom as the device likes, and never NaN unseen."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobilekit.errors import ModelError
from mobilekit.train.distributed import ALONE, World

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Score:
    """Mean cross-entropy in nats and the share of samples whose arg-max is their label."""

    loss: float
    top1: float
    samples: int
    seconds: float


class Tally:
    """A running mean over samples. `what` and `batches` name the batch whose loss is not finite."""

    def __init__(self, what: str, batches: int | None = None) -> None:
        self._what, self._batches = what, batches
        self._pending: list[tuple[torch.Tensor, torch.Tensor, int]] = []
        self._loss, self._correct, self._samples, self._seen = 0.0, 0, 0, 0
        self._start = time.perf_counter()

    def add(self, loss: torch.Tensor, correct: torch.Tensor, samples: int) -> None:
        """Note a batch; its figures stay on the device until settle()."""
        self._pending.append((loss, correct, samples))

    def settle(self, *, finite: bool = True) -> None:
        """Bring the noted figures to the host. Raises ModelError at the first loss that is not finite."""
        import torch

        if not self._pending:
            return
        losses = torch.stack([loss for loss, _, _ in self._pending]).tolist()
        correct = torch.stack([hits for _, hits, _ in self._pending]).tolist()
        for loss, hits, (_, _, samples) in zip(losses, correct, self._pending, strict=True):
            self._seen += 1
            if finite and not math.isfinite(loss):
                of = f" of {self._batches}" if self._batches else ""
                raise ModelError(
                    f"the loss is {loss} in {self._what}, batch {self._seen}{of}; training stopped",
                    hint="lower the learning rate; the best weights of the epochs before are kept",
                )
            self._loss += loss * samples
            self._correct += hits
            self._samples += samples
        self._pending.clear()

    @property
    def loss(self) -> float:
        return self._loss / max(1, self._samples)

    @property
    def per_second(self) -> float:
        """Samples per second so far."""
        return self._samples / max(1e-9, time.perf_counter() - self._start)

    def score(self, world: World = ALONE) -> Score:
        """The mean over all that the processes of `world` noted."""
        import torch

        self.settle(finite=False)
        seconds = time.perf_counter() - self._start
        sums = torch.tensor([self._loss, self._correct, self._samples], dtype=torch.float64)
        loss, correct, samples = world.total(sums).tolist()
        return Score(loss / samples, correct / samples, int(samples), seconds)
