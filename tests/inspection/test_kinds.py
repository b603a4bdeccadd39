"""Operators of every runtime are sorted into the same kinds; the table is held against the installed runtimes."""

from __future__ import annotations

import re
from pathlib import Path

import executorch
import pytest

from mobilekit.inspection.kinds import HAND_OVER, OTHER, kind_names, kind_of

KERNELS = Path(next(iter(executorch.__path__)))
NAMES = {
    "convolution": (
        "Convolution (NHWC, QC8) IGEMM", "Convolution (NHWC, F32) DWConv", "Deconvolution (NHWC, QS8)",
        "aten.conv2d.default", "aten.conv_transpose2d.input", "aten::convolution.out", "aten._convolution.default",
        "torchvision.deform_conv2d.default", "Conv", "QLinearConv", "FusedConv", "ConvTranspose", "ConvInteger",
    ),
    "matrix product": (
        "Fully Connected (NC, F32) GEMM", "Fully Connected (NC, QS8, QC8W) GEMM", "Batch Matrix Multiply (NC, F32)",
        "Dynamic Fully Connected (NC, F32)", "aten.linear.default", "aten::addmm.out", "aten::bmm.out",
        "aten.scaled_dot_product_attention.default", "quantized_decomposed::mixed_mm.out", "Gemm", "QGemm", "MatMul",
        "MatMulInteger", "QLinearMatMul", "com.microsoft::FusedMatMul", "MatMulNBits", "MultiHeadAttention",
    ),
    "recurrent": ("aten.gru.input", "aten.lstm.input", "aten.rnn_tanh.input", "GRU", "LSTM", "DynamicQuantizeLSTM"),
    "activation": (
        "Clamp (NC)", "HardSwish (NC)", "Sigmoid (NC)", "GELU (NC)", "ELU (NC)", "LeakyReLU (NC)", "PReLU (ND)",
        "aten.relu.default", "aten.relu_.default", "aten.hardtanh_.default", "aten.silu.default", "aten::gelu.out",
        "aten::leaky_relu.out", "aten.hardsigmoid.default", "Relu", "Clip", "QLinearSigmoid", "QLinearLeakyRelu",
        "BiasGelu", "HardSwish",
    ),
    "arithmetic": (
        "Add (ND)", "Multiply (ND)", "Reciprocal Square Root (NC)", "Square Root (NC)", "Binary Elementwise (ND)",
        "aten.add.Tensor", "aten::mul.out", "aten::where.self_out", "quantized_decomposed::add.out",
        "aten::eq.Scalar_out", "executorch_prim::mul.Scalar", "Add", "QLinearAdd", "QLinearMul", "Sum", "Max", "Where",
    ),
    "pooling and reductions": (
        "Max Pooling (NHWC, S8)", "Average Pooling (NHWC, F32)", "Mean (ND)", "Sum (ND)", "Reduce Max (ND)",
        "aten.max_pool2d.default", "aten.adaptive_avg_pool2d.default", "aten::mean.out", "aten::cumsum.out",
        "aten::max_pool2d_with_indices.out", "MaxPool", "NhwcMaxPool", "QLinearGlobalAveragePool", "ReduceMean",
        "CumSum",
    ),
    "normalization": (
        "Normalize (ND)", "aten.batch_norm.default", "aten::_native_batch_norm_legit_no_training.out",
        "aten::native_layer_norm.out", "aten::native_group_norm.out", "LayerNormalization", "SkipLayerNormalization",
        "InstanceNormalization", "LRN",
    ),
    "softmax": (
        "Softmax (NC, F32)", "aten.softmax.int", "aten::_softmax.out", "aten::_log_softmax.out", "Softmax",
        "LogSoftmax", "QLinearSoftmax",
    ),
    "conversion": (
        "Convert (NC)", "Convert (NC, F32, QD8)", "quantized_decomposed::quantize_per_tensor.out",
        "quantized_decomposed.dequantize_per_channel.default", "torchao.dequantize_affine.default",
        "dim_order_ops::_to_dim_order_copy.out", "aten::_to_copy.out", "aten.to.dtype", "QuantizeLinear",
        "DequantizeLinear", "DynamicQuantizeLinear", "Cast",
    ),
    "data movement": (
        "Transpose (ND, X32)", "Static Reshape (NC)", "Copy (NC, X8)", "Constant Pad (ND, X32)", "Slice (ND, X8)",
        "Resize Bilinear (NHWC)", "aten.flatten.using_ints", "aten.view.default", "aten.cat.default",
        "aten::permute_copy.out", "aten::slice_copy.Tensor_out", "aten::embedding.out", "aten::copy_",
        "executorch_prim::et_view.default", "aten.upsample_nearest2d.vec", "Reshape", "Transpose", "ReorderInput",
        "ReorderOutput", "Concat", "QLinearConcat", "Gather", "com.microsoft.nchwc::Upsample",
    ),
    HAND_OVER: (HAND_OVER,),
    OTHER: ("aten::topk.values", "NonMaxSuppression", "delegate 0", "aten.dropout.default", "", "?", "x.", "::"),
}  # fmt: skip
NOTHING_ELSE = {
    "aten::_cdist_forward.out", "aten::_pdist_forward.out", "aten::native_dropout.out", "aten::nonzero.out",
    "aten::rand.out", "aten::randn.out", "aten::topk.values",
}  # fmt: skip
"""Kernels of ExecuTorch that are none of the kinds."""


def test_names_are_of_their_kind() -> None:
    assert set(NAMES) == set(kind_names())
    wrong = {name: kind_of(name) for kind, names in NAMES.items() for name in names if kind_of(name) != kind}
    assert wrong == {}


def test_every_operator_of_xnnpack_has_a_kind() -> None:
    (library,) = (KERNELS / "lib").glob("libexecutorch_backend_xnnpack.*")
    pattern = rb"[A-Z][A-Za-z0-9 ]+ \((?:N|X)[A-Za-z0-9_]*(?:, [A-Z0-9_]+)*\)"
    names = {found.decode() for found in re.findall(pattern, library.read_bytes())}
    assert len(names) > 100, "names are stored otherwise now"
    assert [name for name in sorted(names) if kind_of(name) == OTHER] == []


@pytest.mark.parametrize("file", ["portable/functions.yaml", "quantized/quantized.yaml"])
def test_executorchs_kernels_have_a_kind(file: str) -> None:
    text = (KERNELS / "kernels" / file).read_text()
    names = [name if "::" in name else f"aten::{name}" for name in re.findall(r"^- (?:op|func): ([\w:.]+)", text, re.M)]
    assert len(names) > 15
    assert {name for name in names if kind_of(name) == OTHER} <= NOTHING_ELSE


def test_onnx_runtimes_kernels_for_networks_have_a_kind() -> None:
    from onnxruntime.capi.onnxruntime_pybind11_state import get_all_opkernel_def

    found = {(one.domain, one.op_name) for one in get_all_opkernel_def() if one.provider == "CPUExecutionProvider"}
    # What is left is text, sequences, random numbers, windows for sound, and the search of language models.
    assert len(found) > 200
    for domain in ("", "com.microsoft", "com.microsoft.nchwc"):
        names = [f"{domain}::{name}" if domain else name for one, name in found if one == domain]
        known = [name for name in names if kind_of(name) != OTHER]
        assert len(known) > 0.7 * len(names), domain
    quantized = [name for _, name in found if name.startswith(("QLinear", "Fused", "Nhwc", "QGemm"))]
    assert [name for name in quantized if kind_of(name) == OTHER] == []
