"""Reading a `.pt2` file (a saved ExportedProgram) without letting it run code.

torch.export.load unpickles some of what the archive may hold, and evaluates its shape expressions as Python.
A file is therefore looked through first: pickled parts must pass `torch.load(weights_only=True)`, custom objects
and compiled libraries are refused, and expressions and operators must be of the plain kinds that export writes.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.errors import ModelError, WeightsError
from mobilekit.files import storage_errors
from mobilekit.quiet import quiet

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_EXPRESSION = re.compile(r"[A-Za-z0-9_ ()+\-*/,<>=&|~%.]*\Z")
_QUOTED_NAME = re.compile(r"'[A-Za-z0-9_]+'")
_CALLED = re.compile(r"([A-Za-z_][A-Za-z0-9_.]*)\s*\(")
_ARITHMETIC = frozenset(
    ["Symbol", "Integer", "Rational", "Float", "Add", "Mul", "Pow", "Mod", "Max", "Min", "Abs", "Eq", "Ne", "Ge", "Gt", "Le", "Lt", "And", "Or", "Not", "floor", "ceiling", "sqrt", "Piecewise", "FloorDiv", "CeilDiv", "CleanDiv", "IntTrueDiv", "FloatTrueDiv", "PythonMod", "ModularIndexing", "PowByNatural", "ToFloat", "TruncToInt", "CeilToInt", "FloorToInt", "RoundToInt", "Where", "Identity", "LShift", "RShift", "BitwiseFn_bitwise_and", "BitwiseFn_bitwise_or"]
)
_OPERATOR = re.compile(
    r"(torch\.ops\.[A-Za-z0-9_.]+|_operator\.[a-z]+|math\.[a-z]+|torch\.sym_[a-z_]+|torch\.(_check|_constrain)[a-z_]*)\Z"
)


def load_pt2(path: Path) -> ExportedProgram:
    """Check and load a `.pt2`. Raises ModelError when it is missing or damaged, WeightsError when it is unsafe."""
    import torch

    if not path.is_file():
        raise ModelError(f"no such file: {path}")
    _check(path)
    _register_operators()
    try:
        with quiet():
            return torch.export.load(path)
    except Exception as error:
        raise ModelError(
            f"{path} cannot be loaded by torch {torch.__version__}: {type(error).__name__}: {error}",
            hint="save it again with torch.export.save under this version of torch",
        ) from error


def save_pt2(program: ExportedProgram, path: Path) -> None:
    """Write `program` so that load_pt2 accepts it. Raises StorageError."""
    import torch

    with quiet(), storage_errors(path):
        torch.export.save(program, path)


def _register_operators() -> None:
    """Quantized programs call operators that exist only once their libraries are imported."""
    import torch.ao.quantization.fx._decomposed  # noqa: F401


def _check(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(set(names)) != len(names):
                raise _unsafe(path, "two entries of the same name")
            for name in names:
                _check_entry(path, name.partition("/")[2], archive, name)
    except (
        zipfile.BadZipFile,
        OSError,
        json.JSONDecodeError,
        UnicodeDecodeError,
        NotImplementedError,
        EOFError,
    ) as error:
        raise ModelError(
            f"{path} is not a readable .pt2 file: {error}", hint="make one with torch.export.save(program, 'model.pt2')"
        ) from error


def _check_entry(path: Path, inner: str, archive: zipfile.ZipFile, name: str) -> None:
    if inner.startswith("data/aotinductor/"):
        raise _unsafe(path, f"a compiled library ({inner})")
    if inner.startswith("data/constants/") and re.search(r"/(custom|opaque)_obj_", inner):
        raise _unsafe(path, f"a pickled object ({inner})")
    if inner.startswith("data/sample_inputs/") or inner.endswith(".pt"):
        _check_pickle(path, inner, archive.read(name))
    elif inner.startswith("models/") and inner.endswith(".json"):
        _check_graph(path, json.loads(archive.read(name)))
    elif inner.endswith("_config.json"):
        for entry in json.loads(archive.read(name)).get("config", {}).values():
            if entry.get("use_pickle"):
                prefix = name[: -len(inner)] + inner.rpartition("/")[0]
                _check_pickle(path, entry["path_name"], archive.read(f"{prefix}/{entry['path_name']}"))


def _check_pickle(path: Path, inner: str, content: bytes) -> None:
    import torch

    if not content:
        return
    try:
        torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:
        raise _unsafe(path, f"a pickle that holds more than tensors ({inner})") from error


def _check_graph(path: Path, graph: Any) -> None:
    for key, text in _strings(graph):
        if key == "expr_str" and not _is_arithmetic(text):
            raise _unsafe(path, f"a shape expression that is not arithmetic ({text[:60]!r})")
        if key == "target" and not _OPERATOR.match(text):
            raise _unsafe(path, f"a call to something that is not a torch operator ({text[:60]!r})")


def _is_arithmetic(text: str) -> bool:
    """Whether sympify, which evaluates its argument as Python, meets nothing here but sums and their like."""
    plain = _QUOTED_NAME.sub("name", text)
    return (
        "__" not in plain
        and _EXPRESSION.match(plain) is not None
        and not re.search(r"\.\s*[A-Za-z_]", plain)
        and all(name in _ARITHMETIC for name in _CALLED.findall(plain))
    )


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every string of a JSON value with the key it stands under."""
    stack = [(key, value)]
    while stack:
        name, item = stack.pop()
        if isinstance(item, str):
            yield name, item
        elif isinstance(item, dict):
            stack.extend(item.items())
        elif isinstance(item, list):
            stack.extend((name, one) for one in item)


def _unsafe(path: Path, what: str) -> WeightsError:
    return WeightsError(
        f"{path} was refused: it holds {what}, and loading it could run any code",
        hint="save the program again with torch.export.save, without custom objects",
    )
