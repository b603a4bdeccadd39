"""Means and biases in the form of integer kernels: ONNX Runtime takes them, and the numbers are the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx_ir.passes.common import RemoveUnusedNodesPass

from mobilekit.lower.onnx_kernels import integer_biases, pool_means

SCALE, STEP, ZERO = 0.0517, 0.0113, 128
"""Of the input, of the mean, and the zero point of both."""
HEAD = f"""<float s = {{{SCALE}}}, uint8 z = {{{ZERO}}}, float t = {{{STEP}}}, int64[2] axes = {{2, 3}},
            int64[2] last = {{-1, -2}}, int64[2] other = {{1, 3}}, int64[1] one = {{3}}>"""
X = np.random.default_rng(0).normal(0, 3, (2, 64, 7, 5)).astype(np.float32)


def mean_graph(mean: str, shape: str) -> str:
    return f"""g (float[n,64,7,5] x) => (float[{shape}] y) {HEAD}
        {{ q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) m = {mean}
           qm = QuantizeLinear(m, t, z) y = DequantizeLinear(qm, t, z) }}"""


@pytest.mark.parametrize(
    ("mean", "shape"),
    [
        ("ReduceMean<keepdims = 1>(d, axes)", "n,64,1,1"),
        ("ReduceMean(d, last)", "n,64,1,1"),
        ("ReduceMean<keepdims = 0>(d, last)", "n,64"),
    ],
)
def test_a_mean_over_a_picture_is_an_integer_pool(graphs: Any, mean: str, shape: str) -> None:
    model = graphs.parse(mean_graph(mean, shape))
    assert graphs.kernels(model)["ReduceMean"], "it has an integer kernel by now: leave the rewrite out"
    (before,) = graphs.run(model, X)
    for rewrite in (pool_means, RemoveUnusedNodesPass()):
        rewrite(model)
    found = graphs.kernels(model)
    assert found["QLinearGlobalAveragePool"] == found["QuantizeLinear"] == found["DequantizeLinear"] == 1
    (after,) = graphs.run(model, X)
    assert after.shape == before.shape
    steps = np.clip(np.rint(X / np.float32(SCALE)) + ZERO, 0, 255) - ZERO
    exact = (steps.mean((2, 3), dtype=np.float64) * float(np.float32(SCALE)) / float(np.float32(STEP))).ravel()
    halfway = np.abs(exact - np.floor(exact) - 0.5) < 1e-4
    assert halfway.mean() < 0.05 and len(np.unique(after)) > 20
    np.testing.assert_array_equal(after.ravel()[~halfway], before.ravel()[~halfway])
    assert np.abs(after - before).max() < 1.5 * STEP


STAYS = {
    "over channels": mean_graph("ReduceMean<keepdims = 0>(d, other)", "n,7"),
    "over one side": mean_graph("ReduceMean<keepdims = 0>(d, one)", "n,64,7"),
    "over everything": mean_graph("ReduceMean(d)", "1,1,1,1"),
    "of floats": mean_graph("ReduceMean(x, axes)", "n,64,1,1"),
    "read as a float": f"""g (float[n,64,7,5] x) => (float[n,64,1,1] y) {HEAD}
        {{ q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) y = ReduceMean(d, axes) }}""",
}


@pytest.mark.parametrize("text", STAYS.values(), ids=STAYS)
def test_other_means_stay(graphs: Any, text: str) -> None:
    model = graphs.parse(text)
    before = graphs.bytes_of(model)
    pool_means(model)
    assert graphs.bytes_of(model) == before


def layer_graph(
    layer: str, shape: str, weight: str, scale: str = "float[2] sw = {0.0093, 0.02}, int8[2] zw = {0, 0}", axis: int = 0
) -> str:
    """An integer Conv or Gemm of weights from `weight`, with a float bias."""
    return f"""g (float[{shape}] x) => (float[{shape}] y)
        <float s = {{0.0517}}, uint8 z = {{117}}, float t = {{0.0613}}, int8{weight} w = {{90, -70, 33, 127}}, {scale},
         float[2] bias = {{0.7311, -1.2345}}, float[2] big = {{1e37, 0.5}}, float[1] short = {{0.5}}>
        {{ q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) dw = DequantizeLinear<axis = {axis}>(w, sw, zw)
           c = {layer} qc = QuantizeLinear(c, t, z) y = DequantizeLinear(qc, t, z) }}"""


LAYERS = {
    "conv": (layer_graph("Conv(d, dw, bias)", "1,2,3,3", "[2,2,1,1]"), "QLinearConv"),
    "conv, one scale": (
        layer_graph("Conv(d, dw, bias)", "1,2,3,3", "[2,2,1,1]", "float sw = {0.02}, int8 zw = {0}"),
        "QLinearConv",
    ),
    "gemm": (layer_graph("Gemm(d, dw, bias)", "5,2", "[2,2]", axis=1), "QGemm"),
    "gemm, transposed": (layer_graph("Gemm<transB = 1>(d, dw, bias)", "5,2", "[2,2]"), "QGemm"),
}


@pytest.mark.parametrize(("text", "kernel"), LAYERS.values(), ids=LAYERS)
def test_a_bias_is_rounded_as_onnx_runtime_would(graphs: Any, text: str, kernel: str) -> None:
    model = graphs.parse(text)
    shape = [int(size) for size in model.graph.inputs[0].shape]
    x = np.random.default_rng(1).normal(0, 3, shape).astype(np.float32)
    (before,) = graphs.run(model, x)
    unfused = graphs.run(model, x, fused=False)
    integer_biases(model)
    node = next(node for node in model.graph if node.op_type in ("Conv", "Gemm"))
    numbers, scale = (value.const_value.numpy() for value in node.inputs[2].producer().inputs)
    assert numbers.dtype == np.int32 and numbers.shape == (2,)
    np.testing.assert_allclose(numbers * scale, [0.7311, -1.2345], atol=0.0006)
    found = graphs.kernels(model)
    assert found[kernel] == found["QuantizeLinear"] == found["DequantizeLinear"] == 1
    np.testing.assert_array_equal(graphs.run(model, x)[0], before)
    assert len(np.unique(before)) > 5
    assert np.abs(graphs.run(model, x, fused=False)[0] - unfused[0]).max() < 0.0614


FLOATS = {
    "beyond int32": layer_graph("Conv(d, dw, big)", "1,2,3,3", "[2,2,1,1]"),
    "scales along another axis": layer_graph("Conv(d, dw, bias)", "1,2,3,3", "[2,2,1,1]", axis=1),
    "a bias for all outputs": layer_graph("Gemm(d, dw, short)", "5,2", "[2,2]", axis=1),
    "of another factor": layer_graph("Gemm<beta = 0.5>(d, dw, bias)", "5,2", "[2,2]", axis=1),
    "of a float layer": layer_graph("Conv(x, dw, bias)", "1,2,3,3", "[2,2,1,1]"),
}


@pytest.mark.parametrize("text", FLOATS.values(), ids=FLOATS)
def test_other_biases_stay(graphs: Any, text: str) -> None:
    model = graphs.parse(text)
    before = graphs.bytes_of(model)
    integer_biases(model)
    assert graphs.bytes_of(model) == before
