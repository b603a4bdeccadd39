"""Layers ranked and named: the same names that a recipe's `floating` takes, in the order of cost and of computation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from mobilekit.capture import capture
from mobilekit.errors import QuantizeError, UnknownName
from mobilekit.quantize import quantize, rank_layers
from mobilekit.quantize.folding import operator_name
from mobilekit.quantize.ranking import depthwise_kernels
from mobilekit.spec import QuantizeSpec, parse_inputs

pytestmark = pytest.mark.slow  # a quantization takes seconds, however small the model
Make = Callable[..., list[tuple[Tensor, ...]]]
INPUTS = ["x:batch=1..16,8"]
WHOLE = QuantizeSpec(observer="min-max")


class Spiky(nn.Module):
    """Between `wide` and `narrow` one channel is 1,000 times the others, and counts for nothing in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.wide, self.narrow, self.last = (nn.Linear(8, 8) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.narrow(self.wide(self.first(x).relu()).relu()).relu())


@pytest.fixture
def spiky(seasoned: Callable[[nn.Module], nn.Module]) -> nn.Module:
    model = seasoned(Spiky())
    assert isinstance(model, Spiky)
    with torch.no_grad():
        for one in model.children():
            assert isinstance(one, nn.Linear)
            one.weight += torch.eye(8)
            one.bias.zero_()
        model.wide.weight[0] *= 1000
        model.wide.bias[0] = 1000
        model.narrow.weight[:, 0] = 0
    return model


def test_the_coarse_layers_come_first_and_all_are_in_their_order(spiky: nn.Module, samples: Make) -> None:
    found = rank_layers(capture(spiky, parse_inputs(INPUTS)), samples((1, 8), count=16), WHOLE)
    assert found.in_order == ("first", "wide", "narrow", "last")
    assert set(found.by_cost[:2]) == {"wide", "narrow"}
    assert sorted(found.by_cost) == sorted(found.in_order)


def test_layers_with_little_to_do_come_first_by_work(seasoned: Callable[[nn.Module], nn.Module], samples: Make) -> None:
    """4x4 results of 8 channels, each of 3x3x3; the same depthwise, of 3x3; 8 sums over 128 values; and a pool."""
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.MaxPool2d(1), nn.Flatten(), nn.Linear(128, 8)
    )
    captured = capture(seasoned(layers), parse_inputs(["batch=1..8,3,6,6"]))
    found = rank_layers(captured, samples((1, 3, 6, 6)), WHOLE)
    assert found.by_work == ("2", "3", "4", "1", "0"), "a pool and a flattening have none"
    assert found.in_order.index("0") < found.in_order.index("1")
    assert found.depthwise == ("1",)


def test_the_largest_depthwise_kernels_come_first(seasoned: Callable[[nn.Module], nn.Module], samples: Make) -> None:
    layers = nn.Sequential(
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        nn.Conv2d(4, 8, 5, groups=4),
        nn.Conv2d(8, 8, 1),
        nn.Conv2d(8, 8, 2, groups=4),
    )
    captured = capture(seasoned(layers), parse_inputs(["1,4,6,6"]))
    assert rank_layers(captured, samples((1, 4, 6, 6)), WHOLE).depthwise == ("1", "0")
    assert depthwise_kernels(captured) == (25, 9)


def test_named_layers_stay_float(spiky: nn.Module, samples: Make) -> None:
    captured, given = capture(spiky, parse_inputs(INPUTS)), samples((1, 8), count=16)
    quantized = quantize(captured, given, WHOLE.model_copy(update={"floating": ("wide", "narrow")}))
    linears = [node for node in quantized.program.graph.nodes if operator_name(node) == "linear"]
    assert [operator_name(node.args[1]).startswith("dequantize") for node in linears] == [True, False, False, True]
    assert (quantized.report.quantized, quantized.report.candidates, quantized.report.plan) == (2, 4, None)


def test_a_name_that_no_layer_has_is_refused_with_the_nearest(spiky: nn.Module, samples: Make) -> None:
    captured = capture(spiky, parse_inputs(INPUTS))
    with pytest.raises(
        UnknownName,
        match=r"unknown layer to stay float 'wid', did you mean 'wide'\? \(have: wide, first, last, narrow\)",
    ):
        quantize(captured, samples((1, 8)), WHOLE.model_copy(update={"floating": ("wid",)}))


def test_nothing_is_ranked_without_samples(spiky: nn.Module) -> None:
    with pytest.raises(QuantizeError, match="nothing to calibrate on"):
        rank_layers(capture(spiky, parse_inputs(INPUTS)), [])


def test_layers_are_named_or_found_not_both() -> None:
    with pytest.raises(ValidationError, match="give one of the two"):
        QuantizeSpec(floating=("a",), max_drop=1)
