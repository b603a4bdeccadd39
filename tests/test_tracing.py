"""Lean tracing: the same artifacts to the byte with less work, and torch as it was afterwards."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch._export.utils
import torch.fx.config
from torch import Tensor, nn
from torch.fx.traceback import NodeSource

from mobilekit.capture import Captured, capture, example_inputs
from mobilekit.lower import onnx, target, xnnpack
from mobilekit.quantize import quantize
from mobilekit.spec import TensorSpec
from mobilekit.tracing import lean, patched


class Net(nn.Module):
    """What each shortcut must not change: a batch norm, a resize, attention, a flatten."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.interpolate(self.stem(x), size=(8, 8), mode="bilinear")
        tokens = x.reshape(-1, 2, 4, 64).transpose(2, 3)
        tokens = nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)
        return self.head(tokens.mean(2).flatten(1))


@pytest.fixture(scope="module")
def net() -> Captured:
    torch.manual_seed(0)
    return capture(Net(), (TensorSpec(name="x", shape=(1, 3, 4, 4)),))


def test_notes_on_nodes_are_shared_for_the_block_only() -> None:
    graph = torch.fx.symbolic_trace(nn.ReLU()).graph
    notes = [NodeSource(node, "a pass") for node in graph.nodes]
    with pytest.raises(RuntimeError), lean():
        with lean():
            assert all(mine is theirs for mine, theirs in zip(copy.deepcopy(notes), notes, strict=True))
        assert copy.deepcopy(notes)[0] is notes[0]
        raise RuntimeError("a pass fails")
    assert copy.deepcopy(notes)[0] is not notes[0]


def test_torch_is_afterwards_as_it_was() -> None:
    def state() -> list[object]:
        listing = torch._export.utils._materialize_cpp_cia_ops
        return [torch.fx.GraphModule.recompile, torch.fx.config.do_not_emit_stack_traces, listing, *vars(NodeSource)]

    before = state()
    with lean(), lean():
        assert state() != before
    assert state() == before


def test_a_graph_module_made_in_the_block_runs_there_and_later() -> None:
    x = torch.tensor([-1.0, 2.0])
    with lean(), lean():
        made = torch.fx.symbolic_trace(nn.ReLU())
        assert made(x).tolist() == [0, 2]
        later = torch.fx.symbolic_trace(nn.ReLU())
        assert str(later)
    assert later(x).tolist() == [0, 2]
    (call,) = (node for node in later.graph.nodes if node.op == "call_function")
    call.target, call.kwargs = torch.neg, {}
    later.recompile()
    assert later(x).tolist() == [1, -2]


def test_a_name_that_was_not_there_is_not_there_afterwards() -> None:
    class Owner:
        pass

    with patched(Owner, "name", 1):
        assert vars(Owner)["name"] == 1
    assert not hasattr(Owner, "name")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "scheme"), [("xnnpack", "fp32"), ("xnnpack", "int8"), ("onnx", "int8")])
def test_artifacts_are_the_same_to_the_byte(
    name: str, scheme: str, net: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def as_it_comes(**_options: bool) -> Iterator[None]:
        yield

    def made(file: str) -> bytes:
        program = quantize(net, [example_inputs(net.inputs)]).program if scheme == "int8" else net.program
        path = tmp_path / file
        target(name).lower(program, scheme, path, inputs=net.inputs, outputs=net.outputs)
        return path.read_bytes()

    ours = made("ours")
    for module in (onnx, xnnpack):
        monkeypatch.setattr(module, "lean", as_it_comes)
    for name_there in ("no_patterns", "remembered", "decomposed_where_needed"):
        monkeypatch.setattr(xnnpack, name_there, as_it_comes)
    assert made("stock") == ours
