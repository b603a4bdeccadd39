"""Bias correction and AdaRound: nearer to float than rounding to nearest, on samples that they were not made with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mobilekit.capture import Captured, capture
from mobilekit.quantize import Quantized, quantize
from mobilekit.quantize.folding import operator_name
from mobilekit.spec import QuantizeSpec, parse_inputs

pytestmark = pytest.mark.slow  # a quantization takes seconds, however small the model


def net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1, groups=16),
        nn.Hardtanh(-1, 4),
        nn.Conv2d(16, 24, 1, bias=False),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 6, bias=False),
    )


@pytest.fixture
def captured(seasoned: Callable[[nn.Module], nn.Module]) -> Captured:
    return capture(seasoned(net()), parse_inputs(["batch=1..8,3,8,8"]))


def run(program: Any, samples: list[tuple[Tensor, ...]]) -> Tensor:
    with torch.no_grad():
        return torch.cat([program.module()(*one) for one in samples])


def sqnr(captured: Captured, quantized: Quantized, samples: list[tuple[Tensor, ...]]) -> float:
    wanted, got = run(captured.program, samples), run(quantized.program, samples)
    return 10 * math.log10(float(wanted.square().sum() / (wanted - got).square().sum()))


def weights(quantized: Quantized) -> list[Tensor]:
    """The int8 weights, in the order of the layers that have them."""
    state = quantized.program.state_dict | dict(quantized.program.constants)
    names = quantized.program.graph_signature.inputs_to_buffers | quantized.program.graph_signature.inputs_to_parameters
    found = [state[names[node.name]] for node in quantized.program.graph.nodes if node.name in names]
    return [one for one in found if one.dtype == torch.int8 and one.dim() > 1]


def test_a_corrected_bias_takes_the_mean_error_off(captured: Captured, samples: Any) -> None:
    given, fresh = samples((1, 3, 8, 8), count=64), samples((1, 3, 8, 8), count=64, seed=7)
    plain, corrected = (
        quantize(captured, given, QuantizeSpec(weights="per-tensor", bias_correction=on)) for on in (False, True)
    )
    wanted = run(captured.program, fresh)
    mean_errors = [(run(one.program, fresh) - wanted).mean(0).norm() for one in (plain, corrected)]
    assert mean_errors[1] < 0.3 * mean_errors[0]
    assert sqnr(captured, corrected, fresh) > sqnr(captured, plain, fresh)
    assert all(torch.equal(a, b) for a, b in zip(weights(plain), weights(corrected), strict=True))
    layers = [node for node in corrected.program.graph.nodes if operator_name(node) in ("conv2d", "linear")]
    assert all(len(node.args) > 2 and node.args[2] is not None for node in layers), "each has a bias now"


def test_adaptive_rounding_comes_nearer_than_rounding_to_nearest(captured: Captured, samples: Any) -> None:
    given, fresh = samples((1, 3, 8, 8), count=64), samples((1, 3, 8, 8), count=64, seed=7)
    before = {name: tensor.clone() for name, tensor in captured.program.state_dict.items()}
    nearest = quantize(captured, given, QuantizeSpec(weights="per-tensor"))
    chosen = quantize(captured, given, QuantizeSpec(weights="per-tensor", adaround=True, adaround_steps=300))
    assert sqnr(captured, chosen, fresh) > sqnr(captured, nearest, fresh) + 1
    moved = [(a.int() - b.int()).abs().max().item() for a, b in zip(weights(nearest), weights(chosen), strict=True)]
    assert set(moved) <= {0, 1}, "up or down, never further"
    assert 1 in moved
    assert all(torch.equal(tensor, before[name]) for name, tensor in captured.program.state_dict.items())
    again = quantize(captured, given, QuantizeSpec(weights="per-tensor", adaround=True, adaround_steps=300))
    assert all(torch.equal(a, b) for a, b in zip(weights(chosen), weights(again), strict=True))


class Twice(nn.Module):
    """One weight in two places: there is no rounding that is right for one of them alone."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(self.layer(x).relu()))


def test_a_weight_in_two_places_stays_one(seasoned: Callable[[nn.Module], nn.Module], samples: Any) -> None:
    captured = capture(seasoned(Twice()), parse_inputs(["x:batch=1..4,8"]))
    given = samples((1, 8), count=16)
    options = QuantizeSpec(adaround=True, adaround_steps=50, bias_correction=True, equalize=True)
    assert sqnr(captured, quantize(captured, given, options), given) > 25
