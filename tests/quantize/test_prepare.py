"""Programs of schemes that need no data: what becomes an integer, what stays, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from mobilekit.capture import Captured, capture, example_inputs
from mobilekit.errors import QuantizeError, UnknownName
from mobilekit.quantize import prepare
from mobilekit.quiet import quiet
from mobilekit.spec import parse_inputs
from mobilekit.verify import sqnr_db

pytestmark = pytest.mark.slow


class Net(nn.Module):
    """A convolution, a linear layer of 64 inputs that is used twice, one of 40, and a buffer."""

    offset: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.twice, self.odd, self.head = nn.Linear(64, 64), nn.Linear(64, 40), nn.Linear(40, 3)
        self.register_buffer("offset", torch.full((64,), 0.25))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        x = torch.relu(self.norm(self.conv(x))).flatten(1) + self.offset
        x = torch.relu(self.twice(torch.relu(self.twice(x))))
        x = torch.relu(self.odd(x))
        return {"scores": self.head(x), "features": x}


@pytest.fixture(scope="module")
def net() -> Captured:
    torch.manual_seed(0)
    return capture(Net().eval(), parse_inputs(["x:batch=1..8,1,4,4"]))


def _outputs(program: Any, captured: Captured) -> list[tuple[Any, ...]]:
    with quiet(), torch.no_grad():
        given = program.module()(*example_inputs(captured.inputs, seed=3))
    return [tuple(tensor.float().numpy() for tensor in given.values())]


def _held(program: Any) -> int:
    tensors = [one for one in (*program.state_dict.values(), *program.constants.values()) if hasattr(one, "numel")]
    return sum(tensor.numel() for tensor in tensors)


@pytest.mark.parametrize(
    ("scheme", "integer", "least_db"), [("int8-dynamic", 4, 30), ("int4-weight-only", 3, 10), ("fp16", 0, 50)]
)
def test_the_program_gives_nearly_the_same(net: Captured, scheme: str, integer: int, least_db: float) -> None:
    before = str(net.program.graph), {name: tensor.clone() for name, tensor in net.program.state_dict.items()}
    program = prepare(scheme, net)
    wanted, given = _outputs(net.program, net), _outputs(program, net)
    assert least_db < (sqnr_db(wanted, given) or 0) < 90, "something was rounded, and not too much"
    assert [array.dtype for row in given for array in row] == [array.dtype for row in wanted for array in row]
    chosen = [node for node in program.graph.nodes if "choose_qparams" in str(node.target)]
    assert len(chosen) == integer, "a layer that is used twice has two scales for its inputs"
    assert _held(program) < 1.2 * _held(net.program), "the float weights are gone"
    assert str(net.program.graph) == before[0]
    assert all(torch.equal(net.program.state_dict[name], tensor) for name, tensor in before[1].items())


def test_half_programs_compute_in_half(net: Captured) -> None:
    program = prepare("fp16", net)
    dtypes = {
        node.name: node.meta["val"].dtype for node in program.graph.nodes if hasattr(node.meta.get("val"), "dtype")
    }
    ends = {spec.arg.name for spec in (*program.graph_signature.input_specs, *program.graph_signature.output_specs)}
    inner = {dtype for name, dtype in dtypes.items() if name not in ends}
    assert inner == {torch.float16}
    assert dtypes["x"] == torch.float32
    assert {dtypes[spec.arg.name] for spec in program.graph_signature.output_specs} == {torch.float32}


@pytest.mark.parametrize(
    ("scheme", "module", "shape", "says"),
    [
        (
            "int8-dynamic",
            nn.Conv2d(1, 2, 3),
            "1,1,8,8",
            "int8-dynamic quantizes linear layers, and this model has none",
        ),
        ("int4-weight-only", nn.Linear(40, 8), "1,40", "none with a multiple of 32 inputs"),
    ],
)
def test_nothing_to_quantize_names_what_to_use_instead(scheme: str, module: nn.Module, shape: str, says: str) -> None:
    with pytest.raises(QuantizeError, match=says) as refused:
        prepare(scheme, capture(module.eval(), parse_inputs([f"x:{shape}"])))
    assert refused.value.hint is not None and "use int8" in refused.value.hint


def test_weights_beyond_float16() -> None:
    layer = nn.Linear(4, 2).eval()
    layer.weight.data[1, 2] = -70_000
    with pytest.raises(QuantizeError, match=r"fp16: weight holds 7e\+04, and float16 ends at 65504"):
        prepare("fp16", capture(layer, parse_inputs(["x:1,4"])))


def test_a_graph_that_asks_for_float32() -> None:
    class Picky(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(x.to(torch.float32) + torch.ones(4, dtype=torch.float32))

    with pytest.raises(QuantizeError, match="fp16: the graph does not run in float16"):
        prepare("fp16", capture(Picky().eval(), parse_inputs(["x:1,4"])))


def test_a_scheme_that_needs_data() -> None:
    with pytest.raises(UnknownName, match="scheme that needs no data 'int8', did you mean"):
        prepare("int8", capture(nn.Linear(4, 2).eval(), parse_inputs(["x:1,4"])))
