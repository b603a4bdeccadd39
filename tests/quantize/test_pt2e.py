from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mobilekit.capture import Captured, capture
from mobilekit.errors import QuantizeError
from mobilekit.quantize import Quantized, quantize
from mobilekit.quantize.folding import operator_name
from mobilekit.spec import parse_inputs

pytestmark = pytest.mark.slow  # a quantization takes seconds, however small the model


class Net(nn.Module):
    """Convolution and batch norm, a depthwise one, a residual addition, pooling, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.depthwise, self.norm2 = nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8)
        self.head = nn.Linear(8 * 4 * 4, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(self.first(x)).relu()
        y = nn.functional.max_pool2d(y + self.norm2(self.depthwise(y)), 2)
        return self.head(y.flatten(1))


class Call(nn.Module):
    """A module that is one function of its layers and inputs."""

    def __init__(self, function: Any, *layers: nn.Module) -> None:
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(layers)

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(self.layers, *inputs)


def outputs(program: Any, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    with torch.no_grad():
        return list(torch.utils._pytree.tree_leaves(program.module()(*inputs)))


def sqnr_db(captured: Captured, quantized: Quantized, inputs: tuple[Tensor, ...]) -> list[float]:
    """Signal to quantization noise of each output, in dB."""
    pairs = zip(outputs(captured.program, inputs), outputs(quantized.program, inputs), strict=True)
    return [10 * math.log10(float((x**2).sum() / ((x - y) ** 2).sum().clamp_min(1e-30))) for x, y in pairs]


def calls(quantized: Quantized) -> Counter[str]:
    return Counter(name for node in quantized.program.graph.nodes if (name := operator_name(node)))


@pytest.fixture
def net(seasoned: Callable[[nn.Module], nn.Module]) -> Captured:
    return capture(seasoned(Net()), parse_inputs(["batch=1..8,3,8,8"]))


def test_a_small_network(net: Captured, samples: Any) -> None:
    before = {name: tensor.clone() for name, tensor in net.program.state_dict.items()}
    (x,) = samples((8, 3, 8, 8), count=1, seed=9)
    float_before = outputs(net.program, x)
    quantized = quantize(net, samples((1, 3, 8, 8)))
    assert (quantized.report.samples, quantized.report.quantized, quantized.report.candidates) == (12, 3, 3)
    assert sqnr_db(net, quantized, x)[0] > 25

    # the float program is what it was
    assert set(net.program.state_dict) == set(before)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.program.state_dict.items())
    assert all(torch.equal(a, b) for a, b in zip(outputs(net.program, x), float_before, strict=True))

    # batch norms are folded, weights int8 per output channel, activations int8 per tensor
    found = calls(quantized)
    assert "batch_norm" not in found
    assert found["dequantize_per_channel"] == 3 and found["quantize_per_tensor"] >= 5
    for node in quantized.program.graph.nodes:
        if operator_name(node) == "dequantize_per_channel":
            assert node.args[3] == 0 and node.args[4:] == (-127, 127, torch.int8)
        if operator_name(node) == "quantize_per_tensor":
            assert node.args[1] > 0 and -128 <= node.args[2] <= 127 and node.args[3:] == (-128, 127, torch.int8)
    state = quantized.program.state_dict
    weights = {tuple(tensor.shape) for tensor in state.values() if tensor.dtype == torch.int8}
    assert weights == {(8, 3, 3, 3), (8, 1, 3, 3), (5, 128)}
    scales = [tensor for name, tensor in state.items() if "scale" in name]
    assert sorted(len(one) for one in scales) == [5, 8, 8] and all((one > 0).all() for one in scales)
    floats = [tensor.shape for tensor in state.values() if tensor.dtype == torch.float32 and tensor.dim() > 1]
    assert floats == [], "the float weights are gone"


def test_the_dynamic_batch_stays(net: Captured, samples: Any) -> None:
    quantized = quantize(net, samples((2, 3, 8, 8)))
    ((x,),) = samples((8, 3, 8, 8), count=1)
    (whole,) = outputs(quantized.program, (x,))
    single = torch.cat([outputs(quantized.program, (x[i : i + 1],))[0] for i in range(8)])
    assert whole.shape == (8, 5) and torch.allclose(whole, single, atol=1e-5)


def test_the_same_samples_give_the_same_bits(net: Captured, samples: Any) -> None:
    torch.manual_seed(1)
    first = quantize(net, samples((1, 3, 8, 8)))
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second = quantize(net, iter(samples((1, 3, 8, 8))))
    assert torch.equal(torch.get_rng_state(), state)
    assert str(first.program.graph) == str(second.program.graph)
    for name, tensor in first.program.state_dict.items():
        assert torch.equal(tensor, second.program.state_dict[name]), name
    other = quantize(net, samples((1, 3, 8, 8), seed=5))
    assert str(other.program.graph) != str(first.program.graph), "and other samples give other scales"


def normed_and_not(layers: Any, x: Tensor) -> Tensor:
    y = layers[0](x)
    return layers[1](y) + y


def transposed(groups: int) -> nn.Module:
    return nn.ConvTranspose2d(4, 4, 3, padding=1, groups=groups)


def conv() -> nn.Module:
    return nn.Conv2d(3, 3, 3)


def norm() -> nn.Module:
    return nn.BatchNorm2d(3)


HARDER: dict[str, tuple[Any, list[tuple[int, ...]], dict[str, int]]] = {
    # the patterns that torchao's own folding of batch norms gets wrong
    "normed and not": (lambda: Call(normed_and_not, conv(), norm()), [(3, 6, 6)], {"batch_norm": 1}),
    "one convolution, with a norm and without": (
        lambda: Call(lambda m, x: m[1](m[0](x)) + m[0](x), conv(), norm()),
        [(3, 6, 6)],
        {"conv2d": 2},
    ),
    "one convolution, two norms": (
        lambda: Call(lambda m, x: m[1](m[0](x)) + m[2](m[0](x * 2)), conv(), norm(), norm()),
        [(3, 6, 6)],
        {"conv2d": 2, "dequantize_per_channel": 2},
    ),
    "grouped transposed convolution": (
        lambda: Call(lambda m, x: m[1](m[0](x)) + m[2](x), transposed(2), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)),
        [(4, 6, 6)],
        {"batch_norm": 1},
    ),
    "linear, normed and not": (lambda: Call(normed_and_not, nn.Linear(4, 6), nn.BatchNorm1d(6)), [(4,)], {}),
    # those that it folds as it should
    "transposed convolution": (
        lambda: Call(lambda m, x: m[1](m[0](x)), nn.ConvTranspose2d(3, 6, 3), nn.BatchNorm2d(6)),
        [(3, 6, 6)],
        {"batch_norm": 0},
    ),
    "norm without weights": (
        lambda: Call(lambda m, x: m[1](m[0](x)), conv(), nn.BatchNorm2d(3, affine=False)),
        [(3, 6, 6)],
        {"batch_norm": 0},
    ),
    "linear and norm": (lambda: Call(lambda m, x: m[1](m[0](x)), nn.Linear(4, 6), nn.BatchNorm1d(6)), [(4,)], {}),
    "norm first": (
        lambda: Call(lambda m, x: m[1](m[0](x).relu()), norm(), conv()),
        [(3, 6, 6)],
        {"batch_norm": 1},
    ),
    # several inputs, shared weights, other layers
    "two inputs": (
        lambda: Call(lambda m, a, b: m[0](a) + m[1](b), nn.Linear(8, 6), nn.Linear(4, 6)),
        [(8,), (4,)],
        {"linear": 2},
    ),
    "concatenation": (
        lambda: Call(lambda m, a, b: m[0](torch.cat([a, b], 1)), nn.Linear(8, 6)),
        [(4,), (4,)],
        {"cat": 1},
    ),
    "one layer twice": (lambda: Call(lambda m, x: m[0](m[0](x).relu()), nn.Linear(8, 8)), [(8,)], {"linear": 2}),
    "named outputs": (lambda: Call(lambda m, x: {"z": m[0](x), "a": x * 2}, nn.Linear(8, 8)), [(8,)], {"linear": 1}),
    "attention": (
        lambda: Call(lambda m, x: m[0](x, x, x)[0], nn.MultiheadAttention(8, 2, batch_first=True)),
        [(5, 8)],
        {},
    ),
}
FAST = ("normed and not", "one convolution, two norms", "two inputs")


@pytest.mark.parametrize(
    "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in HARDER]
)
def test_graphs_that_are_harder(name: str, seasoned: Any, samples: Any) -> None:
    module, shapes, expected = HARDER[name]
    inputs = [f"x{i}:batch=1..8,{','.join(map(str, shape))}" for i, shape in enumerate(shapes)]
    captured = capture(seasoned(module()), parse_inputs(inputs))
    sized = [(4, *shape) for shape in shapes]
    quantized = quantize(captured, samples(*sized, count=32))
    assert quantized.report.quantized > 0
    found = calls(quantized)
    assert {kind: found[kind] for kind in expected} == expected
    assert min(sqnr_db(captured, quantized, samples(*sized, count=1, seed=7)[0])) > 22


@pytest.mark.slow
def test_whole_numbers_in(seasoned: Any) -> None:
    model = Call(lambda m, ids: m[1](m[0](ids).mean(1)), nn.Embedding(10, 8), nn.Linear(8, 4))
    captured = capture(seasoned(model), parse_inputs(["ids:int64:batch=1..4,5"]))
    sets = [(torch.randint(0, 10, (4, 5), generator=torch.Generator().manual_seed(i)),) for i in range(12)]
    assert sqnr_db(captured, quantize(captured, sets), sets[0])[0] > 25


@pytest.mark.parametrize(
    "module",
    [Call(lambda m, x: x.softmax(-1)), Call(lambda m, x: x), Call(lambda m, x: m[0](x)[0], nn.LSTM(8, 6))],
    ids=["softmax", "nothing", "lstm"],
)
def test_a_model_of_which_nothing_becomes_int8(module: nn.Module, samples: Any) -> None:
    captured = capture(module, parse_inputs(["4,8"]))
    with pytest.raises(QuantizeError, match=r"nothing in this model has an int8 form.*\nhint: export it as fp32"):
        quantize(captured, samples((4, 8)))


@pytest.mark.slow
def test_a_batch_norm_by_the_batch_s_own_statistics(seasoned: Any, samples: Any) -> None:
    model = Call(lambda m, x: nn.functional.batch_norm(m[0](x), torch.zeros(3), torch.ones(3), training=True), conv())
    captured = capture(seasoned(model), parse_inputs(["4,3,6,6"]))
    quantized = quantize(captured, samples((4, 3, 6, 6)))
    assert calls(quantized)["batch_norm"] == 1
    assert sqnr_db(captured, quantized, samples((4, 3, 6, 6), count=1)[0])[0] > 25


def test_nothing_to_calibrate_on(net: Captured) -> None:
    for empty in ([], iter(())):
        with pytest.raises(QuantizeError, match="the calibration set is empty"):
            quantize(net, empty)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda x: x.index_fill(0, torch.tensor([0]), torch.nan), "sample 3 holds NaN or infinity in input"),
        (lambda x: x * torch.inf, "sample 3 holds NaN or infinity in input"),
        (lambda x: x[:, :, :5], "sample 3 does not fit the model: input: dimension 2 must be 8, given 5"),
        (lambda x: x[0], "sample 3 does not fit the model: input has 4 dimensions"),
        (lambda x: torch.cat([x] * 9), "dimension 0 .batch. must be 1 to 8, given 9"),
        (lambda x: x.double(), "sample 3 does not fit the model: input must be float32, given float64"),
    ],
)
def test_samples_that_do_not_fit(change: Any, match: str, net: Captured, samples: Any) -> None:
    sets = samples((1, 3, 8, 8))
    sets[3] = (change(sets[3][0]),)
    with pytest.raises(QuantizeError, match=match):
        quantize(net, sets)


def test_a_sample_with_too_many_tensors(net: Captured, samples: Any) -> None:
    with pytest.raises(QuantizeError, match="sample 0 has 2 tensors for 1 inputs"):
        quantize(net, samples((1, 3, 8, 8), (1,)))


def test_outputs_that_overflow(samples: Any) -> None:
    captured = capture(Call(lambda m, x: m[0](x) * 1e38 * 1e38, nn.Linear(8, 4)), parse_inputs(["4,8"]))
    with pytest.raises(QuantizeError, match=r"NaN or infinite on calibration sample 0|fails on calibration sample 0"):
        quantize(captured, samples((4, 8)))


def test_an_error_while_samples_are_read_is_passed_on(net: Captured, samples: Any) -> None:
    def broken() -> Any:
        yield samples((1, 3, 8, 8))[0]
        raise OSError("the third photo is gone")

    with pytest.raises(OSError, match="the third photo"):
        quantize(net, broken())


def test_progress_is_told_and_the_screen_stays_quiet(
    net: Captured, samples: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    import contextlib

    told: list[Any] = []

    class Task:
        def advance(self, steps: int = 1) -> None:
            told.append(steps)

        def say(self, text: str) -> None: ...

    class Progress:
        @contextlib.contextmanager
        def task(self, title: str, total: int | None = None) -> Any:
            told.append((title, total))
            yield Task()

        def warn(self, text: str) -> None: ...

    quantize(net, samples((1, 3, 8, 8), count=3), progress=Progress())
    assert told == [("calibrating int8", 3), 3]
    assert capfd.readouterr() == ("", "")
