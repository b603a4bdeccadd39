"""Core ML packages: interface, MIL operators and sizes, read from the specification without coremltools.

Field numbers are those of coremltools' mlmodel/format/Model.proto, FeatureTypes.proto and MIL.proto.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mobilekit import files
from mobilekit.bundle.contents import TensorInfo, Weight, counted
from mobilekit.errors import BundleError
from mobilekit.inspection import protobuf
from mobilekit.inspection.protobuf import ProtobufError
from mobilekit.inspection.summary import CoreMLDetails, Inspection

_IOS = {4: "13", 5: "14", 6: "15", 7: "16", 8: "17", 9: "18", 10: "26"}
_ARRAY_DTYPES = {65568: "float32", 65600: "float64", 131104: "int32", 131080: "int8", 65552: "float16"}
_MIL_DTYPES = {
    1: ("bool", 8), 10: ("float16", 16), 11: ("float32", 32), 12: ("float64", 64), 13: ("bfloat16", 16),
    21: ("int8", 8), 22: ("int16", 16), 23: ("int32", 32), 24: ("int64", 64), 25: ("int4", 4), 31: ("uint8", 8),
    32: ("uint16", 16), 33: ("uint32", 32), 35: ("uint4", 4), 36: ("uint2", 2), 37: ("uint1", 1), 38: ("uint6", 6),
    39: ("uint3", 3),
}  # fmt: skip
_LONGEST_WAY = 8
_ML_PROGRAM = 502
_OTHER_TYPES = {200: "pipelineClassifier", 201: "pipelineRegressor", 202: "pipeline", 500: "neuralNetwork"}
_OTHER_TYPES |= {303: "neuralNetworkRegressor", 403: "neuralNetworkClassifier"}


def inspect_mlpackage(path: Path) -> Inspection:
    """Raises BundleError when the package is incomplete or its specification damaged."""
    specification = _specification_file(path)
    try:
        model = memoryview(specification.read_bytes())
        version = protobuf.integer(model, 1)
        if version == 0:
            raise ProtobufError("it has no specification version")
        description, program = protobuf.message(model, 2), protobuf.message(model, _ML_PROGRAM)
        return Inspection(
            path=str(path),
            bytes=files.size(path),
            inputs=tuple(_feature(feature) for feature in protobuf.messages(description, 1)),
            outputs=tuple(_feature(feature) for feature in protobuf.messages(description, 10)),
            operators=counted(_operators(program)),
            weights=tuple(_weights(program)),
            details=CoreMLDetails(
                specification_version=version,
                minimum_ios=_IOS.get(version),
                model_type=_model_type(model),
                weight_bytes=sum(files.size(found) for found in path.rglob("*.bin") if found.is_file()),
                metadata=_metadata(protobuf.message(description, 100)),
            ),
        )
    except ProtobufError as error:
        raise BundleError(
            f"{specification}: not a whole Core ML specification: {error}", hint="copy or export it again"
        ) from error
    except OSError as error:
        raise BundleError(f"{error.filename or path}: cannot be read: {error.strerror}") from error


def _specification_file(path: Path) -> Path:
    """The package's root model, as its Manifest.json names it."""
    listing = path / "Manifest.json"
    try:
        manifest = json.loads(listing.read_bytes())
        relative = manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]["path"]
        specification = path / "Data" / str(relative)
    except FileNotFoundError:
        raise BundleError(f"{path}: not a Core ML package: it has no Manifest.json") from None
    except OSError as error:
        raise BundleError(f"{listing}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleError(f"{listing}: does not name the package's model", hint="copy or export it again") from error
    if not specification.resolve().is_relative_to(path.resolve()):
        raise BundleError(f"{listing}: names a model outside the package")
    if not specification.is_file():
        raise BundleError(f"{path}: incomplete: {specification.relative_to(path)} is missing")
    return specification


def _feature(feature: memoryview) -> TensorInfo:
    kind = protobuf.message(feature, 3)
    array, image = protobuf.message(kind, 5), protobuf.message(kind, 4)
    name = protobuf.text(feature, 1)
    if len(image):
        shape: tuple[int | str, ...] = (protobuf.integer(image, 2), protobuf.integer(image, 1))
        return TensorInfo(name=name, dtype="image", shape=shape)
    if not len(array):
        return TensorInfo(name=name, dtype="not a tensor", shape=())
    dtype = _ARRAY_DTYPES.get(protobuf.integer(array, 2), "unknown")
    return TensorInfo(name=name, dtype=dtype, shape=_shape(array))


def _shape(array: memoryview) -> tuple[int | str, ...]:
    """The default shape, with ranges or the number of enumerated shapes where there are any."""
    sizes = protobuf.integers(array, 1)
    ranges = list(protobuf.messages(protobuf.message(array, 31), 1))
    if ranges:
        return tuple(_range(protobuf.integer(size, 1), protobuf.integer(size, 2)) for size in ranges)
    choices = [protobuf.integers(shape, 1) for shape in protobuf.messages(protobuf.message(array, 21), 1)]
    if choices and all(len(choice) == len(sizes) for choice in choices):
        axes = zip(*choices, strict=True)
        return tuple(axis[0] if len(set(axis)) == 1 else "|".join(str(size) for size in axis) for axis in axes)
    return sizes


def _range(low: int, high: int) -> int | str:
    if low == high:
        return low
    return f"{low}..{high}" if high > 0 else f"{low}.."


def _operations(program: memoryview) -> Iterator[memoryview]:
    """MIL operations of all functions; those of nested blocks (cond, while_loop) are left inside their operation."""
    for function in protobuf.messages(program, 2):
        for specialization in protobuf.messages(protobuf.message(function, 2), 3):
            yield from protobuf.messages(protobuf.message(specialization, 2), 3)


def _operators(program: memoryview) -> Counter[str]:
    """How often each operation occurs, without constants."""
    found = Counter(protobuf.text(operation, 1) for operation in _operations(program))
    del found["const"]
    return found


def _weights(program: memoryview) -> Iterator[Weight]:
    """Constants that lie in the weight file, each under the operation that it ends up in."""
    users: dict[str, tuple[str, str]] = {}
    stored = []
    for operation in _operations(program):
        kind = protobuf.text(operation, 1)
        output = protobuf.message(operation, 3)
        for entry in protobuf.messages(operation, 2):
            for binding in protobuf.messages(protobuf.message(entry, 2), 1):
                users.setdefault(protobuf.text(binding, 1), (kind, protobuf.text(output, 1)))
        for entry in protobuf.messages(operation, 5):
            value = protobuf.message(entry, 2)
            if len(protobuf.message(value, 5)):
                # A constexpr operation holds its weight itself, a const is handed on.
                stored.append((protobuf.text(output, 1), protobuf.message(protobuf.message(value, 2), 1)))
    for name, tensor in stored:
        dtype, bits = _MIL_DTYPES.get(protobuf.integer(tensor, 1), ("unknown", 0))
        sizes = (protobuf.integer(protobuf.message(one, 1), 1) for one in protobuf.messages(tensor, 3))
        shape = tuple(max(0, size) for size in sizes)
        size = (math.prod(shape) * bits + 7) // 8
        yield Weight(name=name, dtype=dtype, shape=shape, bytes=size, operator=_user(users, name))


def _user(users: dict[str, tuple[str, str]], name: str) -> str:
    """The kind of operation that takes `name`, through those that only unpack or convert it."""
    kind, output = users.get(name, ("", ""))
    for _ in range(_LONGEST_WAY):
        if output not in users or not kind.startswith(("constexpr_", "dequantize", "quantize", "cast")):
            break
        kind, output = users[output]
    return kind


def _model_type(model: memoryview) -> str:
    numbers = {number for number, value in protobuf.fields(model) if isinstance(value, memoryview)}
    if _ML_PROGRAM in numbers:
        return "mlProgram"
    return next((name for number, name in _OTHER_TYPES.items() if number in numbers), "unknown")


def _metadata(metadata: memoryview) -> dict[str, str]:
    entries = {protobuf.text(entry, 1): protobuf.text(entry, 2) for entry in protobuf.messages(metadata, 100)}
    named = {"description": 1, "version": 2, "author": 3, "license": 4}
    given = {name: protobuf.text(metadata, number) for name, number in named.items()}
    return {**{name: value for name, value in given.items() if value}, **dict(sorted(entries.items()))}
