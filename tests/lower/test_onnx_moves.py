"""Moves on integers: the same bytes in ONNX Runtime, no float where parts are on other grids, floats left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx_ir.passes.common import RemoveUnusedNodesPass

from mobilekit.lower.onnx_folds import drop_repeated_roundings
from mobilekit.lower.onnx_moves import concat_before_rounding, move_integers

HEAD = """<float s0 = {0.05}, uint8 z0 = {100}, float s1 = {0.031}, uint8 z1 = {90}, float s2 = {0.07},
           uint8 z2 = {128}, int64[4] shape = {1, 4, 2, 2}, int64[5] apart = {1, 2, 2, 2, 2}>"""
X = np.random.default_rng(0).normal(0, 4, (1, 4, 2, 2)).astype(np.float32)
SHUFFLE = f"""g (float[1,4,2,2] x) => (float[1,4,2,2] y, float[1,2,2,2] z) {HEAD}
    {{ q = QuantizeLinear(x, s0, z0) d = DequantizeLinear(q, s0, z0)
       a = Reshape(d, apart) b = Transpose<perm = [0, 2, 1, 3, 4]>(a) c = Reshape(b, shape)
       left, right = Split<axis = 1, num_outputs = 2>(c)
       ql = QuantizeLinear(left, s1, z1) dl = DequantizeLinear(ql, s1, z1)
       qr = QuantizeLinear(right, s2, z2) z = DequantizeLinear(qr, s2, z2)
       e = Concat<axis = 1>(dl, z) qe = QuantizeLinear(e, s1, z1) y = DequantizeLinear(qe, s1, z1) }}"""


def rewritten(model: Any) -> Any:
    for rewrite in (move_integers, concat_before_rounding, drop_repeated_roundings, RemoveUnusedNodesPass()):
        rewrite(model)
    return model


def test_a_channel_shuffle_and_its_halves_are_integers_throughout(graphs: Any) -> None:
    model = graphs.parse(SHUFFLE)
    expected = graphs.run(model, X, fused=False)
    before = graphs.kernels(model)
    after = graphs.kernels(rewritten(model))
    split = next(node for node in model.graph if node.op_type == "Split")
    concat = next(node for node in model.graph if node.op_type == "Concat")
    assert {value.dtype.name for value in (*split.inputs, *split.outputs)} == {"UINT8"}
    assert [value.producer().inputs[1].name for value in concat.inputs] == ["s0", "s2"]
    assert after["QLinearConcat"] == 1
    assert after["QuantizeLinear"] == before["QuantizeLinear"] - 1  # the left half goes on as it is
    for fused in (False, True):
        for one, other in zip(graphs.run(model, X, fused=fused), expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_split_of_one_grid_has_no_conversion_at_all(graphs: Any) -> None:
    model = graphs.parse(SHUFFLE.replace("s1", "s0").replace("z1", "z0").replace("s2", "s0").replace("z2", "z0"))
    expected = graphs.run(model, X, fused=False)
    operators = [node.op_type for node in rewritten(model).graph]
    assert operators.count("QuantizeLinear") == 2 and graphs.kernels(model)["QuantizeLinear"] == 1
    for one, other in zip(graphs.run(model, X), expected, strict=True):
        np.testing.assert_array_equal(one, other)


STAYS = {
    "a part that is read as a float": f"""g (float[1,4,2,2] x) => (float[1,2,2,2] y, float[1,2,2,2] z) {HEAD}
        {{ q = QuantizeLinear(x, s0, z0) d = DequantizeLinear(q, s0, z0)
           left, right = Split<axis = 1, num_outputs = 2>(d) z = Neg(right)
           ql = QuantizeLinear(left, s1, z1) y = DequantizeLinear(ql, s1, z1) }}""",
    "a move to an output": f"""g (float[1,4,2,2] x) => (float[1,2,2,2,2] y) {HEAD}
        {{ q = QuantizeLinear(x, s0, z0) d = DequantizeLinear(q, s0, z0) y = Reshape(d, apart) }}""",
    "a move of floats": f"""g (float[1,4,2,2] x) => (float[1,2,2,2,2] y) {HEAD}
        {{ a = Reshape(x, apart) q = QuantizeLinear(a, s0, z0) y = DequantizeLinear(q, s0, z0) }}""",
    "floats joined": f"""g (float[1,4,2,2] x) => (float[1,8,2,2] y) {HEAD}
        {{ n = Neg(x) q = QuantizeLinear(n, s0, z0) d = DequantizeLinear(q, s0, z0)
           e = Concat<axis = 1>(d, d) qe = QuantizeLinear(e, s0, z0) y = DequantizeLinear(qe, s0, z0) }}""",
    "joined on another grid": f"""g (float[1,4,2,2] x) => (float[1,8,2,2] y) {HEAD}
        {{ q = QuantizeLinear(x, s0, z0) d = DequantizeLinear(q, s0, z0)
           q1 = QuantizeLinear(d, s1, z1) d1 = DequantizeLinear(q1, s1, z1)
           e = Concat<axis = 1>(d1, d1) qe = QuantizeLinear(e, s2, z2) y = DequantizeLinear(qe, s2, z2) }}""",
    "joined and rounded to two grids": f"""g (float[1,4,2,2] x) => (float[1,8,2,2] y, float[1,8,2,2] z) {HEAD}
        {{ q = QuantizeLinear(x, s0, z0) d = DequantizeLinear(q, s0, z0)
           q1 = QuantizeLinear(d, s1, z1) d1 = DequantizeLinear(q1, s1, z1)
           q2 = QuantizeLinear(d, s2, z2) d2 = DequantizeLinear(q2, s2, z2) e = Concat<axis = 1>(d1, d2)
           qe = QuantizeLinear(e, s1, z1) y = DequantizeLinear(qe, s1, z1)
           qz = QuantizeLinear(e, s2, z2) z = DequantizeLinear(qz, s2, z2) }}""",
    "joined after the integers are read in another way": f"""g (float[1,4,2,2] x) => (float[1,8,2,2] y) {HEAD}
        {{ q = QuantizeLinear(x, s0, z0) d = DequantizeLinear(q, s0, z0)
           q1 = QuantizeLinear(d, s1, z1) d1 = DequantizeLinear(q1, s2, z1)
           e = Concat<axis = 1>(d1, d1) qe = QuantizeLinear(e, s1, z1) y = DequantizeLinear(qe, s1, z1) }}""",
}


@pytest.mark.parametrize("text", STAYS.values(), ids=STAYS)
def test_the_rest_stays(graphs: Any, text: str) -> None:
    model = graphs.parse(text)
    before = graphs.bytes_of(model)
    assert graphs.bytes_of(rewritten(model)) == before
