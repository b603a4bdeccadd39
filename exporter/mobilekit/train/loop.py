"""The loop: one epoch over the training part, and a score over any part. Knows nothing of files."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mobilekit.data.sampling import bits
from mobilekit.errors import ModelError, SetupError
from mobilekit.model.usercode import call_user
from mobilekit.progress import Task
from mobilekit.spec.train import TrainSpec
from mobilekit.train.augment import mixing
from mobilekit.train.checkpoint import State, module_tensors, optimizer_state, restore_optimizer
from mobilekit.train.data import (
    Batch,
    Placed,
    TrainingData,
    batches_per_epoch,
    ordered_batches,
    place,
    shuffled_batches,
)
from mobilekit.train.distributed import ALONE, World
from mobilekit.train.ema import averaged
from mobilekit.train.feed import Feed, make_feed
from mobilekit.train.loss import PLAIN, Loss, make_loss
from mobilekit.train.metrics import EpochMetrics
from mobilekit.train.optim import freeze, frozen_modules, learning_rate, make_optimizer, set_learning_rate
from mobilekit.train.tally import Score, Tally

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.optim.swa_utils import AveragedModel

_SCORING_BATCH = 256
_AHEAD = 20  # steps that a GPU may be ahead of the losses that are looked at; looking waits for it
Mix = Callable[..., tuple["torch.Tensor", "torch.Tensor"]]


@dataclass(frozen=True, eq=False)
class Loop:
    """What stays the same from epoch to epoch; make_loop() makes it. `forward` is the module as training calls it."""

    module: nn.Module
    forward: Callable[..., Any]
    average: AveragedModel | None
    train: Placed
    feed: Feed
    loss: Loss
    mix: Mix | None
    spec: TrainSpec
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    device: torch.device
    world: World

    @property
    def batches(self) -> int:
        """Batches in an epoch."""
        return batches_per_epoch(len(self.train), self.spec.batch_size, self.world)

    @property
    def best_module(self) -> nn.Module:
        """What is scored and saved: the moving average where there is one."""
        return self.module if self.average is None else self.average.module

    def last_learning_rate(self, epoch: int) -> float:
        """The learning rate of the last step of `epoch` (from 1)."""
        return learning_rate(self.spec, epoch * self.batches - 1, self.batches)

    def train_epoch(self, epoch: int, task: Task) -> Score:
        """Train for `epoch` (from 1). Raises ModelError, naming the batch, when the loss is not finite.

        All randomness comes from (seed, epoch, process): torch's global generator is seeded for the model's own
        (dropout) and for torchvision's transforms, another one serves the augmentation.
        """
        import torch

        spec = self.spec
        drawing = torch.Generator().manual_seed(self._seed_of(epoch, "augmentation"))
        torch.manual_seed(self._seed_of(epoch, "model"))
        self._start_training()
        tally = Tally(f"epoch {epoch}", self.batches)
        every = 1 if self.device.type == "cpu" else _AHEAD
        batches = shuffled_batches(self.train, spec.batch_size, seed=spec.seed, epoch=epoch, world=self.world)
        for number, batch in enumerate(batches, 1):
            step = (epoch - 1) * self.batches + number - 1
            set_learning_rate(self.optimizer, learning_rate(spec, step, self.batches))
            tally.add(*self._step(batch, drawing), len(batch))
            if number % every == 0 or number == self.batches:
                tally.settle()
                task.say(
                    f"epoch {epoch}/{spec.epochs}  loss {tally.loss:.3f}  {tally.per_second * self.world.size:,.0f}/s"
                )
                task.advance(number % every or every)
        return tally.score(self.world)

    def score(self, placed: Placed) -> Score:
        """Evaluate on `placed`, in eval mode and without label smoothing; each process takes its share.

        In float32 also where training is in mixed precision: that is what will be exported.
        """
        import torch

        module = self.best_module
        self.world.align(module)
        module.eval()
        tally = Tally("scoring")
        with torch.no_grad():
            for batch in ordered_batches(placed, _SCORING_BATCH, self.world):
                logits = _call(module, self.feed(batch.inputs))
                tally.add(PLAIN(logits, batch.labels), (logits.argmax(1) == batch.labels).sum(), len(batch))
        return tally.score(self.world)

    def state(self, history: tuple[EpochMetrics, ...]) -> State:
        """All that a run needs to go on after the epochs of `history`."""
        gathered, numbers = optimizer_state(self.optimizer)
        parts = {"module": module_tensors(self.module), "optimizer": gathered}
        if self.average is not None:
            parts["average"] = module_tensors(self.average)
        tensors = {f"{part}/{name}": tensor for part, named in parts.items() for name, tensor in named.items()}
        return State(tensors, {"optimizer": numbers, "scaler": self.scaler.state_dict()}, history)

    def restore(self, state: State) -> None:
        """Go on from `state`. Raises ModelError when it is another model's or optimizer's."""
        try:
            self.module.load_state_dict(_part(state, "module"))
            if self.average is not None:
                self.average.load_state_dict(_part(state, "average"))
            restore_optimizer(self.optimizer, _part(state, "optimizer"), state.numbers["optimizer"])
            self.scaler.load_state_dict(state.numbers["scaler"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise ModelError(
                f"the checkpoint does not fit the model: {str(error).splitlines()[0]}",
                hint="the model's code has changed since; train anew, with --force",
            ) from error

    def _start_training(self) -> None:
        self.module.train()
        for one in frozen_modules(self.module):
            one.eval()

    def _step(self, batch: Batch, drawing: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """One step; gives its loss and how many it had right, still on the device."""
        import torch

        inputs, target = self.feed(batch.inputs, drawing), batch.labels
        if self.mix is not None:
            first, target = self.mix(inputs[0], batch.labels)
            inputs = (first, *inputs[1:])
        with _autocast(self.spec, self.device):
            logits = _call(self.forward, inputs)
        loss = self.loss(logits, target)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        if self.spec.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.module.parameters(), self.spec.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update_parameters(self.module)
        return loss.detach(), (logits.detach().argmax(1) == batch.labels).sum()

    def _seed_of(self, epoch: int, purpose: str) -> int:
        process = f", process {self.world.rank}" if self.world.rank else ""
        return int(bits(1, self.spec.seed, f"{purpose} in epoch {epoch}{process}")[0]) >> 1


def make_loop(
    module: nn.Module, data: TrainingData, spec: TrainSpec, device: torch.device, world: World = ALONE
) -> Loop:
    """Everything that training `module` on `data` needs; moves the module to `device`.

    Raises ModelError when the module does not turn the data into one score per class, UsageError for options that do
    not fit the model or the data, SetupError for what the device lacks.
    """
    import torch

    _check_precision(spec, device)
    feed, train = make_feed(data, spec.augment), place(data.train, device)
    freeze(module, spec.freeze)
    module.to(device)
    if spec.channels_last and data.preprocess is not None:
        module.to(memory_format=torch.channels_last)
    classes = _check_fits(module, feed, train, data)
    return Loop(
        module=module,
        forward=_as_called(module, spec, device, world),
        average=None if spec.ema_decay is None else averaged(module, spec.ema_decay),
        train=train,
        feed=feed,
        loss=make_loss(spec, data.train.labels, classes, device),
        mix=mixing(spec.augment, classes),
        spec=spec,
        optimizer=make_optimizer(module, spec),
        scaler=torch.amp.GradScaler(device.type, enabled=spec.amp == "fp16"),
        device=device,
        world=world,
    )


def _as_called(module: nn.Module, spec: TrainSpec, device: torch.device, world: World) -> Callable[..., Any]:
    """The module with gradients averaged over the world, compiled where that was asked for."""
    import torch

    called: Any = module
    if world.size > 1:
        called = torch.nn.parallel.DistributedDataParallel(
            module, device_ids=[device.index] if device.type == "cuda" else None
        )
    return torch.compile(called) if spec.compile else called


def _check_precision(spec: TrainSpec, device: torch.device) -> None:
    if spec.amp == "fp16" and device.type != "cuda":
        raise SetupError(f"amp fp16 needs CUDA; the device is {device.type}", hint="amp = bf16 works on every device")


def _check_fits(module: nn.Module, feed: Feed, train: Placed, data: TrainingData) -> int:
    """The number of classes that a batch of two gets scores for. Raises ModelError for any other output."""
    import torch

    module.eval()
    with torch.no_grad():
        batch = next(ordered_batches(train, 2))
        logits: Any = _call(module, feed(batch.inputs))
    if not isinstance(logits, torch.Tensor) or logits.ndim != 2 or len(logits) != len(batch):
        given = list(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ModelError(f"training needs a model that gives (batch, classes); for a batch of 2 it gave {given}")
    largest = max(int(part.labels.max()) for part in (data.train, data.validation, data.test))
    if largest >= logits.shape[1]:
        raise ModelError(
            f"the model gives {logits.shape[1]} classes, {data.source} has the label {largest}",
            hint="set the number of classes in recipe.toml's [args]",
        )
    return int(logits.shape[1])


def _call(forward: Callable[..., Any], inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
    return call_user(forward, *inputs, what="the model's forward()")  # type: ignore[no-any-return]


def _autocast(spec: TrainSpec, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    import torch

    if spec.amp == "off":
        return contextlib.nullcontext()
    return torch.autocast(device.type, {"bf16": torch.bfloat16, "fp16": torch.float16}[spec.amp])


def _part(state: State, name: str) -> dict[str, torch.Tensor]:
    prefix = f"{name}/"
    return {key.removeprefix(prefix): value for key, value in state.tensors.items() if key.startswith(prefix)}
