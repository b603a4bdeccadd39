"""npz:PATH: arrays from a NumPy .npz file. Never unpickles; refuses NaN and arrays of differing length.

`x`, or one array per model input (`x_<name>` or `<name>`), and optionally `y` (whole numbers). With the prefixes
`train_` and `test_` on all of them the splits are the file's own, else 20 % is held out by seed. One uint8 array
(N, H, W), (N, H, W, 1) or (N, H, W, 3) holds images; everything else holds model inputs.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from mobilekit.data.arrays import ImageArray, TensorArrays
from mobilekit.data.base import Array, Dataset, Kind, Labels, Request, Split, TwoSplits, View
from mobilekit.data.sampling import TEST_FRACTION, held_out
from mobilekit.errors import DataError

_FORMS = "expected x (or one array per model input) and optionally y, or train_x, train_y, test_x, test_y"


def open_npz(request: Request) -> Dataset:
    """The arrays of the file as two splits. Raises DataError, naming the array."""
    arrays = _read(request)
    explicit = [name for name in arrays if name.startswith(("train_", "test_"))]
    if not explicit:
        whole, kind = _split(request, arrays, "all", "")
        _check_enough(request, "the file", len(whole), 3)
        train, test = held_out(len(whole), whole.labels_of(), TEST_FRACTION, request.seed, "npz test split")
        views = (View(whole, tuple(part.tolist()), name) for part, name in ((train, "train"), (test, "test")))
        return TwoSplits(request.name, None, kind, *views)
    if len(explicit) != len(arrays):
        mixed = ", ".join(name for name in arrays if name not in explicit)
        raise DataError(f"{request.name}: {mixed} beside {', '.join(explicit)}: which split is it of?", hint=_FORMS)
    sides = {}
    for which, least in (("train", 2), ("test", 1)):
        prefix = f"{which}_"
        own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        sides[which] = _split(request, own, which, prefix)
        _check_enough(request, which, len(sides[which][0]), least)
    (train_split, kind), (test_split, other) = sides["train"], sides["test"]
    if kind != other or (train_split.labels_of() is None) != (test_split.labels_of() is None):
        raise DataError(f"{request.name}: train and test must hold the same arrays of the same kind", hint=_FORMS)
    return TwoSplits(request.name, None, kind, train_split, test_split)


def _read(request: Request) -> dict[str, Array]:
    path = Path(request.argument).expanduser()
    if not path.is_file():
        raise DataError(f"{request.name}: no such file: {path}", hint=_FORMS)
    try:
        with path.open("rb") as stream:
            file = np.load(stream, allow_pickle=False)
            if isinstance(file, np.lib.npyio.NpzFile):
                return {name: file[name] for name in file.files}
    except Exception as error:  # a damaged file makes NumPy and zipfile raise almost anything
        unsafe = "pickle" in str(error).lower() and zipfile.is_zipfile(path)
        why = "an array of Python objects, which would have to be unpickled" if unsafe else str(error)
        raise DataError(f"{request.name}: {path} cannot be read as .npz: {why}", hint=_FORMS) from error
    raise DataError(f"{request.name}: {path} holds a single array", hint="np.savez(path, x=..., y=...)")


def _split(request: Request, arrays: dict[str, Array], which: str, prefix: str) -> tuple[Split, Kind]:
    """One split of `arrays` (their names without `prefix`) and what it holds."""
    y = arrays.get("y")
    inputs = {name: array for name, array in arrays.items() if name != "y"}
    if not inputs:
        raise DataError(f"{request.name}: no array {prefix}x", hint=_FORMS)
    if "x" in inputs and len(inputs) > 1:
        extra = ", ".join(prefix + name for name in inputs if name != "x")
        raise DataError(f"{request.name}: {prefix}x stands for all inputs, yet there is {extra}", hint=_FORMS)
    for name, array in inputs.items():
        _check_array(request, prefix + name, array)
    lengths = {prefix + name: len(array) for name, array in arrays.items() if array.ndim}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise DataError(f"{request.name}: the arrays differ in length: {listed}")
    labels = None if y is None else _as_labels(request, f"{prefix}y", y)
    first = next(iter(inputs.values()))
    if len(inputs) == 1 and _holds_images(first):
        return ImageArray(request.name, which, first, labels), "image"
    names = () if "x" in inputs else tuple(name.removeprefix("x_") for name in inputs)
    return TensorArrays(request.name, which, tuple(inputs.values()), labels, names), "tensor"


def _holds_images(array: Array) -> bool:
    return array.dtype == np.uint8 and (array.ndim == 3 or (array.ndim == 4 and array.shape[3] in (1, 3)))


def _check_array(request: Request, name: str, array: Array) -> None:
    if array.ndim == 0 or array.dtype.kind not in "fiub":
        raise DataError(
            f"{request.name}: {name} is {array.dtype} {list(array.shape)}; numbers with the samples first are expected"
        )
    if array.dtype.kind == "f":
        finite = np.isfinite(array).reshape(len(array), -1).all(axis=1) if array.size else np.ones(0, dtype=bool)
        bad = np.flatnonzero(~finite)
        if len(bad):
            raise DataError(f"{request.name}: {name} holds NaN or infinity, first in sample {bad[0]}")


def _as_labels(request: Request, name: str, y: Array) -> Labels:
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise DataError(f"{request.name}: {name} must be whole numbers (N,), given {y.dtype} {list(y.shape)}")
    if len(y) and y.min() < 0:
        raise DataError(f"{request.name}: {name} holds the negative label {y.min()}")
    return y.astype(np.int64)


def _check_enough(request: Request, where: str, given: int, needed: int) -> None:
    if given < needed:
        raise DataError(
            f"{request.name}: {given} sample(s) in {where}, at least {needed} needed",
            hint="2 to calibrate and 1 other to measure is the least",
        )
