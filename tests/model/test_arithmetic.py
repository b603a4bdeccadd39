from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.model.arithmetic import is_guard, is_shape_expression


@pytest.mark.parametrize(
    "text",
    [
        "Symbol('s40', positive=True, integer=True)",
        "s0",
        "4",
        "Mul(Integer(2), Symbol('s0', integer=True))",
        "Add(FloorDiv(Add(Symbol('s0', positive=True, integer=True), Integer(-3)), Integer(2)), Integer(1))",
        "Max(Integer(1), TruncToInt(Mul(Float('0.5', precision=53), ToFloat(Symbol('s0', integer=True)))))",
        "Pow(Symbol('s0', positive=True, integer=True), Rational(1, 2))",
        "((h - 1)//2 + 1) % 3",
        "Piecewise((s0, Ge(s0, 2)), (1, True))",
    ],
)
def test_shapes_that_torch_writes(text: str) -> None:
    assert is_shape_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('id')",
        "eval('x')",
        "(eval)('x')",
        "(Symbol, eval)[1]('x')",
        "Symbol('x').func",
        "Symbol('x').__class__",
        "Symbol(name=eval)",
        "exit()",
        "lambda: 1",
        "(lambda: 1)()",
        "[Symbol('x')]",
        "[x for x in y]",
        "Symbol(*args)",
        "Symbol(**kwargs)",
        "Symbol(f'{x}')",
        "Symbol('a b')",
        "x if y else (z := 3)",
        "9**9**9",
        "Pow(Integer(9), Integer(999999999))",
        "PowByNatural(Integer(9), Pow(Integer(9), Integer(9)))",
        "_x",
        "x; y",
        "x = 1",
        "1 +",
        "",
        "(" * 3000 + ")" * 3000,
        "Add(" * 15000,
        "b'x'",
        "...",
        "1j",
    ],
)
def test_anything_else_is_no_shape(text: str) -> None:
    assert not is_shape_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "(L['n'].size()[0] // 2) <= L['x'].size()[0]",
        "((1 + (((-1) + (((-3) + L['x'].size()[2]) // 2)) // 2)) % 3) != 0",
        "L['x']['k'].stride()[1] == 1 or not L['y'].storage_offset() > 2**3",
        "math.floor(L['x'].size()[0] / 2) == torch.sym_max(1, L['x'].size()[1])",
        "cast_symbool_to_symint_guardless(L['x'].size()[0] > 1) == 1",
    ],
)
def test_guards_that_torch_writes(text: str) -> None:
    assert is_guard(text)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('id') == 0",
        "torch.hub.load('x') == 0",
        "torch.load(L['x'])",
        "math.__loader__.load_module('os')",
        "L['x'].numpy() == 3",
        "L['x'].size(**y)",
        "L['x']()",
        "getattr(L, 'x')",
        "os.system",
        "L['x\"); evil(\"']",
        "(yield)",
        "print(1)",
    ],
)
def test_anything_else_is_no_guard(text: str) -> None:
    assert not is_guard(text)


@given(st.text(max_size=60))
def test_any_text_gets_an_answer(text: str) -> None:
    assert is_shape_expression(text) in (True, False)
    assert is_guard(text) in (True, False)
