"""Calibrating: the rule that costs least is taken; samples that go together give the ranges that each alone gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from mobilekit.capture import Captured, capture
from mobilekit.quantize import quantize
from mobilekit.quantize.simulate import grouped, joined
from mobilekit.spec import QuantizeSpec, parse_inputs
from mobilekit.spec.quantize import RULES

slow = pytest.mark.slow  # a quantization takes seconds, however small the model


@pytest.fixture
def module(seasoned: Callable[[nn.Module], nn.Module]) -> nn.Module:
    layers = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(64, 5))
    return seasoned(layers)


@pytest.fixture
def captured(module: nn.Module) -> Captured:
    return capture(module, parse_inputs(["batch=1..8,3,8,8"]))


def scales(quantized: Any) -> list[float]:
    nodes = quantized.program.graph.nodes
    return [node.args[1] for node in nodes if "quantize_per_tensor" in str(node.target)]


@slow
def test_the_rule_that_costs_least_on_samples_held_back_is_taken(captured: Captured, samples: Any) -> None:
    given = samples((1, 3, 8, 8), count=32)
    report = quantize(captured, given).report
    assert [one.rule for one in report.tried] == list(RULES)
    reached = {one.rule: one.sqnr_db or 0.0 for one in report.tried}
    assert report.rule == max(reached, key=lambda rule: reached[rule])
    assert reached["min-max"] > 20

    outlier = list(given)
    outlier[12] = (given[12][0] * 1000,)  # not among the samples held back: those are the last ones
    wild = {one.rule: one.sqnr_db or 0.0 for one in quantize(captured, outlier).report.tried}
    assert wild["min-max"] < reached["min-max"] - 15
    assert wild["moving-average"] > wild["min-max"]


@slow
def test_a_rule_by_name_is_not_tried_against_others(captured: Captured, samples: Any) -> None:
    given = samples((1, 3, 8, 8), count=32)
    found = {rule: quantize(captured, given, QuantizeSpec(observer=rule, percentile=99)) for rule in RULES}
    assert all((one.report.rule, one.report.tried) == (rule, ()) for rule, one in found.items())
    widest = scales(found["min-max"])
    for rule in RULES[:-1]:
        assert all(a <= b * 1.0001 for a, b in zip(scales(found[rule]), widest, strict=True)), rule
        assert scales(found[rule]) != widest, rule


@slow
def test_samples_that_go_together_give_the_same_ranges(module: nn.Module, captured: Captured, samples: Any) -> None:
    given = samples((1, 3, 8, 8), count=20)
    single = capture(module, parse_inputs(["1,3,8,8"]))
    options = QuantizeSpec(observer="min-max")
    assert scales(quantize(captured, given, options)) == pytest.approx(scales(quantize(single, given, options)), 1e-5)


@slow
def test_one_sample_is_enough(captured: Captured, samples: Any) -> None:
    assert quantize(captured, samples((1, 3, 8, 8), count=1)).report.tried


def shapes(*sizes: int) -> list[tuple[torch.Tensor, ...]]:
    return [(torch.full((size, 2), float(number)),) for number, size in enumerate(sizes)]


def test_groups_are_as_large_as_the_program_takes() -> None:
    dynamic = parse_inputs(["x:batch=1..4,2"])
    assert [len(group) for group in grouped(shapes(1, 1, 1, 1, 1, 1), dynamic)] == [4, 2]
    assert [len(group) for group in grouped(shapes(3, 2, 2, 4, 1), dynamic)] == [1, 2, 1, 1]
    group = grouped(shapes(3, 2, 2), dynamic)[1]
    assert joined(group)[0].tolist() == [[1, 1], [1, 1], [2, 2], [2, 2]]


@pytest.mark.parametrize("inputs", [["x:1,2"], ["x:batch=1..4,2", "y:1,2"], ["x:n=1..4,n"], ["x:1,n=1..4"]])
def test_samples_stay_alone_where_the_first_dimension_is_not_the_batch(inputs: list[str]) -> None:
    assert [len(group) for group in grouped(shapes(1, 1, 1), parse_inputs(inputs))] == [1, 1, 1]


def test_samples_of_other_sizes_do_not_go_together() -> None:
    sizes = [(torch.zeros(1, width),) for width in (5, 5, 6, 6, 5)]
    assert [len(group) for group in grouped(sizes, parse_inputs(["x:batch=1..8,n=4..9"]))] == [2, 2, 1]
