"""What a layer costs the outputs, predicted in one pass, is what is measured; mixed precision spares the worst."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mobilekit.capture import capture
from mobilekit.errors import QuantizeError
from mobilekit.quantize import quantize
from mobilekit.quantize.folding import operator_name
from mobilekit.quantize.mixed import plan
from mobilekit.spec import QuantizeSpec, parse_inputs

pytestmark = pytest.mark.slow  # a quantization takes seconds, however small the model
Make = Callable[..., Any]


class Spiky(nn.Module):
    """Between `wide` and `narrow` one channel is 1,000 times the others, and counts for nothing in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.wide, self.narrow, self.head = (nn.Linear(8, 8) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.narrow(self.wide(self.first(x).relu()).relu()).relu())


@pytest.fixture
def spiky(seasoned: Make) -> nn.Module:
    module = seasoned(Spiky())
    with torch.no_grad():
        for one in module.children():
            one.weight += torch.eye(8)
            one.bias.zero_()
        module.wide.weight[0] *= 1000
        module.wide.bias[0] = 1000
        module.narrow.weight[:, 0] = 0
    return module


INPUTS = ["x:batch=1..16,8"]
WHOLE = QuantizeSpec(observer="min-max")


def sqnr(wanted: Tensor, got: Tensor) -> float:
    return 10 * math.log10(float(wanted.square().sum() / (wanted - got).square().sum()))


def test_the_predicted_noise_of_all_layers_is_the_noise_there_is(seasoned: Make, samples: Make) -> None:
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 6)
    )
    captured = capture(seasoned(layers), parse_inputs(["batch=1..8,3,8,8"]))
    given = samples((1, 3, 8, 8), count=16)
    quantized = quantize(captured, given, WHOLE.model_copy(update={"sensitivity": True}))
    costs = {one.name: one.alone_sqnr_db for one in quantized.report.layers}
    assert set(costs) == {"input_1", "0", "2", "5"}
    together = -10 * math.log10(sum(10 ** (-one / 10) for one in costs.values() if one is not None))
    with torch.no_grad():
        wanted, got = (
            torch.cat([program.module()(*one) for one in given]) for program in (captured.program, quantized.program)
        )
    assert together == pytest.approx(sqnr(wanted, got), abs=3)
    assert all(one.alone_sqnr_db is None for one in quantize(captured, given, WHOLE).report.layers), "only when asked"


def test_the_layer_that_is_coarse_is_told(spiky: nn.Module, samples: Make) -> None:
    given = samples((1, 8), count=16)
    report = quantize(
        capture(spiky, parse_inputs(INPUTS)), given, WHOLE.model_copy(update={"sensitivity": True})
    ).report
    costs = {one.name: one.alone_sqnr_db or math.inf for one in report.layers}
    assert min(costs, key=lambda name: costs[name]) == "wide"
    assert costs["wide"] < min(value for name, value in costs.items() if name != "wide") - 10


def test_a_budget_keeps_in_float_what_it_needs_and_no_more(spiky: nn.Module, samples: Make) -> None:
    captured, given = capture(spiky, parse_inputs(INPUTS)), samples((1, 8), count=128)
    with torch.no_grad():
        labels = [int(spiky(*one).argmax()) for one in given]
    without = quantize(captured, given, WHOLE)
    assert without.report.plan is None

    mixed = quantize(captured, given, WHOLE.model_copy(update={"max_drop": 4.0}), labels=labels)
    found = mixed.report.plan
    assert found is not None
    assert found.met
    assert found.drop_points <= 4
    assert set(found.floating) == {"wide", "narrow"}, "its output is int8 as long as one of both is"
    assert (mixed.report.quantized, mixed.report.candidates) == (2, 4)
    linears = [node for node in mixed.program.graph.nodes if operator_name(node) == "linear"]
    assert [operator_name(node.args[1]).startswith("dequantize") for node in linears] == [True, False, False, True]
    with torch.no_grad():
        answers = [int(mixed.program.module()(*one).argmax()) for one in given]
        coarse = [int(without.program.module()(*one).argmax()) for one in given]
    lost = [100 * sum(a != b for a, b in zip(labels, one, strict=True)) / len(labels) for one in (answers, coarse)]
    assert lost[0] == pytest.approx(found.drop_points, abs=1.6)
    assert lost[1] > 10


def test_a_budget_that_is_met_anyway_keeps_nothing(seasoned: Make, samples: Make) -> None:
    captured = capture(seasoned(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))), parse_inputs(INPUTS))
    found = quantize(captured, samples((1, 8), count=32), QuantizeSpec(max_drop=20)).report.plan
    assert found is not None
    assert (found.floating, found.met) == ((), True)


def test_what_has_no_classes_is_refused(seasoned: Make, samples: Make) -> None:
    captured = capture(seasoned(nn.Conv2d(3, 4, 3)), parse_inputs(["1,3,8,8"]))
    with pytest.raises(QuantizeError, match=r"an accuracy budget needs a classifier"):
        quantize(captured, samples((1, 3, 8, 8)), QuantizeSpec(max_drop=1))


class Wrong(nn.Module):
    """Answers the first `wrong` of ten rows wrongly."""

    def __init__(self, wrong: int) -> None:
        super().__init__()
        order = torch.arange(10)
        order[:wrong] = order[:wrong].roll(1)
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        return x[self.order]


@pytest.mark.parametrize(
    ("losses", "budget", "floating", "met"),
    [
        ({"": 3, "a": 3, "ab": 0, "abc": 0}, 0, "ab", True),
        ({"": 3, "a": 3, "ab": 0, "abc": 0, "b": 0}, 0, "b", True),
        ({"": 0}, 0, "", True),
        ({"": 5, "abc": 2}, 10, "abc", False),
        ({"": 2, "abc": 5}, 10, "", False),
    ],
    ids=["two are needed", "the first is not", "none is", "never enough, but better", "never enough, and worse"],
)
def test_the_fewest_layers_are_looked_for(losses: dict[str, int], budget: float, floating: str, met: bool) -> None:
    """`losses`: of ten answers, how many are wrong with those layers in float; what is not named is as without."""
    costs = {"a": 10.0, "b": 20.0, "c": 30.0, "d": 40.0}
    asked = []

    def prepare(names: Any) -> torch.fx.GraphModule:
        key = "".join(sorted(names))
        asked.append(key)
        return torch.fx.symbolic_trace(Wrong(0 if len(asked) == 1 else losses.get(key, losses[""])))

    found = plan(prepare, costs, [(torch.eye(10),)], list(range(10)), budget)
    assert ("".join(found.floating), found.met) == (floating, met)
    assert found.drop_points == pytest.approx(10 * losses[floating])
