"""Replays from memory: what is asked once only, what is asked every time, and which programs are decomposed again."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.export import ExportedProgram, export
from torch.fx import Interpreter

from mobilekit.lower.replay import decomposed_where_needed, remembered
from mobilekit.quiet import quiet

with quiet():
    from executorch.exir import to_edge
    from executorch.exir.pass_base import ExportPass

ATEN = torch.ops.aten


class Net(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.nn.functional.hardswish(x).reshape(2, 6) + 1


@pytest.fixture
def program() -> ExportedProgram:
    return export(Net(), (torch.zeros(3, 4),))


def interpreter() -> Interpreter:
    return Interpreter(torch.fx.symbolic_trace(nn.ReLU()))


def test_the_same_fake_tensors_give_the_same_one() -> None:
    with remembered(), FakeTensorMode() as mode:
        x, y = (mode.from_tensor(torch.zeros(3)) for _ in range(2))
        first = interpreter().call_function(ATEN.add.Tensor, (x, y), {"alpha": 2})
        assert interpreter().call_function(ATEN.add.Tensor, (x, y), {"alpha": 2}) is first
        others = [((x, y), {"alpha": 2.0}), ((x, y), {}), ((y, x), {"alpha": 2}), ((x, 2), {}), ((x, True), {})]
        found = [interpreter().call_function(ATEN.add.Tensor, args, kwargs) for args, kwargs in others]
        assert len({id(value) for value in (first, *found)}) == 1 + len(others)
        joined = [interpreter().call_function(ATEN.cat.default, ([x, y],), {}) for _ in range(2)]
        assert joined[0] is joined[1]


def test_what_writes_draws_or_has_no_fake_tensor_is_asked_every_time() -> None:
    with remembered():
        with FakeTensorMode() as mode:
            x = mode.from_tensor(torch.zeros(3))
            drawn = [interpreter().call_function(ATEN.rand_like.default, (x,), {}) for _ in range(2)]
            assert drawn[0] is not drawn[1]
            assert interpreter().call_function(ATEN.add_.Tensor, (x, x), {}) is x
        ones = [interpreter().call_function(ATEN.ones.default, ([2],), {}) for _ in range(2)]
        assert ones[0] is not ones[1]
        real = torch.zeros(3)
        for number in (1.0, 2.0):
            real.fill_(number)
            assert interpreter().call_function(ATEN.add.Tensor, (real, 1), {}).tolist() == [number + 1] * 3


def test_interpreters_that_trace_are_left_alone() -> None:
    class Tracing(Interpreter):
        pass

    traced = Tracing(torch.fx.symbolic_trace(nn.ReLU()))
    with remembered(), FakeTensorMode() as mode:
        x = mode.from_tensor(torch.zeros(3))
        assert traced.call_function(ATEN.neg.default, (x,), {}) is not traced.call_function(ATEN.neg.default, (x,), {})


def test_a_pass_after_another_finds_the_tensors_of_the_first(program: ExportedProgram) -> None:
    module = to_edge(program).exported_program().graph_module
    with remembered():
        once = ExportPass()(module).graph_module
        twice = ExportPass()(once).graph_module
    values = [[node.meta["val"] for node in graph.graph.nodes if node.op == "call_function"] for graph in (once, twice)]
    assert values[0]
    assert all(one is other for one, other in zip(*values, strict=True))


def test_torch_is_afterwards_as_it_was() -> None:
    before = Interpreter.call_function, ExportedProgram.run_decompositions
    with pytest.raises(RuntimeError), remembered(), decomposed_where_needed(functional=True):
        assert (Interpreter.call_function, ExportedProgram.run_decompositions) != before
        raise RuntimeError("a pass fails")
    assert (Interpreter.call_function, ExportedProgram.run_decompositions) == before


def test_a_program_is_decomposed_where_a_table_has_one_of_its_operators(program: ExportedProgram) -> None:
    table = torch.export.default_decompositions()
    with decomposed_where_needed(functional=False):
        functional = program.run_decompositions({})
        assert functional is not program, "the first time is what makes it functional"
        assert functional.run_decompositions({}) is functional
        decomposed = functional.run_decompositions(table)
        assert {str(node.target) for node in decomposed.graph.nodes} >= {"aten.clamp.default", "aten.view.default"}
        assert decomposed.run_decompositions(table) is decomposed
        assert decomposed.run_decompositions() is not decomposed, "torch's own table, which is not at hand"
    with decomposed_where_needed(functional=True):
        assert program.run_decompositions({}) is program
