"""The noise of each layer: named by module, in order, and larger where int8 has less room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mobilekit.capture import capture
from mobilekit.quantize import quantize
from mobilekit.spec import QuantizeSpec, parse_inputs

pytestmark = pytest.mark.slow  # a quantization takes seconds, however small the model


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv, self.norm, self.act = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.act(self.norm(self.conv(x)))


class Net(nn.Module):
    """Two blocks, the second of which is called twice, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.again, self.head = Block(4), Block(4), nn.Linear(4 * 8 * 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.again(self.again(self.first(x))).flatten(1))


Make = Callable[..., Any]


def test_each_layer_has_its_noise_in_order(seasoned: Make, samples: Make) -> None:
    quantized = quantize(capture(seasoned(Net()), parse_inputs(["x:1,4,8,8"])), samples((1, 4, 8, 8), count=20))
    layers = quantized.report.layers
    assert [(one.name, one.operator) for one in layers] == [
        ("x", "input"),
        ("first.conv", "conv2d"),
        ("first", "add"),
        ("again.conv", "conv2d"),
        ("again", "add"),
        ("head", "linear"),
    ], "a fused activation and a folded norm belong to their layer, and what runs twice is one layer"
    assert all(one.sqnr_db is not None and 10 < one.sqnr_db < 70 for one in layers)
    first, last = layers[0].sqnr_db, layers[-1].sqnr_db
    assert first is not None and last is not None and first > last, "noise adds up on its way"


def test_a_range_that_one_sample_stretched_is_noisier_everywhere(seasoned: Make, samples: Make) -> None:
    captured, given = capture(seasoned(Net()), parse_inputs(["x:1,4,8,8"])), samples((1, 4, 8, 8), count=20)
    whole = QuantizeSpec(observer="min-max")
    usual = quantize(captured, given, whole).report.layers
    stretched = quantize(captured, [*given, (given[0][0] * 30,)], whole).report.layers
    for before, after in zip(usual, stretched, strict=True):
        assert before.sqnr_db is not None and after.sqnr_db is not None
        assert after.sqnr_db < before.sqnr_db - 10, before.name


def test_values_that_int8_holds_exactly_are_equal() -> None:
    class Doubled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + x

    layers = quantize(capture(Doubled(), parse_inputs(["x:1,64"])), [(torch.zeros(1, 64),)] * 3).report.layers
    assert [(one.name, one.sqnr_db) for one in layers] == [("x", None), ("add", None)]
