"""Optimizers and schedules by name. A schedule depends on the step alone, so that a run can be taken up anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mobilekit.registry import lookup
from mobilekit.spec.recipe import TrainSpec

if TYPE_CHECKING:
    import torch
    from torch import nn

_WARM_UP = 0.3
_MOMENTUM = 0.9

ParameterGroups = list[dict[str, Any]]
Schedule = Callable[[float], float]


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


def learning_rate(spec: TrainSpec, step: int, steps: int) -> float:
    """The learning rate for `step` (from 0) of `steps`."""
    return spec.learning_rate * lookup("schedule", spec.schedule, SCHEDULES)((step + 1) / steps)


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

    return torch.optim.SGD(groups, lr=spec.learning_rate, momentum=_MOMENTUM, nesterov=True)


def _constant(done: float) -> float:
    return 1.0


def _cosine(done: float) -> float:
    """From 1 to 0 along half a cosine (Loshchilov and Hutter 2017), the last step just above 0."""
    return 0.5 * (1 + math.cos(math.pi * min(done, 0.999)))


def _one_cycle(done: float) -> float:
    """Up in a straight line for 30 % of the steps, then down along half a cosine (Smith 2018)."""
    return done / _WARM_UP if done < _WARM_UP else _cosine((done - _WARM_UP) / (1 - _WARM_UP))


OPTIMIZERS: dict[str, Callable[[ParameterGroups, TrainSpec], torch.optim.Optimizer]] = {
    "adamw": _adamw,
    "adam": _adam,
    "sgd": _sgd,
}
SCHEDULES: dict[str, Schedule] = {"constant": _constant, "cosine": _cosine, "one-cycle": _one_cycle}
