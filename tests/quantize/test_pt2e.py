"""PT2E int8: what becomes int8, that it is close to float, repeatable, and refuses what cannot be measured."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from mobilekit.capture import Captured, capture, example_inputs
from mobilekit.errors import QuantizeError
from mobilekit.quantize import quantize
from mobilekit.spec import parse_inputs
from mobilekit.verify import sqnr_db


@pytest.fixture(scope="module")
def captured() -> Captured:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 64, 10)
    )
    net.train()
    for _ in range(4):  # batch norm statistics that are not the initial ones
        net(torch.randn(8, 1, 8, 8) * 2 + 1)
    return capture(net.eval(), parse_inputs(["image:batch=1..8,1,8,8"]))


def samples(captured: Captured, count: int = 8) -> list[tuple[torch.Tensor, ...]]:
    return [example_inputs(captured.inputs, seed=seed) for seed in range(count)]


def test_close_to_float_and_not_float(captured: Captured) -> None:
    quantized = quantize(captured, samples(captured)).program.module()
    reference = captured.program.module()
    inputs = samples(captured, 20)[10:]
    with torch.no_grad():
        apart = sqnr_db([(reference(*x).numpy(),) for x in inputs], [(quantized(*x).numpy(),) for x in inputs])
    assert apart is not None and 20 < apart < 60


def test_weights_are_int8_per_channel_and_activations_per_tensor(captured: Captured) -> None:
    program = quantize(captured, samples(captured)).program
    weights = [tensor for tensor in program.state_dict.values() if tensor.dtype == torch.int8]
    weights += [tensor for tensor in program.constants.values() if getattr(tensor, "dtype", None) == torch.int8]
    names = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert [tuple(weight.shape) for weight in weights] == [(8, 1, 3, 3), (10, 512)]
    assert sum("dequantize_per_channel" in name for name in names) == 2
    assert any("quantize_per_tensor" in name for name in names)
    assert not any("batch_norm" in name for name in names), "batch norm is folded into the convolution"


def test_report_counts(captured: Captured) -> None:
    report = quantize(captured, samples(captured, 3)).report
    assert (report.samples, report.quantized, report.candidates) == (3, 2, 2)


def test_same_samples_give_the_same_bits_and_the_float_program_is_left_alone(captured: Captured) -> None:
    graph = str(captured.program.graph)
    state = {name: tensor.clone() for name, tensor in captured.program.state_dict.items()}
    probe = samples(captured, 1)[0]
    with torch.no_grad():
        first, second = (quantize(captured, samples(captured)).program.module()(*probe) for _ in range(2))
    assert torch.equal(first, second)
    assert str(captured.program.graph) == graph
    assert all(torch.equal(captured.program.state_dict[name], tensor) for name, tensor in state.items())


def test_the_batch_stays_dynamic(captured: Captured) -> None:
    module = quantize(captured, samples(captured)).program.module()
    with torch.no_grad():
        assert [module(torch.zeros(size, 1, 8, 8)).shape[0] for size in (1, 5, 8)] == [1, 5, 8]


def test_scales_follow_the_calibration_data(captured: Captured) -> None:
    wide = [tuple(10 * tensor for tensor in one) for one in samples(captured)]
    narrow_scale, wide_scale = (
        next(
            node.args[1]
            for node in quantize(captured, data).program.graph.nodes
            if "quantize_per_tensor" in str(node.target)
        )
        for data in (samples(captured), wide)
    )
    assert wide_scale == pytest.approx(10 * narrow_scale, rel=0.05)


def test_nothing_to_calibrate_on(captured: Captured) -> None:
    with pytest.raises(QuantizeError, match="calibration set is empty"):
        quantize(captured, [])


def test_a_generator_is_fine_and_read_once(captured: Captured) -> None:
    def stream() -> Iterator[tuple[torch.Tensor, ...]]:
        yield from samples(captured, 2)

    assert quantize(captured, stream()).report.samples == 2


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(captured: Captured, bad: float) -> None:
    data = [*samples(captured, 2), (torch.full((2, 1, 8, 8), bad),)]
    with pytest.raises(QuantizeError, match="calibration sample"):
        quantize(captured, data)


def test_a_model_with_nothing_to_quantize() -> None:
    class Scale(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sin(x)

    captured = capture(Scale(), parse_inputs(["x:1,4"]))
    report = quantize(captured, [example_inputs(captured.inputs)]).report
    assert (report.quantized, report.candidates) == (0, 0)
