from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mobilekit.capture import Captured, capture, captured_program
from mobilekit.errors import CaptureError, WeightsError
from mobilekit.model.pt2 import save_pt2
from mobilekit.spec import TensorSpec, parse_inputs


class Call(nn.Module):
    """A module that is one function."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor) -> Any:
        return self.function(*inputs)


class Multiply(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b


class FirstAndOthers(nn.Module):
    def forward(self, first: Tensor, *others: Tensor) -> Tensor:
        return first + sum(others)


class Embedded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 4)

    def forward(self, ids: Tensor) -> Tensor:
        return self.table(ids).mean(1)


def described(specs: tuple[TensorSpec, ...]) -> dict[str, str]:
    return {spec.name: f"{spec.dtype} {spec.describe()}" for spec in specs}


def at(captured: Captured, *inputs: Tensor) -> list[Tensor]:
    with torch.no_grad():
        return list(torch.utils._pytree.tree_leaves(captured.program.module()(*inputs)))


def test_two_inputs_share_a_dimension() -> None:
    captured = capture(Multiply(), parse_inputs(["a:batch=1..8,t=4..32,3", "b:batch,3,t"]))
    assert described(captured.outputs) == {"output": "float32 [batch=1..8, t=4..32, t=4..32]"}
    for batch, t in ((1, 4), (8, 32), (3, 5)):
        a, b = torch.randn(batch, t, 3), torch.randn(batch, 3, t)
        assert torch.allclose(at(captured, a, b)[0], a @ b)


def test_height_and_width_are_dynamic_through_convolutions() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1))
    captured = capture(model, parse_inputs(["image:batch=1..4,3,h=32..64,w=32..96"]))
    assert described(captured.outputs) == {"output": "float32 [batch=1..4, 4, 1, 1]"}
    for shape in ((1, 3, 32, 96), (4, 3, 64, 33)):
        x = torch.randn(shape)
        assert torch.allclose(at(captured, x)[0], model(x), atol=1e-6)


def test_sizes_that_follow_from_others_have_readable_names_and_bounds() -> None:
    model = Call(
        lambda x: (torch.cat([x, x]), x[:, 1:], nn.functional.avg_pool1d(x[:, None], 2), x.reshape(-1), x[:, ::3])
    )
    captured = capture(model, parse_inputs(["x:batch=2..8,t=8..20"]))
    assert described(captured.outputs) == {
        "output0": "float32 [dim_2_x_batch=4..16, t=8..20]",
        "output1": "float32 [batch=2..8, t_minus_1=7..19]",
        "output2": "float32 [batch=2..8, 1, t_div_2=4..10]",
        "output3": "float32 [batch_x_t=16..160]",
        "output4": "float32 [batch=2..8, t_plus_2_div_3=3..7]",
    }


@pytest.mark.parametrize("inputs", [("a:batch=1..8,3", "b:batch,3"), ("a:2,3", "b:2,3", "c:2,3")])
def test_any_number_of_inputs(inputs: tuple[str, ...]) -> None:
    specs = parse_inputs(inputs)
    tensors = [torch.randn(5 if spec.dynamic else 2, 3) for spec in specs]
    for model in (Call(lambda *x: sum(x)), FirstAndOthers()):
        captured = capture(model, specs)
        assert [spec.name for spec in captured.inputs] == [spec.name for spec in specs]
        assert torch.allclose(at(captured, *tensors)[0], sum(tensors))  # type: ignore[arg-type]


def test_whole_numbers_in() -> None:
    captured = capture(Embedded(), parse_inputs(["ids:int64:batch=1..8,7"]))
    assert described(captured.outputs) == {"output": "float32 [batch=1..8, 4]"}
    assert captured.parameters == 40


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (lambda x: x * 2, ["output"]),
        (lambda x: (x * 2,), ["output"]),
        (lambda x: (x * 2, [x + 1, x - 1]), ["output0", "output1", "output2"]),
        (lambda x: {"boxes": x * 2, "class scores": x + 1}, ["boxes", "class_scores"]),
        (lambda x: {"z": x * 2, "a": x + 1}, ["z", "a"]),
        (lambda x: {"a": x * 2, "b": {"c": x + 1}}, ["output0", "output1"]),
        (lambda x: {"x": x * 2, "1": x + 1, "größe": x - 1}, ["x_out", "output_1", "gr__e"]),
        (lambda x: {"a b": x * 2, "a_b": x + 1}, ["a_b", "a_b_out"]),
        (lambda x: (x * 2, x), ["output0", "output1"]),
    ],
)
def test_outputs_are_named(function: Any, names: list[str]) -> None:
    captured = capture(Call(function), parse_inputs(["x:2,3"]))
    assert [spec.name for spec in captured.outputs] == names
    x = torch.randn(2, 3)
    for got, expected in zip(at(captured, x), torch.utils._pytree.tree_leaves(function(x)), strict=True):
        assert torch.equal(got, expected)


def test_an_input_called_output_keeps_its_name() -> None:
    captured = capture(nn.ReLU(), parse_inputs(["output:2,3"]))
    assert [spec.name for spec in (*captured.inputs, *captured.outputs)] == ["output", "output_out"]


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (lambda x: (x, 3), "output 1 of the model is int, not a tensor"),
        (lambda x: (None, x), "output 0 of the model is NoneType"),
        (lambda x: "text", "output 0 of the model is str"),
        (lambda x: (), "output 0 of the model is NoneType"),
        (lambda x: x.double(), "output 'output' is float64\nhint: phones take float32"),
        (lambda x: x.to(torch.complex64), "output 'output' is complex64"),
        (lambda x: x[:0], "output 'output' is empty: dimension 0 is 0"),
        (lambda x: x.add_(1), r"changes its input 'x' in place\nhint: make a new tensor"),
        (lambda x: (nn.functional.relu(x, inplace=True), x + 1), "changes its input 'x' in place"),
        (lambda x: x + torch.rand_like(x), "does not give the module's own outputs: they differ by up to 0"),
        (lambda x: nn.functional.dropout(x, 0.5), "does not give the module's own outputs"),
    ],
)
def test_models_that_are_not_functions_from_tensors_to_tensors(function: Any, match: str) -> None:
    with pytest.raises(CaptureError, match=match):
        capture(Call(function), parse_inputs(["x:4,3"]))


def test_a_counter_outside_the_graph_is_noticed() -> None:
    class Counting(nn.Module):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return x * self.calls

    with pytest.raises(CaptureError, match=r"differ by up to .*\nhint: forward\(\) may depend on something besides"):
        capture(Counting(), parse_inputs(["x:4,3"]))


def test_the_module_and_the_random_state_are_left_as_they_were() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5)).train()
    model[1].eval()  # a frozen batch norm in a model that trains
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(1)
    state = torch.get_rng_state()
    captured = capture(model, parse_inputs(["batch=1..4,1,6,6"]))
    assert [one.training for one in model] == [True, False, True] and model.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    x = torch.randn(3, 1, 6, 6)
    assert torch.equal(at(captured, x)[0], at(captured, x)[0]), "dropout is off in what was captured"
    with pytest.raises(CaptureError):
        capture(model, parse_inputs(["batch=1..4,9,6,6"]))
    assert [one.training for one in model] == [True, False, True]


def test_an_example_of_one_s_own_is_used() -> None:
    table = Call(lambda ids: torch.arange(5.0)[ids])
    specs = parse_inputs(["ids:int64:n=1..4"])
    assert capture(table, specs, example=[torch.tensor([4, 4, 4])]).outputs[0].describe() == "[n=1..4]"
    with pytest.raises(CaptureError, match="index 9 is out of bounds"):
        capture(table, specs, example=[torch.tensor([9, 9])])


def test_weights_that_are_not_finite() -> None:
    model = nn.Linear(3, 2)
    with torch.no_grad():
        model.weight[0, 0] = torch.nan
    with pytest.raises(WeightsError, match=r"the model \(Linear\) has values that are not finite .* in: weight"):
        capture(model, parse_inputs(["1,3"]))


def test_a_model_elsewhere() -> None:
    with pytest.raises(CaptureError, match=r"the model is on meta\nhint: move it first: module\.to\('cpu'\)"):
        capture(nn.Linear(3, 2, device="meta"), parse_inputs(["1,3"]))


def test_nothing_reaches_the_screen(capfd: pytest.CaptureFixture[str]) -> None:
    def talks(x: Tensor) -> Tensor:
        print("from forward")
        return x * 2

    capture(Call(talks), parse_inputs(["2,3"]))
    assert capfd.readouterr() == ("", "")


def test_a_saved_program_is_as_good_as_a_fresh_one(tmp_path: Path) -> None:
    captured = capture(Multiply(), parse_inputs(["a:batch=1..8,t=4..32,3", "b:batch,3,t"]))
    save_pt2(captured.program, tmp_path / "x.pt2")
    again = captured_program(tmp_path / "x.pt2")
    assert described(again.inputs) == {
        "a": "float32 [batch=1..8, a_dim1=4..32, 3]",
        "b": "float32 [batch=1..8, 3, a_dim1=4..32]",
    }
    assert described(again.outputs) == {"output": "float32 [batch=1..8, a_dim1=4..32, a_dim1=4..32]"}
    assert again.parameters == captured.parameters == 0


def test_a_saved_program_with_weights_that_are_not_finite(tmp_path: Path) -> None:
    captured = capture(nn.Linear(3, 2), parse_inputs(["1,3"]))
    with torch.no_grad():
        captured.program.state_dict["bias"][0] = torch.inf
    save_pt2(captured.program, tmp_path / "x.pt2")
    with pytest.raises(WeightsError, match=r"x\.pt2 has values that are not finite .* in: bias"):
        captured_program(tmp_path / "x.pt2")


def test_a_saved_program_without_bounds(tmp_path: Path) -> None:
    shapes = ({0: torch.export.Dim.AUTO},)
    program = torch.export.export(nn.Linear(3, 2), (torch.zeros(4, 3),), dynamic_shapes=shapes)
    save_pt2(program, tmp_path / "x.pt2")
    with pytest.raises(CaptureError, match=r"input 'input' has a dimension without an upper bound\nhint: give torch"):
        captured_program(tmp_path / "x.pt2")
