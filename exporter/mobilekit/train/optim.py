"""Optimizers and schedules by name. A schedule depends on the step alone, so that a run can be taken up anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from mobilekit.errors import UsageError
from mobilekit.registry import lookup
from mobilekit.spec.train import TrainSpec

if TYPE_CHECKING:
    import torch
    from torch import nn

_RISING = 0.3

ParameterGroups = list[dict[str, Any]]
Schedule = Callable[[TrainSpec, float], float]


def make_optimizer(module: nn.Module, spec: TrainSpec) -> torch.optim.Optimizer:
    """The optimizer that `spec` names, over `module`'s parameters that require gradients."""
    return lookup("optimizer", spec.optimizer, OPTIMIZERS)(parameter_groups(module, spec.weight_decay), spec)


def parameter_groups(module: nn.Module, weight_decay: float) -> ParameterGroups:
    """Weights with decay; biases and norms, that is everything of one dimension or none, without.

    Decaying those only shrinks what batch norm scales back (He et al. 2019, "Bag of Tricks", section 3.1).
    """
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    decayed = [parameter for parameter in trained if parameter.ndim > 1]
    plain = [parameter for parameter in trained if parameter.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def freeze(module: nn.Module, patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Stop the training of the parameters whose name matches one of `patterns` (shell-style). Returns their names.

    Raises UsageError for a pattern that matches nothing, and when nothing would be left to train.
    """
    names = [name for name, _ in module.named_parameters()]
    idle = [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in names)]
    if idle:
        raise UsageError(
            f"freeze: {', '.join(idle)} matches no parameter of the model",
            hint=f'patterns are like "features.*"; the model has {", ".join(names[:3])}, … {names[-1]}',
        )
    frozen = tuple(name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns))
    if len(frozen) == len(names):
        raise UsageError("freeze: nothing is left to train", hint="leave out the head, for example")
    for name in frozen:
        module.get_parameter(name).requires_grad = False
    return frozen


def frozen_modules(module: nn.Module) -> tuple[nn.Module, ...]:
    """The submodules whose own parameters are all frozen: their batch norms must keep their statistics."""
    return tuple(
        one
        for one in module.modules()
        if (own := list(one.parameters(recurse=False))) and not any(parameter.requires_grad for parameter in own)
    )


def learning_rate(spec: TrainSpec, step: int, batches: int) -> float:
    """The learning rate for `step` (from 0, over all epochs) where an epoch has `batches` steps."""
    epoch = (step + 1) / batches
    if epoch < spec.warmup_epochs:
        return spec.learning_rate * epoch / spec.warmup_epochs
    return spec.learning_rate * lookup("schedule", spec.schedule, SCHEDULES)(spec, epoch)


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Give all parameter groups one learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = value


def _adamw(groups: ParameterGroups, spec: TrainSpec) -> torch.optim.Optimizer:
    import torch

    return torch.optim.AdamW(groups, lr=spec.learning_rate)


def _adam(groups: ParameterGroups, spec: TrainSpec) -> torch.optim.Optimizer:
    import torch

    return torch.optim.Adam(groups, lr=spec.learning_rate)


def _sgd(groups: ParameterGroups, spec: TrainSpec) -> torch.optim.Optimizer:
    import torch

    return torch.optim.SGD(groups, lr=spec.learning_rate, momentum=spec.momentum, nesterov=spec.momentum > 0)


def _constant(spec: TrainSpec, epoch: float) -> float:
    return 1.0


def _cosine(spec: TrainSpec, epoch: float) -> float:
    """From 1 to 0 along half a cosine (Loshchilov and Hutter 2017), the last step just above 0."""
    return _half_cosine((epoch - spec.warmup_epochs) / (spec.epochs - spec.warmup_epochs))


def _one_cycle(spec: TrainSpec, epoch: float) -> float:
    """Up in a straight line for 30 % of the steps, then down along half a cosine (Smith 2018)."""
    done = (epoch - spec.warmup_epochs) / (spec.epochs - spec.warmup_epochs)
    return max(done, 1e-3) / _RISING if done < _RISING else _half_cosine((done - _RISING) / (1 - _RISING))


def _step(spec: TrainSpec, epoch: float) -> float:
    """A tenth after each milestone (He et al. 2015, section 4.2)."""
    return 0.1 ** sum(milestone < epoch for milestone in spec.milestones)


def _half_cosine(done: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(done, 0.999)))


OPTIMIZERS: dict[str, Callable[[ParameterGroups, TrainSpec], torch.optim.Optimizer]] = {
    "adamw": _adamw,
    "adam": _adam,
    "sgd": _sgd,
}
SCHEDULES: dict[str, Schedule] = {"constant": _constant, "cosine": _cosine, "one-cycle": _one_cycle, "step": _step}
