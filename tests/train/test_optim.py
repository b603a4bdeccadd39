from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
from torch import nn

from mobilekit.errors import UsageError
from mobilekit.spec import TrainSpec
from mobilekit.train.optim import (
    OPTIMIZERS,
    SCHEDULES,
    freeze,
    frozen_modules,
    learning_rate,
    make_optimizer,
    parameter_groups,
)


def test_the_recipe_offers_what_there_is() -> None:
    assert set(get_args(TrainSpec.model_fields["optimizer"].annotation)) == set(OPTIMIZERS)
    assert set(get_args(TrainSpec.model_fields["schedule"].annotation)) == set(SCHEDULES)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_norms_and_biases_are_not_decayed(name: str, tiny_model: Callable[[], nn.Module]) -> None:
    module = tiny_model()
    optimizer = make_optimizer(module, TrainSpec(optimizer=name, weight_decay=0.5))
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert {name: decay[id(p)] for name, p in module.named_parameters()} == {
        "0.weight": 0.5, "0.bias": 0, "1.weight": 0, "1.bias": 0, "5.weight": 0.5, "5.bias": 0,
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimizer_goes_downhill(name: str) -> None:
    point = nn.Linear(1, 1, bias=False)
    optimizer = make_optimizer(point, TrainSpec(optimizer=name, learning_rate=0.05, weight_decay=0))
    target = torch.tensor([[3.0]])

    def loss() -> torch.Tensor:
        return (point.weight - target).square().sum()

    start = loss().item()
    for _ in range(20):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert loss().item() < 0.8 * start


def test_frozen_parameters_stay_out(tiny_model: Callable[[], nn.Module]) -> None:
    module = tiny_model()
    for parameter in module[0].parameters():  # type: ignore[index]
        parameter.requires_grad = False
    assert sum(len(group["params"]) for group in parameter_groups(module, 0.1)) == 4


def rates(schedule: str, batches: int = 10, **options: Any) -> list[float]:
    spec = TrainSpec(schedule=schedule, learning_rate=2.0, **{"epochs": 10, **options})
    return [learning_rate(spec, step, batches) for step in range(spec.epochs * batches)]


def test_schedules() -> None:
    assert set(rates("constant")) == {2.0}
    cosine = rates("cosine")
    assert cosine == sorted(cosine, reverse=True) and cosine[0] > 1.99 and 0 < cosine[-1] < 1e-3
    cycle = rates("one-cycle")
    peak = cycle.index(max(cycle))
    assert 28 <= peak <= 30 and cycle[peak] == pytest.approx(2.0, rel=0.01)
    assert cycle[: peak + 1] == sorted(cycle[: peak + 1]) and cycle[peak:] == sorted(cycle[peak:], reverse=True)
    assert all(rate > 0 for rate in rates("one-cycle", 1) + rates("cosine", 1) + cycle)
    assert rates("cosine", 1, epochs=1)[0] > 0


def test_steps_down_after_each_milestone() -> None:
    drops = rates("step", 4, milestones=(3, 7))
    assert drops == pytest.approx([2.0] * 12 + [0.2] * 16 + [0.02] * 12)


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_warm_up_rises_from_nothing_to_the_schedule(schedule: str) -> None:
    milestones = {"milestones": (9,)} if schedule == "step" else {}
    warmed = rates(schedule, 10, warmup_epochs=2.5, **milestones)
    rising = warmed[:24]
    assert rising == pytest.approx([2.0 * (step + 1) / 25 for step in range(24)])
    if schedule != "one-cycle":
        assert warmed[25] == pytest.approx(2.0, rel=0.01)
    assert all(0 < rate <= 2.0 for rate in warmed)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"schedule": "step"}, "milestones goes with"),
        ({"milestones": (2,)}, "milestones goes with"),
        ({"schedule": "step", "milestones": (5, 3)}, "must rise and lie below epochs"),
        ({"schedule": "step", "milestones": (10,)}, "must rise and lie below epochs"),
        ({"warmup_epochs": 10}, "must be below epochs"),
    ],
)
def test_schedules_that_contradict_themselves(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        TrainSpec(**{"epochs": 10, **options})


def test_freezing_by_pattern(tiny_model: Callable[[], nn.Module]) -> None:
    module = tiny_model()
    assert freeze(module, ("0.*", "1.*")) == ("0.weight", "0.bias", "1.weight", "1.bias")
    assert [name for name, parameter in module.named_parameters() if parameter.requires_grad] == ["5.weight", "5.bias"]
    assert frozen_modules(module) == (module[0], module[1])  # type: ignore[index]
    with pytest.raises(UsageError, match=r"freeze: head\.\* matches no parameter"):
        freeze(module, ("head.*",))
    with pytest.raises(UsageError, match="nothing is left to train"):
        freeze(module, ("*",))
