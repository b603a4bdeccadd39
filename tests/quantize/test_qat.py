"""Training for int8: what is trained is what is exported, under the names that the model has."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from mobilekit.capture import Captured, capture
from mobilekit.errors import QuantizeError
from mobilekit.model import resolve
from mobilekit.model.ranges import load_ranges, write_ranges
from mobilekit.quantize import quantize
from mobilekit.quantize.qat import trainable
from mobilekit.spec import QuantizeSpec, parse_inputs

pytestmark = pytest.mark.slow  # a quantization takes seconds, however small the model
Make = Callable[..., Any]
INPUTS = ["batch=1..64,3,8,8"]
EVERYTHING = QuantizeSpec(
    weight_observer="mse", equalize=True, bias_correction=True, adaround=True, max_drop=0.0, weights="per-tensor"
)
"""What a recipe may ask of int8, and training does in its own way or not at all."""


class Net(nn.Module):
    """Batch norms after convolutions with and without a bias, one after a sum, a residual, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.second, self.norm2 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.after, self.head = nn.BatchNorm2d(8), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(self.first(x)).relu()
        y = self.after(y + self.norm2(self.second(y))).relu()
        return self.head(y.mean((2, 3)))


@pytest.fixture
def net(seasoned: Make) -> nn.Module:
    return seasoned(Net())


@pytest.fixture
def captured(net: nn.Module) -> Captured:
    return capture(net, parse_inputs(INPUTS))


def step(module: nn.Module, x: Tensor, target: Tensor, rate: float = 0.05) -> float:
    optimizer = torch.optim.SGD([one for one in module.parameters() if one.requires_grad], lr=rate)
    loss = nn.functional.cross_entropy(module(x), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def sqnr(wanted: Tensor, got: Tensor) -> float:
    return 10 * math.log10(float(wanted.square().sum() / (wanted - got).square().sum().clamp_min(1e-30)))


@pytest.mark.parametrize("options", [QuantizeSpec(), EVERYTHING], ids=["default", "everything"])
def test_what_is_trained_is_what_is_exported(
    options: QuantizeSpec, net: nn.Module, captured: Captured, samples: Make, tmp_path: Path
) -> None:
    given = samples((1, 3, 8, 8), count=32)
    module, ranges = trainable(captured, given, options)
    (x,) = samples((32, 3, 8, 8), count=1, seed=5)[0]
    target = torch.arange(32) % 5
    losses = [step(module.train(), x, target) for _ in range(20)]
    assert losses[-1] < losses[0] - 0.03

    state = module.state_dict()
    assert set(state) == set(net.state_dict())
    assert {name: one.shape for name, one in state.items()} == {n: one.shape for n, one in net.state_dict().items()}
    back = copy.deepcopy(net)
    back.load_state_dict(state)
    write_ranges(tmp_path, ranges)
    assert load_ranges(tmp_path / "qat.json") == ranges
    exported = quantize(capture(back, parse_inputs(INPUTS)), given, ranges=ranges)
    with torch.no_grad():
        simulated, real = module.eval()(x), exported.program.module()(x)
        floating = back(x)
    assert sqnr(simulated, real) > 45, "one rounding at an edge here and there"
    assert sqnr(simulated, real) > sqnr(floating, real) + 10, "int8 is not float"
    assert (exported.report.rule, exported.report.tried, exported.report.plan) == (ranges.rule, (), None)


def test_before_the_first_step_it_is_int8_of_the_float_network(captured: Captured, samples: Make) -> None:
    given = samples((1, 3, 8, 8), count=32)
    (x,) = samples((16, 3, 8, 8), count=1, seed=5)[0]
    before = {name: one.clone() for name, one in captured.program.state_dict.items()}
    module, ranges = trainable(captured, given, QuantizeSpec(observer="min-max"))
    quantized = quantize(captured, given, QuantizeSpec(observer="min-max"))
    with torch.no_grad():
        assert sqnr(module(x), quantized.program.module()(x)) > 45
    step(module, x, torch.zeros(16, dtype=torch.long))
    assert all(torch.equal(one, before[name]) for name, one in captured.program.state_dict.items())
    assert ranges.samples == 32


def test_its_state_goes_through_a_checkpoint_and_an_average(captured: Captured, samples: Make) -> None:
    given = samples((1, 3, 8, 8), count=8)
    module, _ = trainable(captured, given, QuantizeSpec())
    other, _ = trainable(captured, given, QuantizeSpec())
    (x,) = samples((8, 3, 8, 8), count=1, seed=5)[0]
    average = AveragedModel(module, use_buffers=True)
    for _ in range(3):
        step(module, x, torch.arange(8) % 5)
        average.update_parameters(module)
    assert {name.removeprefix("module.") for name in average.state_dict()} == {*module.state_dict(), "n_averaged"}
    with torch.no_grad():
        assert not torch.equal(other(x), module(x))
        other.load_state_dict(module.state_dict())
        assert torch.equal(other(x), module(x))
        assert not torch.equal(average(x), module(x))
        fresh = AveragedModel(other, use_buffers=True)
        fresh.load_state_dict(average.state_dict())
        assert torch.equal(fresh(x), average(x))


def test_weights_decide_their_scale_at_every_step(captured: Captured, samples: Make) -> None:
    module, _ = trainable(captured, samples((1, 3, 8, 8), count=8), QuantizeSpec())
    (x,) = samples((8, 3, 8, 8), count=1, seed=5)[0]
    with torch.no_grad():
        before = module(x)
        module.get_parameter("head.weight").mul_(100)
        assert (
            sqnr(100 * (before - module.get_parameter("head.bias")), module(x) - module.get_parameter("head.bias")) < 60
        )
        assert float(module(x).abs().max()) > 0


def test_a_compiler_takes_it_whole_and_half_precision_too(captured: Captured, samples: Make) -> None:
    module, _ = trainable(captured, samples((1, 3, 8, 8), count=8), QuantizeSpec(observer="min-max"))
    (x,) = samples((8, 3, 8, 8), count=1, seed=5)[0]
    expected = module(x)
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    assert sqnr(expected.detach(), compiled(x).detach()) > 45
    with torch.autocast("cpu", torch.bfloat16):
        half = module(x)
    assert half.dtype == torch.bfloat16 and sqnr(expected.detach(), half.detach().float()) > 20
    half.float().square().sum().backward()
    assert all(one.grad is not None and one.grad.isfinite().all() for one in module.parameters())


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.one, self.two = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return (self.one(self.conv(x)) + self.two(self.conv(x * 2))).mean((2, 3))


def test_weights_that_the_model_has_no_place_for_are_refused(seasoned: Make, samples: Make) -> None:
    shared = capture(seasoned(Shared()), parse_inputs(INPUTS))
    with pytest.raises(QuantizeError, match="needs weights that the model has no place for"):
        trainable(shared, samples((1, 3, 8, 8)), QuantizeSpec())


def test_ranges_of_another_network_are_refused(captured: Captured, seasoned: Make, samples: Make) -> None:
    given = samples((1, 3, 8, 8), count=4)
    _, ranges = trainable(captured, given, QuantizeSpec())
    other = capture(seasoned(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(), nn.Linear(256, 5))), parse_inputs(INPUTS))
    with pytest.raises(QuantizeError, match="the training's ranges are for"):
        quantize(other, given, ranges=ranges)


def test_observers_that_two_tensors_share_are_loaded_too(samples: Make) -> None:
    source = resolve("resnet20")
    captured = capture(source.build(), source.recipe.inputs)
    module, _ = trainable(captured, samples((1, 3, 32, 32), count=2), QuantizeSpec(observer="min-max"))
    observers = [name for name, _ in module.named_modules(remove_duplicate=False) if name.startswith("activation_")]
    assert len(observers) > len({name for name, _ in module.named_modules()} & set(observers)), "one has two names"
    module.load_state_dict(module.state_dict())
