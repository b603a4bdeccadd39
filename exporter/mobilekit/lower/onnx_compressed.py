"""Compressed ONNX: float weights become float16, int8 or int4 in the file. Refuses a model that would stay as it is.

Measured in ONNX Runtime 1.31 on x86 (one thread; layers of 1024 inputs, one row; 3x3 convolutions of 64 channels):
float16 weights are cast once, when the model is loaded; int8 linear layers with scales found at run time are 3 times
faster than float, and so are int4 ones, which round activations to int8 in the kernel (accuracy_level 4; without it no
faster than float); int8 weights alone are made float again in every call, which takes a linear layer 2.6 and a
convolution 1.3 times as long. ConvInteger is 8 times slower than float with int8 weights: convolutions stay float.
Source: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilekit.errors import QuantizeError
from mobilekit.quantize.half import LARGEST, too_large
from mobilekit.quantize.linear import no_linear
from mobilekit.quantize.schemes import scheme
from mobilekit.quiet import quiet

if TYPE_CHECKING:
    import onnx

_LEAST = 512
"""Weights of fewer values stay float: the nodes that would restore them take as much of the file."""
_LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_LINEAR = frozenset({"Gemm", "MatMul"})
_INT8_KERNEL = 4
"""MatMulNBits' accuracy_level: 4 is int8."""


def half_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """float16 weights, each with a cast to float32 that ONNX Runtime folds when it loads the model."""
    from onnx import TensorProto, helper, numpy_helper

    found = _large(model)
    if not found:
        raise _nothing_to_gain("fp16", "weight")
    for weight in found:
        values = numpy_helper.to_array(weight)
        largest = float(np.abs(values).max())
        if largest > LARGEST:
            raise too_large(weight.name, largest)
        stored = f"{weight.name}_float16"
        node = helper.make_node("Cast", [stored], [weight.name], name=f"{weight.name}_cast", to=TensorProto.FLOAT)
        _replace(model, weight, [(stored, values.astype(np.float16))], node)
    return model


def int8_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """int8 weights with a scale for each output channel, dequantized before the layer that takes them."""
    from onnx import helper, numpy_helper

    axes = {node.input[1]: _output_axis(node) for node in model.graph.node if node.op_type in _LAYERS}
    found = [weight for weight in _large(model) if weight.name in axes and len(weight.dims) > 1]
    if not found:
        raise _nothing_to_gain("int8-weight-only", "convolution or linear layer with a weight")
    for weight in found:
        values = numpy_helper.to_array(weight)
        axis = axes[weight.name] % values.ndim
        integers, scales = _symmetric(values, axis)
        names = f"{weight.name}_int8", f"{weight.name}_scale"
        node = helper.make_node("DequantizeLinear", names, [weight.name], name=f"{weight.name}_dequantize", axis=axis)
        _replace(model, weight, list(zip(names, (integers, scales), strict=True)), node)
    return model


def int8_dynamic(model: onnx.ModelProto) -> onnx.ModelProto:
    """Linear layers as DynamicQuantizeLinear and MatMulInteger, by ONNX Runtime's own quantizer."""
    import onnx

    if not any(True for _ in _linear(model)):
        raise no_linear(scheme("int8-dynamic"))
    model.graph.ClearField("value_info")
    _split_gemms(model)
    with quiet(), tempfile.TemporaryDirectory(prefix="mobilekit-") as folder:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        path = Path(folder) / "model.onnx"
        quantize_dynamic(model, path, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8)
        return _without_notes(onnx.load(path))


def int4_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Linear layers as MatMulNBits: int4 weights, one scale for each group of inputs."""
    group = scheme("int4-weight-only").group_size or 1
    fitting = {node.name for node, weight in _linear(model) if _inputs(node, weight) % group == 0}
    if not fitting:
        raise no_linear(scheme("int4-weight-only"))
    model.graph.ClearField("value_info")
    _split_gemms(model)
    with quiet():
        from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer

        others = [node.name for node in model.graph.node if node.name not in fitting]
        config = DefaultWeightOnlyQuantConfig(block_size=group, is_symmetric=True, accuracy_level=_INT8_KERNEL, bits=4)
        quantizer = MatMulNBitsQuantizer(model, nodes_to_exclude=others, algo_config=config)
        quantizer.process()
        return _without_notes(quantizer.model.model)


COMPRESSED: dict[str, Callable[[Any], Any]] = {
    "fp16": half_weights,
    "int8-dynamic": int8_dynamic,
    "int8-weight-only": int8_weights,
    "int4-weight-only": int4_weights,
}
"""By scheme: a float model -> the compressed one; the given one may be changed."""


def _large(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    from onnx import TensorProto

    return [
        one for one in model.graph.initializer if one.data_type == TensorProto.FLOAT and np.prod(one.dims) >= _LEAST
    ]


def _nothing_to_gain(name: str, what: str) -> QuantizeError:
    return QuantizeError(
        f"{name}: this model has no {what} of {_LEAST} values or more, so nothing would be smaller",
        hint="export it as fp32",
    )


def _linear(model: onnx.ModelProto) -> Iterator[tuple[onnx.NodeProto, onnx.TensorProto]]:
    """Linear layers with weights in the file, and these."""
    weights = {one.name: one for one in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in _LINEAR and node.input[1] in weights and len(weights[node.input[1]].dims) == 2:
            yield node, weights[node.input[1]]


def _is_transposed(node: onnx.NodeProto) -> bool:
    return any(one.name == "transB" and one.i for one in node.attribute)


def _inputs(node: onnx.NodeProto, weight: onnx.TensorProto) -> int:
    return int(weight.dims[1 if _is_transposed(node) else 0])


def _output_axis(node: onnx.NodeProto) -> int:
    """The axis of the weight that output channels lie on."""
    if node.op_type in _LINEAR:
        return 0 if _is_transposed(node) else -1
    return 1 if node.op_type == "ConvTranspose" else 0


def _symmetric(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """int8 values and a scale for each index of `axis`; a channel of zeros keeps the scale 1."""
    others = tuple(one for one in range(values.ndim) if one != axis)
    largest = np.abs(values).max(axis=others, keepdims=True)
    scales = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    integers = np.clip(np.round(values / scales), -127, 127).astype(np.int8)
    return integers, scales.reshape(-1)


def _replace(
    model: onnx.ModelProto, weight: onnx.TensorProto, stored: list[tuple[str, np.ndarray]], node: onnx.NodeProto
) -> None:
    """Put what is `stored` in place of `weight`, and first of all the `node` that restores it under its name."""
    from onnx import numpy_helper

    graph = model.graph
    graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in stored)
    graph.initializer.remove(weight)
    graph.node.insert(0, node)


def _split_gemms(model: onnx.ModelProto) -> None:
    """Each Gemm as MatMul and Add, which is what the quantizers take.

    They would do it themselves, but turn a weight over once for each layer that uses it, and so back again.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    weights, nodes, turned = {one.name: one for one in graph.initializer}, [], set()
    for node in graph.node:
        if not _is_plain_gemm(node) or node.input[1] not in weights:
            nodes.append(node)
            continue
        weight = node.input[1]
        if _is_transposed(node):
            weight = f"{weight}_transposed"
            if weight not in turned:
                values = np.ascontiguousarray(numpy_helper.to_array(weights[node.input[1]]).T)
                graph.initializer.append(numpy_helper.from_array(values, weight))
                turned.add(weight)
        bias = node.input[2] if len(node.input) > 2 else ""
        product = f"{node.output[0]}_product" if bias else node.output[0]
        nodes.append(helper.make_node("MatMul", [node.input[0], weight], [product], name=node.name))
        if bias:
            nodes.append(helper.make_node("Add", [product, bias], list(node.output), name=f"{node.name}_bias"))
    graph.ClearField("node")
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input} | {one.name for one in graph.output}
    for one in [one for one in graph.initializer if one.name not in used]:
        graph.initializer.remove(one)


def _is_plain_gemm(node: onnx.NodeProto) -> bool:
    """Whether it is x @ B + C, with B turned over or not."""
    settings = {one.name: one for one in node.attribute}
    scaled = any(settings[name].f != 1 for name in ("alpha", "beta") if name in settings)
    turned = "transA" in settings and settings["transA"].i != 0
    return node.op_type == "Gemm" and not scaled and not turned


def _without_notes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without what the quantizers note for themselves: who wrote the file, and that shapes were inferred."""
    model.ClearField("metadata_props")
    model.graph.ClearField("value_info")
    return model
