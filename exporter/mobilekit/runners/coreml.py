"""Core ML: runs an `.mlpackage` through coremltools, on macOS. Elsewhere it says that it cannot; it never emulates."""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mobilekit.errors import RunnerError
from mobilekit.runners.base import Array, Expected, check_inputs

# ArrayFeatureType.ArrayDataType of coremltools' Model.proto.
_DTYPES = {65552: "float16", 65568: "float32", 65600: "float64", 131104: "int32", 131080: "int8"}


class CoreMLRunner:
    """Core ML on this Mac: CPU and neural engine, as the system chooses."""

    name = "coreml"
    runtime = "coreml"
    suffixes: tuple[str, ...] = (".mlpackage",)

    def unavailable(self) -> str | None:
        if platform.system() != "Darwin":
            return "Core ML runs on macOS only"
        missing = importlib.util.find_spec("coremltools") is None
        return "the coremltools package is not installed (pip install 'mobilekit[coreml]')" if missing else None

    def prepare(self, threads: int) -> None:
        """`threads` is not for the caller to choose: Core ML schedules itself."""
        import coremltools  # noqa: F401

    def load(self, path: Path, threads: int) -> CoreMLSession:
        return CoreMLSession(path)


class CoreMLSession:
    """One MLModel; inputs go in by position, outputs come in the order of the model's description."""

    def __init__(self, path: Path) -> None:
        import coremltools

        self._model = coremltools.models.MLModel(str(path))
        description = self._model.get_spec().description
        self._expected = tuple(_expected(one) for one in description.input)
        self._outputs = tuple(str(one.name) for one in description.output)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        found = self.bind(inputs)()
        return [np.asarray(found[name]) for name in self._outputs]

    def bind(self, inputs: Sequence[Array]) -> Callable[[], dict[str, Any]]:
        check_inputs(self._expected, inputs)
        feed = {one.name: array for one, array in zip(self._expected, inputs, strict=True)}
        model = self._model
        return lambda: dict(model.predict(feed))


def _expected(feature: Any) -> Expected:
    """An input's name, dtype and shape range."""
    array = feature.type.multiArrayType
    dtype = _DTYPES.get(int(array.dataType))
    if dtype is None:
        raise RunnerError(f"input {feature.name} is not an array of a known dtype")
    ranges = [(int(one.lowerBound), int(one.upperBound)) for one in array.shapeRange.sizeRanges]
    shape = ranges or [(int(size), int(size)) for size in array.shape]
    return Expected(str(feature.name), dtype, tuple((low, None if high < 0 else high) for low, high in shape))
