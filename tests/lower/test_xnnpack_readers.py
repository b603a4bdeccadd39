"""Values that are read in several places: XNNPACK gives the answers of the quantized program that was lowered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from mobilekit.capture import capture
from mobilekit.lower import target
from mobilekit.lower.recurrent import unrolled_for_quantizer
from mobilekit.lower.rewrite import copied
from mobilekit.lower.rewrites.apply import constants_of
from mobilekit.lower.xnnpack_readers import own_values
from mobilekit.quantize import quantize
from mobilekit.runners import Worker
from mobilekit.spec import QuantizeSpec, parse_inputs

CALLS = 100
MOST_STEPS = 2.5
"""Of the largest scale: kernels round a half up or to even, and one step early in a network may be two at its end."""


class SharedBias(nn.Module):
    """A bias that was computed, for two layers whose inputs have very different ranges."""

    bias: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False)
        self.register_buffer("bias", torch.randn(8))

    def forward(self, x: Tensor) -> Tensor:
        return linear(4 * torch.relu(linear(x, self.first.weight, self.bias)), self.second.weight, self.bias)


class SharedWithFloat(nn.Module):
    """A bias that is read in float as well."""

    bias: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8, bias=False)
        self.register_buffer("bias", torch.randn(8))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.bias - torch.sigmoid(linear(x, self.layer.weight, self.bias)))


class OneInput(nn.Module):
    """One weight for each output: in int8 they are all 127."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(4, 4, 1, groups=4), nn.Conv2d(4, 4, 1, groups=4)
        self.first.weight.data.uniform_(0.2, 1)
        self.second.weight.data.uniform_(0.2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(self.first(x)))


class Scales(nn.Module):
    """A learned scale after each layer, as detectors' heads have it: in int8 they are equal."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(2))
        self.scales = nn.ParameterList(nn.Parameter(torch.tensor([one])) for one in (0.5, 3.0))

    def forward(self, x: Tensor) -> Tensor:
        for layer, scale in zip(self.layers, self.scales, strict=True):
            x = layer(x) * scale
        return x


class Twice(nn.Module):
    """A layer that is called twice with the same input."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.layer(x)) - torch.sigmoid(self.layer(x))


class Beside(nn.Module):
    """A difference of int8 values between int8 layers, beside a tanh in float of one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        beside = torch.tanh(y)
        return self.last(y - self.second(x)) * beside


class LeftFloat(Beside):
    """A layer that the user leaves in float, of a value that is subtracted in int8."""

    floating = ("second",)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.first(x))
        z = nn.functional.silu(self.second(y))
        return self.last(z - y) + z


class Recurrent(nn.Module):
    """The bias inside the candidate is the same in every frame, the state's scale is not: it grows from zero."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(4, 6, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        last: Tensor = self.gru(x)[1]
        return last


def quantized(module: nn.Module, *sizes: int) -> tuple[Any, Any, list[Tensor]]:
    """What was captured, its int8 program, and samples. Layers share their biases, as other quantizers leave them."""
    taken = capture(module.eval(), parse_inputs([f"x:{','.join(map(str, sizes))}"]))
    samples = list(torch.randn(CALLS, *sizes))
    options = QuantizeSpec(floating=getattr(module, "floating", ()))
    written_out = replace(taken, program=unrolled_for_quantizer(taken.program))
    program = copied(quantize(written_out, [(one,) for one in samples[:16]], options).program)
    first: dict[str, Any] = {}
    for bias, data in constants_of(program).items():
        if data.dim() == 1 and data.dtype == torch.float32:
            kept = first.setdefault(str(data.tolist()), bias)
            for user in [user for user in bias.users if "linear" in str(user.target)]:
                user.replace_input_with(bias, kept)
    program.graph_module.recompile()
    return taken, program, samples


def inputs_of(program: Any, operator: str, place: int) -> set[Any]:
    return {node.args[place] for node in program.graph.nodes if f"aten.{operator}." in str(node.target)}


def test_a_bias_on_two_grids_becomes_two() -> None:
    torch.manual_seed(0)
    _, program, samples = quantized(SharedBias(), 1, 8)
    assert len(inputs_of(program, "linear", 2)) == 1
    changed = copied(program)
    own_values(changed)
    assert len(inputs_of(changed, "linear", 2)) == 2
    with torch.no_grad():
        assert all(torch.equal(changed.module()(one), program.module()(one)) for one in samples)


def test_on_one_grid_a_constant_stays_one() -> None:
    torch.manual_seed(0)
    _, program, _ = quantized(Twice(), 1, 8)
    before = [node.name for node in program.graph.nodes]
    own_values(program)
    assert [node.name for node in program.graph.nodes] == before
    assert len(inputs_of(program, "linear", 2)) == 1


def test_what_reads_in_float_has_a_dequantize_call_of_its_own() -> None:
    torch.manual_seed(0)
    _, program, samples = quantized(Beside(), 1, 8)
    (before,) = inputs_of(program, "tanh", 0)
    assert inputs_of(program, "sub", 0) == {before}
    changed = copied(program)
    own_values(changed)
    (own,) = inputs_of(changed, "tanh", 0)
    assert [one.name for one in own.users] == ["tanh"]
    assert len(changed.graph.nodes) == len(program.graph.nodes) + 1
    with torch.no_grad():
        assert all(torch.equal(changed.module()(one), program.module()(one)) for one in samples)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "sizes"),
    [
        (SharedBias, (1, 8)),
        (SharedWithFloat, (1, 8)),
        (OneInput, (1, 4, 3, 3)),
        (Scales, (1, 8)),
        (Twice, (1, 8)),
        (Beside, (1, 8)),
        (LeftFloat, (1, 8)),
        (Recurrent, (1, 4, 4)),
    ],
)
def test_xnnpack_gives_the_programs_answers(
    make: Callable[[], nn.Module], sizes: tuple[int, ...], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    taken, program, samples = quantized(make(), *sizes)
    path = tmp_path / "model.pte"
    lowered = target("xnnpack").lower(program, "int8", path, inputs=taken.inputs, outputs=taken.outputs)
    assert lowered.delegation is not None
    assert (lowered.delegation.delegates, lowered.delegation.portable_nodes) == (1, 0)
    with Worker("pte", path, threads=1) as worker, torch.no_grad():
        given = [outputs[0] for outputs in worker.run([(one.numpy(),) for one in samples])]
        wanted = [program.module()(one).numpy() for one in samples]
    steps = [node.args[1] for node in program.graph.nodes if "quantize_per_tensor" in str(node.target)]
    apart = [float(np.abs(a - w).max()) for a, w in zip(given, wanted, strict=True)]
    assert np.median(apart) <= 1e-6, "most answers are the very same"
    assert max(apart) <= MOST_STEPS * max(steps)
