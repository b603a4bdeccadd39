"""ONNX models: interface, operators and weights, read from the protobuf. Weights in other files are not loaded."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit import files
from mobilekit.bundle.contents import TensorInfo, Weight, counted
from mobilekit.errors import BundleError
from mobilekit.inspection.summary import Inspection, OnnxDetails
from mobilekit.quiet import quiet

if TYPE_CHECKING:
    import onnx

# What stands between a stored weight and the operator it is for.
_ON_THE_WAY = frozenset({"DequantizeLinear", "QuantizeLinear", "Cast", "Transpose", "Reshape", "Identity"})
_LONGEST_WAY = 8


def inspect_onnx(path: Path) -> Inspection:
    """Raises BundleError when the file is damaged, is something else, or a file with its weights is missing."""
    model = _load(path)
    try:
        return _inspection(path, model)
    # Names are bytes where they are not UTF-8, or hold a NUL; sizes are anything.
    except (ValueError, TypeError, OverflowError) as error:
        raise BundleError(
            f"{path}: not a whole ONNX model: its names or sizes are damaged", hint="copy or export it again"
        ) from error


def _inspection(path: Path, model: onnx.ModelProto) -> Inspection:
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    external = tuple(sorted(_external_files(graph.initializer)))
    for name in external:
        if not (path.parent / name).resolve().is_relative_to(path.parent.resolve()):
            raise BundleError(f"{path}: its weights are said to be in {name}, outside its folder")
        if not (path.parent / name).is_file():
            raise BundleError(f"{path}: incomplete: its weights are in {name}, which is missing beside it")
    return Inspection(
        path=str(path),
        bytes=files.size(path) + sum(files.size(path.parent / name) for name in external),
        # Old files list the weights among the inputs.
        inputs=tuple(_tensor(value) for value in graph.input if value.name not in weights),
        outputs=tuple(_tensor(value) for value in graph.output),
        operators=counted(Counter(_operator(node) for node in graph.node)),
        weights=tuple(_weights(graph)),
        details=OnnxDetails(
            ir_version=model.ir_version,
            opsets={entry.domain or "ai.onnx": entry.version for entry in model.opset_import},
            producer=f"{model.producer_name} {model.producer_version}".strip(),
            weight_bytes=_weight_bytes(graph.initializer),
            external_files=external,
            metadata={entry.key: entry.value for entry in model.metadata_props},
        ),
    )


def _load(path: Path) -> onnx.ModelProto:
    with quiet():
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load_model(path, load_external_data=False)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror}") from error
    except (DecodeError, ValueError) as error:
        raise BundleError(f"{path}: not a whole ONNX model: {error}", hint="copy or export it again") from error
    if model.ir_version < 1 or not model.opset_import or not model.graph.output:
        raise BundleError(f"{path}: not a whole ONNX model: it has no graph", hint="copy or export it again")
    return model


def _operator(node: Any) -> str:
    return f"{node.domain}::{node.op_type}" if node.domain not in ("", "ai.onnx") else str(node.op_type)


def _dtype(code: int) -> str:
    import onnx

    try:
        name = str(onnx.TensorProto.DataType.Name(code)).lower()
    except ValueError:
        return f"type {code}"
    return {"float": "float32", "double": "float64"}.get(name, name)


def _tensor(value: Any) -> TensorInfo:
    if not value.type.HasField("tensor_type"):
        return TensorInfo(name=value.name, dtype="not a tensor", shape=())
    kind = value.type.tensor_type
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?" for dim in kind.shape.dim)
    return TensorInfo(name=value.name, dtype=_dtype(kind.elem_type), shape=shape)


def _weight_bytes(initializers: Iterable[Any]) -> dict[str, int]:
    bits: Counter[str] = Counter()
    for tensor in initializers:
        bits[_dtype(tensor.data_type)] += math.prod(tensor.dims) * _bits(tensor.data_type)
    return {dtype: (count + 7) // 8 for dtype, count in bits.most_common()}


def _bits(code: int) -> int:
    """Bits per value; 4-bit types are packed in pairs."""
    import onnx

    if _dtype(code) in ("int4", "uint4", "float4e2m1"):
        return 4
    try:
        return 8 * int(onnx.helper.tensor_dtype_to_np_dtype(code).itemsize)
    except (KeyError, ValueError):
        return 0


def _external_files(initializers: Iterable[Any]) -> set[str]:
    import onnx

    external = [tensor for tensor in initializers if tensor.data_location == onnx.TensorProto.EXTERNAL]
    return {entry.value for tensor in external for entry in tensor.external_data if entry.key == "location"}


def _weights(graph: Any) -> Iterator[Weight]:
    """Initializers, each under the operator that it ends up in."""
    users: dict[str, Any] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, node)
    for tensor in graph.initializer:
        shape = tuple(max(0, size) for size in tensor.dims)
        yield Weight(
            name=tensor.name,
            dtype=_dtype(tensor.data_type),
            shape=shape,
            bytes=(math.prod(shape) * _bits(tensor.data_type) + 7) // 8,
            operator=_user(users, tensor.name),
        )


def _user(users: dict[str, Any], name: str) -> str:
    node = users.get(name)
    for _ in range(_LONGEST_WAY):
        following = users.get(node.output[0]) if node is not None and node.output else None
        if node is None or node.op_type not in _ON_THE_WAY or following is None:
            break
        node = following
    return _operator(node) if node is not None else ""
