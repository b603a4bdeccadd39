"""What our quantizer adds to ExecuTorch's: scales of their own for pools, and activations in int8."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mobilekit.capture import Captured, capture
from mobilekit.lower.xnnpack import Xnnpack
from mobilekit.quantize import pt2e, quantize
from mobilekit.quantize.folding import operator_name
from mobilekit.runners import Worker
from mobilekit.spec import QuantizeSpec, parse_inputs
from mobilekit.verify import sqnr_db

Samples = list[tuple[Tensor, ...]]


class Gated(nn.Module):
    """Squeeze and excitation: a mean over the picture decides what passes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gate, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 4, 1)

    def forward(self, image: Tensor) -> Tensor:
        features = torch.relu(self.conv(image))
        peaks = features * features * features
        pooled = nn.functional.adaptive_avg_pool2d(peaks, 1)
        return self.head(features * torch.sigmoid(self.gate(pooled)))


def activated(activation: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), activation, nn.Conv2d(8, 8, 3), activation, nn.Conv2d(8, 4, 1))


def captured_of(module: nn.Module) -> Captured:
    return capture(module.eval(), parse_inputs(["image:1,3,10,10"]))


def ratio(captured: Captured, program: Any, samples: Samples) -> float:
    with torch.no_grad():
        wanted = [(captured.program.module()(*one).numpy(),) for one in samples]
        got = [(program.module()(*one).numpy(),) for one in samples]
    return sqnr_db(wanted, got) or 400.0


def stock() -> Any:
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )

    return XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))


def test_a_pool_with_a_scale_of_its_own_loses_less(
    seasoned: Callable[[nn.Module], nn.Module], samples: Callable[..., Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    captured, data = captured_of(seasoned(Gated())), samples((1, 3, 10, 10))
    ours = ratio(captured, quantize(captured, data).program, data)
    monkeypatch.setattr(pt2e, "quantizer", lambda _options, _floating: stock())
    theirs = ratio(captured, quantize(captured, data).program, data)
    assert ours > theirs + 1


@pytest.mark.parametrize("activation", [nn.SiLU(), nn.SiLU(inplace=True), nn.Hardswish(), nn.Hardswish(inplace=True)])
def test_activations_are_int8_on_both_sides(
    activation: nn.Module, seasoned: Callable[[nn.Module], nn.Module], samples: Callable[..., Samples]
) -> None:
    captured, data = captured_of(seasoned(activated(activation))), samples((1, 3, 10, 10))
    program = quantize(captured, data).program
    found = [
        node for node in program.graph.nodes if operator_name(node) in ("sigmoid", "mul", "hardswish", "hardswish_")
    ]
    assert len(found) == (2 if isinstance(activation, nn.Hardswish) else 4)
    for node in found:
        assert all(operator_name(one).startswith("dequantize") for one in node.all_input_nodes)
        assert all(operator_name(one).startswith("quantize") for one in node.users)
    assert ratio(captured, program, data) > 20


def test_a_sigmoid_by_itself_stays_float(
    seasoned: Callable[[nn.Module], nn.Module], samples: Callable[..., Samples]
) -> None:
    captured, data = captured_of(seasoned(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Sigmoid()))), samples((1, 3, 10, 10))
    (sigmoid,) = [n for n in quantize(captured, data).program.graph.nodes if operator_name(n) == "sigmoid"]
    assert [one.op for one in sigmoid.users] == ["output"]


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(10, 8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x) * 0.5
        weights = torch.bmm(tokens, tokens.transpose(1, 2)) * 8**-0.5
        return self.head(torch.bmm(weights.softmax(2), tokens))


def test_attentions_scaling_stays_float(
    seasoned: Callable[[nn.Module], nn.Module], samples: Callable[..., Samples]
) -> None:
    captured = capture(seasoned(Attention()), parse_inputs(["tokens:1,6,10"]))
    program = quantize(captured, samples((1, 6, 10))).program
    after_a_layer, within = [node for node in program.graph.nodes if operator_name(node) == "mul"]
    assert operator_name(after_a_layer.args[0]).startswith("dequantize")
    assert operator_name(within.args[0]) == "bmm" and [operator_name(one) for one in within.users] == ["softmax"]


@pytest.mark.slow
@pytest.mark.parametrize("activation", [nn.SiLU(), nn.Hardswish()])
def test_xnnpack_computes_them_in_int8_and_gives_the_programs_outputs(
    activation: nn.Module, seasoned: Callable[[nn.Module], nn.Module], samples: Callable[..., Samples], tmp_path: Path
) -> None:
    from mobilekit.bundle.pte import read_pte

    captured, data = captured_of(seasoned(activated(activation))), samples((1, 3, 10, 10))
    program = quantize(captured, data).program
    path = tmp_path / "model.pte"
    Xnnpack().lower(program, "int8", path, inputs=captured.inputs, outputs=captured.outputs)
    (delegate,) = read_pte(path).delegates
    counts = {node.name: node.count for node in delegate.nodes}
    assert counts["Convert"] == 2, "one where int8 begins and one where it ends"
    with Worker("pte", path, threads=1) as worker, torch.no_grad():
        got = worker.run([tuple(tensor.numpy() for tensor in one) for one in data])
        wanted = [(program.module()(*one).numpy(),) for one in data]
    assert (sqnr_db(wanted, got) or 400.0) > 30


class Heads(nn.Module):
    """One head over maps of two sizes, as detectors have it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.down = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, stride=2)
        self.head = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(8, 4, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fine = torch.relu(self.stem(x))
        return self.head(fine), self.head(torch.relu(self.down(fine)))


@pytest.mark.slow
def test_layers_that_share_their_weights_are_int8_in_every_place(
    seasoned: Callable[[nn.Module], nn.Module], samples: Callable[..., Samples], tmp_path: Path
) -> None:
    captured, data = captured_of(seasoned(Heads())), samples((1, 3, 10, 10))
    program = quantize(captured, data).program
    convolutions = [node for node in program.graph.nodes if operator_name(node) == "conv2d"]
    assert len(convolutions) == 6
    assert all(operator_name(one).startswith("dequantize") for node in convolutions for one in node.args[:2])
    weights = [tensor for tensor in {**program.state_dict, **program.constants}.values() if tensor.dtype == torch.int8]
    assert len(weights) == 4, "each once, in however many places it is used"
    path = tmp_path / "model.pte"
    Xnnpack().lower(program, "int8", path, inputs=captured.inputs, outputs=captured.outputs)
    with Worker("pte", path, threads=1) as worker, torch.no_grad():
        got = worker.run([tuple(tensor.numpy() for tensor in one) for one in data])
        wanted = [tuple(out.numpy() for out in program.module()(*one)) for one in data]
    for place in (slice(0, 1), slice(1, 2)):
        assert (sqnr_db([one[place] for one in wanted], [one[place] for one in got]) or 400.0) > 30


class SharedBias(nn.Module):
    """A bias that was computed, in two places."""

    bias: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False)
        self.register_buffer("bias", torch.ones(8))

    def forward(self, x: Tensor) -> Tensor:
        linear = nn.functional.linear
        return linear(torch.relu(linear(x, self.first.weight, self.bias)), self.second.weight, self.bias)


def test_a_bias_in_two_places_is_corrected_in_each(
    seasoned: Callable[[nn.Module], nn.Module], samples: Callable[..., Samples]
) -> None:
    captured, data = capture(seasoned(SharedBias()), parse_inputs(["x:1,8"])), samples((1, 8), count=64)
    program = quantize(captured, data, QuantizeSpec(bias_correction=True)).program
    first, second = [node.args[2] for node in program.graph.nodes if operator_name(node) == "linear"]
    assert first is not second
    with torch.no_grad():
        errors = [program.module()(*one) - captured.program.module()(*one) for one in data]
    assert float(torch.cat(errors).mean(0).abs().max()) < 0.003, "0.008 when each place moves the other's too"


class Placed(nn.Module):
    """A constant that is added in int8 and subtracted in float."""

    def __init__(self) -> None:
        super().__init__()
        self.place, self.layer = nn.Parameter(torch.ones(1, 8)), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.place - self.layer(x + self.place))


def test_a_constant_may_be_read_in_int8_and_in_float(
    seasoned: Callable[[nn.Module], nn.Module], samples: Callable[..., Samples]
) -> None:
    captured, data = capture(seasoned(Placed()), parse_inputs(["x:1,8"])), samples((1, 8))
    program = quantize(captured, data).program
    (subtraction,) = [node for node in program.graph.nodes if operator_name(node) == "sub"]
    assert subtraction.args[0].op == "placeholder"
    assert ratio(captured, program, data) > 25
