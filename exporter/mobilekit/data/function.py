"""package.module:function: the user's own data. Refuses what does not become samples, naming the user's line.

The function takes nothing and returns (train, test), each with __len__ and __getitem__ -> (inputs, label). Inputs
are a PIL image or a uint8 array (H, W[, 1 or 3]): an image; or one array or tensor, or a tuple of them, without the
batch dimension: model inputs in the model's order. The label is a whole number or None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from mobilekit.data.arrays import as_rgb
from mobilekit.data.base import Array, Dataset, Labels, Request, Sample, TwoSplits
from mobilekit.errors import DataError
from mobilekit.usercode import function_of, guarded, import_module

R = TypeVar("R")
_FORMS = "the function must return (train, test), each with __len__ and __getitem__ -> (inputs, label)"


class UserSplit:
    """A split whose samples are the user's: converted, and checked, one at a time."""

    def __init__(self, source: str, name: str, data: Any) -> None:
        self.source, self.name, self._data = source, name, data
        self._labels: tuple[Labels | None] | None = None
        self._length: int = _guarded(source, f"len() of {name}", lambda: len(data))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self._length:  # a user's own __getitem__ may not say so, and iteration needs it
            raise IndexError(index)
        given = _guarded(self.source, f"{self.name}[{index}]", lambda: self._data[index])
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise DataError(f"{self.source}: {self.name}[{index}] is not (inputs, label)", hint=_FORMS)
        label = self._label(given[1], index)
        pixels = _as_pixels(given[0])
        if pixels is not None:
            return Sample(self.id_of(index), label, pixels=pixels)
        return Sample(self.id_of(index), label, tensors=self._tensors(given[0], index))

    def id_of(self, index: int) -> str:
        return f"{self.name}/{index:05d}"

    def labels_of(self) -> Labels | None:
        """The user's `targets` where there are such (torchvision's custom), else every sample is asked once."""
        if self._labels is None:
            targets = getattr(self._data, "targets", None)
            if targets is None or len(targets) != self._length:
                targets = [self[index].label for index in range(self._length)]
            self._labels = (self._array_of(list(targets)),)
        return self._labels[0]

    def _array_of(self, targets: list[Any]) -> Labels | None:
        labels = [self._label(target, index) for index, target in enumerate(targets)]
        missing = [index for index, label in enumerate(labels) if label is None]
        if len(missing) == len(labels):
            return None
        if missing:
            raise DataError(f"{self.source}: {self.name}[{missing[0]}] has no label, while others have one")
        return np.array(labels, dtype=np.int64)

    def _label(self, given: Any, index: int) -> int | None:
        if given is None:
            return None
        try:
            value = np.asarray(given)
            if value.size == 1 and value.dtype.kind in "iu" and value.item() >= 0:
                return int(value.item())
        except Exception:
            pass
        raise DataError(f"{self.source}: the label of {self.name}[{index}] must be a whole number, given {given!r:.60}")

    def _tensors(self, given: Any, index: int) -> tuple[Array, ...]:
        parts = given if isinstance(given, tuple | list) else (given,)
        where = f"{self.source}: the inputs of {self.name}[{index}]"
        return tuple(_as_array(part, where)[np.newaxis] for part in parts)


def open_function(request: Request) -> Dataset:
    """Call the function. Raises DataError naming the user's line when it fails or returns something else."""
    function = _load(request)
    returned = _guarded(request.name, "the function", function)
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        raise DataError(f"{request.name} returned {type(returned).__name__}, not two splits", hint=_FORMS)
    train, test = (
        UserSplit(request.name, which, part) for which, part in zip(("train", "test"), returned, strict=True)
    )
    for split, least in ((train, 2), (test, 1)):
        if len(split) < least:
            raise DataError(f"{request.name}: {split.name} has {len(split)} sample(s), at least {least} needed")
    first = train[0]
    kind = "tensor" if first.tensors else "image"
    return TwoSplits(request.name, None, kind, train, test)  # type: ignore[arg-type]


def _load(request: Request) -> Callable[[], Any]:
    place, _, name = request.name.partition(":")
    return function_of(import_module(place, error=DataError), name, place=place, error=DataError)


def _guarded(source: str, what: str, call: Callable[[], R]) -> R:
    """The user's code, its exceptions as DataError with the line they came from."""
    return guarded(call, what=f"{source}: {what}", error=DataError)


def _as_pixels(given: Any) -> Any:
    """uint8 (H, W, 3) for a PIL image or an image-shaped uint8 array, else None. Tensors are never images."""
    if isinstance(given, Image.Image):
        return np.asarray(given.convert("RGB"))
    is_bytes = isinstance(given, np.ndarray) and given.dtype == np.uint8
    if is_bytes and (given.ndim == 2 or (given.ndim == 3 and given.shape[2] in (1, 3))):
        return as_rgb(given)
    return None


def _as_array(given: Any, where: str) -> Array:
    detach = getattr(given, "detach", None)  # a torch tensor, also on another device
    try:
        array = np.asarray(detach().cpu() if detach else given)
    except Exception as error:
        raise DataError(f"{where} cannot be read as an array: {error}", hint=_FORMS) from error
    if array.dtype.kind not in "fiub":
        raise DataError(f"{where} are {type(given).__name__}, not numbers", hint=_FORMS)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError(f"{where} hold NaN or infinity")
    return array
