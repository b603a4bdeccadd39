"""Clips folded into ranges: the same bytes in ONNX Runtime for any scale, zero point and bounds, and fewer kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_ir.passes.common import RemoveUnusedNodesPass

from mobilekit.lower.onnx_folds import drop_repeated_roundings, fold_clips

RANGES = {"int8": (-128, 127), "uint8": (0, 255)}
numbers = st.floats(-20, 20, width=32)
scales = st.floats(2**-12, 1, width=32)


def folded(model: ir.Model) -> ir.Model:
    for rewrite in (fold_clips, drop_repeated_roundings, RemoveUnusedNodesPass()):
        rewrite(model)
    return model


def operators(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


def clip_graph(dtype: str, scale: float, zero_point: int, low: float | None, high: float | None) -> str:
    names = [name if bound is not None else "" for name, bound in (("low", low), ("high", high))]
    bounds = "".join(
        f", float {name} = {{{bound!r}}}" for name, bound in (("low", low), ("high", high)) if bound is not None
    )
    return f"""g (float[n] x) => (float[n] y)
        <float scale = {{{scale!r}}}, {dtype} zero = {{{zero_point}}}{bounds}>
        {{ clipped = Clip(x, {names[0]}, {names[1]}) q = QuantizeLinear(clipped, scale, zero)
           y = DequantizeLinear(q, scale, zero) }}""".replace("Clip(x, , )", "Clip(x)")


@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from(sorted(RANGES)),
    scale=scales,
    place=st.integers(0, 255),
    bounds=st.tuples(numbers, numbers),
    steps=st.sampled_from([None, 0.5, 1.0]),
    given_ends=st.tuples(st.booleans(), st.booleans()),
)
def test_a_clip_changes_places_with_rounding(
    graphs: Any,
    dtype: str,
    scale: float,
    place: int,
    bounds: tuple[float, float],
    steps: float | None,
    given_ends: tuple[bool, bool],
) -> None:
    """Whatever the bounds are, even the wrong way round, on a step or halfway between two."""
    lowest, highest = RANGES[dtype]
    zero_point = lowest + place
    if steps is not None:
        bounds = tuple(float(np.float32(np.round(bound / scale / steps) * steps * scale)) for bound in bounds)  # type: ignore[assignment]
    low, high = (bound if there else None for bound, there in zip(bounds, given_ends, strict=True))
    model = graphs.parse(clip_graph(dtype, scale, zero_point, low, high))
    ends = [np.float32(bound) for bound in bounds]
    grid = (np.arange(lowest, highest + 1) - zero_point) * np.float32(scale)
    x = np.concatenate([ends, np.nextafter(ends, np.float32(np.inf)), np.nextafter(ends, -np.float32(np.inf)), grid])
    x = np.concatenate([x, grid + np.float32(scale / 2), [-1e30, 1e30, -np.inf, np.inf]]).astype(np.float32)
    (expected,) = graphs.run(model, x, fused=False)
    after = folded(model)
    assert operators(after) in (["QuantizeLinear", "DequantizeLinear"], ["QuantizeLinear", "Clip", "DequantizeLinear"])
    for fused in (False, True):
        np.testing.assert_array_equal(graphs.run(after, x, fused=fused)[0], expected)


SIX = float(np.float32(6))
TOP = float(np.float32(6 / 255))
IMPLIED = {
    "the range of calibration": (TOP, 0, 0.0, SIX),
    "a range below the upper bound": (TOP / 2, 0, 0.0, SIX),
    "bounds less than half a step inside": (TOP, 0, 0.4 * TOP, SIX - 0.4 * TOP),
    "no bounds": (TOP, 7, None, None),
}
STAYS = {
    "numbers below the lower bound": (TOP, 100, 0.0, None),
    "a step above the upper bound": (TOP, 0, None, SIX - TOP),
    "both": (0.05, 100, 0.0, SIX),
}


@pytest.mark.parametrize("case", [*IMPLIED.values(), *STAYS.values()], ids=[*IMPLIED, *STAYS])
def test_a_clip_goes_where_the_range_implies_it(
    graphs: Any, case: tuple[float, int, float | None, float | None]
) -> None:
    after = folded(graphs.parse(clip_graph("uint8", *case)))
    assert ("Clip" in operators(after)) == (case in STAYS.values())


# scales without a common measure: no sum lies halfway between two steps, where float and integers may differ
CONV = """g (float[1,2,5,5] x) => (float[1,2,5,5] y)
    <float sx = {0.0517}, uint8 zx = {100}, int8[2,2,1,1] w = {90, -70, 33, 127}, float sw = {0.0093}, int8 zw = {0},
     float s = {0.0213}, uint8 z = {%d}, float low = {0.0}, float high = {6.0}>
    { qx = QuantizeLinear(x, sx, zx) dx = DequantizeLinear(qx, sx, zx) dw = DequantizeLinear(w, sw, zw)
      c = Conv(dx, dw) %s
      q = QuantizeLinear(r, s, z) y = DequantizeLinear(q, s, z) }"""
TWICE = "q0 = QuantizeLinear(c, s, z) d0 = DequantizeLinear(q0, s, z) r = Clip(d0, low, high)"
PICTURE = np.random.default_rng(0).normal(0, 3, (1, 2, 5, 5)).astype(np.float32)


@pytest.mark.parametrize(
    ("between", "zero_point", "left"),
    [
        (TWICE, 0, 0),
        (TWICE, 100, 1),
        ("r = Clip(c, low, high)", 0, 0),
        ("r = Clip(c, low, high)", 100, 1),
        ("r = Relu(c)", 0, 0),
        ("r = Relu(c)", 100, 1),
    ],
)
def test_no_float_is_left_between_a_convolution_and_its_clip(
    graphs: Any, between: str, zero_point: int, left: int
) -> None:
    model = graphs.parse(CONV % (zero_point, between))
    (expected,) = graphs.run(model, PICTURE, fused=False)
    (before,) = graphs.run(model, PICTURE)
    found = graphs.kernels(folded(model))
    assert found["QLinearConv"] == found["QuantizeLinear"] == found["DequantizeLinear"] == 1
    assert found["Clip"] == left and not {"Conv", "Relu"} & set(found)
    (after,) = graphs.run(model, PICTURE)
    np.testing.assert_array_equal(after, before)
    np.testing.assert_array_equal(graphs.run(model, PICTURE, fused=False)[0], expected)
    assert len(np.unique(after)) > 5


def test_two_in_a_row_both_fold(graphs: Any) -> None:
    text = clip_graph("uint8", 0.05, 100, None, 3.0).replace("Clip(x", "Relu(x) limited = Clip(clipped")
    model = graphs.parse(text.replace("QuantizeLinear(clipped", "QuantizeLinear(limited"))
    x = np.linspace(-9, 9, 999, dtype=np.float32)
    (expected,) = graphs.run(model, x, fused=False)
    assert operators(folded(model)) == ["QuantizeLinear", "Clip", "Clip", "DequantizeLinear"]
    np.testing.assert_array_equal(graphs.run(model, x)[0], expected)
    assert expected.min() == 0 and expected.max() == pytest.approx(3)


HEAD = """<float s = {0.05}, uint8 z = {100}, float low = {0.0}, float high = {1.0},
           float[2] two = {0.05, 0.1}, uint8[2] zz = {0, 9}>"""
OTHERS = {
    "read as a float too": f"""g (float[1,2] x) => (float[1,2] y, float[1,2] more) {HEAD}
        {{ r = Relu(x) q = QuantizeLinear(r, s, z) y = DequantizeLinear(q, s, z) more = Neg(r) }}""",
    "an output": f"""g (float[1,2] x) => (float[1,2] y, float[1,2] r) {HEAD}
        {{ r = Relu(x) q = QuantizeLinear(r, s, z) y = DequantizeLinear(q, s, z) }}""",
    "rounded to an output": f"""g (float[1,2] x) => (uint8[1,2] q) {HEAD}
        {{ r = Relu(x) q = QuantizeLinear(r, s, z) }}""",
    "another scale for each channel": f"""g (float[1,2] x) => (float[1,2] y) {HEAD}
        {{ r = Relu(x) q = QuantizeLinear<axis = 1>(r, two, zz) y = DequantizeLinear<axis = 1>(q, two, zz) }}""",
    "a bound that is not known": f"""g (float[1,2] x) => (float[1,2] y) {HEAD}
        {{ top = ReduceMax<keepdims = 0>(x) r = Clip(x, low, top)
           q = QuantizeLinear(r, s, z) y = DequantizeLinear(q, s, z) }}""",
    "never rounded": f"g (float[1,2] x) => (float[1,2] y) {HEAD} {{ r = Relu(x) c = Clip(r, low, high) y = Neg(c) }}",
    "rounded to another grid": f"""g (float[1,2] x) => (float[1,2] y) {HEAD}
        {{ q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z)
           again = QuantizeLinear(d, high, z) y = DequantizeLinear(again, high, z) }}""",
}


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
def test_the_rest_stays(graphs: Any, text: str) -> None:
    model = graphs.parse(text)
    before = graphs.bytes_of(model)
    assert graphs.bytes_of(folded(model)) == before


@settings(max_examples=40, deadline=None)
@given(scale=st.floats(2**-126, 2**100, width=32), place=st.integers(0, 255))
def test_rounding_again_to_the_same_grid_changes_nothing(graphs: Any, scale: float, place: int) -> None:
    model = graphs.parse(
        f"""g (uint8[256] x) => (uint8[256] y) <float s = {{{scale!r}}}, uint8 z = {{{place}}}, int64[1] n = {{256}}>
        {{ d = DequantizeLinear(x, s, z) q = QuantizeLinear(d, s, z) y = Reshape(q, n) }}"""
    )
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(graphs.run(model, every, fused=False)[0], every)
    assert operators(folded(model)) == ["Reshape"]
