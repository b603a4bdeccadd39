"""torch.export programs (.pt2): interface, operators and parameters, from the JSON in the archive. Never unpickles.

torch.export.load would run what the archive's pickles say; here only its JSON parts are read. torch is not imported.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mobilekit import files
from mobilekit.bundle.contents import TensorInfo, Weight, counted
from mobilekit.errors import BundleError
from mobilekit.inspection.summary import Inspection, Pt2Details

_LARGEST_JSON = 256 << 20
# torch/_export/serde/schema.py: ScalarType; name and bytes per value.
_DTYPES = {
    1: ("uint8", 1), 2: ("int8", 1), 3: ("int16", 2), 4: ("int32", 4), 5: ("int64", 8), 6: ("float16", 2),
    7: ("float32", 4), 8: ("float64", 8), 9: ("complex32", 4), 10: ("complex64", 8), 11: ("complex128", 16),
    12: ("bool", 1), 13: ("bfloat16", 2), 28: ("uint16", 2), 34: ("uint32", 4), 35: ("uint64", 8),
}  # fmt: skip


def inspect_pt2(path: Path) -> Inspection:
    """Raises BundleError when the file is damaged or is not an archive of torch.export."""
    try:
        with zipfile.ZipFile(path) as archive:
            model = _json(archive, "/models/", ".json")
            weights = _json(archive, "/data/weights/", "_weights_config.json")["config"]
        return _inspection(path, model, weights)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise BundleError(f"{path}: not a whole .pt2 archive: {error}", hint="copy or save it again") from error
    # zlib.error and everything that JSON of another shape leads to
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OverflowError) as error:
        raise BundleError(
            f"{path}: not a program of torch.export that can be read here: {type(error).__name__}: {error}",
            hint="save it again with torch.export.save of torch 2.8 or later",
        ) from error


def _json(archive: zipfile.ZipFile, folder: str, suffix: str) -> dict[str, Any]:
    """The one JSON file below `folder`, whatever the archive's top folder is called."""
    import zlib

    entries = [info for info in archive.infolist() if folder in info.filename and info.filename.endswith(suffix)]
    if not entries:
        raise ValueError(f"it has no {folder.strip('/')}/*{suffix}")
    if entries[0].file_size > _LARGEST_JSON:
        raise ValueError(f"{entries[0].filename} is larger than {_LARGEST_JSON} bytes")
    try:
        loaded: dict[str, Any] = json.loads(archive.read(entries[0]))
    except zlib.error as error:
        raise ValueError(f"{entries[0].filename}: {error}") from error
    return loaded


def _inspection(path: Path, model: dict[str, Any], weights: dict[str, Any]) -> Inspection:
    graph = model["graph_module"]["graph"]
    signature = model["graph_module"]["signature"]
    ranges = model.get("range_constraints") or {}
    return Inspection(
        path=str(path),
        bytes=files.size(path),
        inputs=_tensors(graph, signature["input_specs"], "user_input", ranges),
        outputs=_tensors(graph, signature["output_specs"], "user_output", ranges),
        operators=counted(Counter(_operator(node["target"]) for node in graph["nodes"])),
        weights=tuple(_weights(graph["nodes"], signature["input_specs"], weights)),
        details=Pt2Details(
            torch_version=str(model.get("torch_version", "unknown")),
            parameters=sum(_values(entry) for entry in weights.values() if entry["is_param"]),
            weight_bytes=_weight_bytes(weights),
        ),
    )


def _operator(target: str) -> str:
    return target.removeprefix("torch.ops.")


def _tensors(
    graph: dict[str, Any], specs: list[dict[str, Any]], kind: str, ranges: dict[str, Any]
) -> tuple[TensorInfo, ...]:
    infos = []
    for spec in specs:
        if kind not in spec:
            continue
        argument = spec[kind]["arg"]
        if "as_tensor" not in argument:
            infos.append(TensorInfo(name=str(next(iter(argument.values()))), dtype="not a tensor", shape=()))
            continue
        name = argument["as_tensor"]["name"]
        meta = graph["tensor_values"][name]
        shape = tuple(_dimension(size, ranges) for size in meta["sizes"])
        infos.append(TensorInfo(name=name, dtype=_dtype(meta["dtype"])[0], shape=shape))
    return tuple(infos)


def _dtype(code: int) -> tuple[str, int]:
    return _DTYPES.get(code, (f"type {code}", 1))


def _dimension(size: dict[str, Any], ranges: dict[str, Any]) -> int | str:
    if "as_int" in size:
        return int(size["as_int"])
    expression = str(size["as_expr"]["expr_str"])
    symbol = expression.split("'")[1] if expression.startswith("Symbol('") else expression
    bounds = ranges.get(symbol)
    if not bounds:
        return "?"
    return f"{bounds['min_val']}..{bounds['max_val'] if bounds['max_val'] is not None else ''}"


def _values(entry: dict[str, Any]) -> int:
    return math.prod(int(size["as_int"]) for size in entry["tensor_meta"]["sizes"])


def _weight_bytes(weights: dict[str, Any]) -> dict[str, int]:
    """Each stored payload once: tied weights share one."""
    payloads = {entry["path_name"]: entry for entry in weights.values()}
    found: Counter[str] = Counter()
    for entry in payloads.values():
        name, width = _dtype(entry["tensor_meta"]["dtype"])
        found[name] += width * _values(entry)
    return dict(found.most_common())


def _weights(nodes: list[dict[str, Any]], specs: list[dict[str, Any]], weights: dict[str, Any]) -> Iterator[Weight]:
    """Each stored payload once, under the first operator that takes it."""
    users: dict[str, str] = {}
    for node in nodes:
        for entry in node["inputs"]:
            name = (entry["arg"].get("as_tensor") or {}).get("name")
            users.setdefault(str(name), _operator(node["target"]))
    arguments: dict[str, str] = {}
    for spec in specs:
        for kind in ("parameter", "buffer"):
            if kind in spec:
                arguments[spec[kind][f"{kind}_name"]] = spec[kind]["arg"]["name"]
    seen: set[str] = set()
    for name, entry in weights.items():
        if entry["path_name"] not in seen:
            seen.add(entry["path_name"])
            dtype, width = _dtype(entry["tensor_meta"]["dtype"])
            yield Weight(
                name=str(name),
                dtype=dtype,
                shape=tuple(max(0, int(size["as_int"])) for size in entry["tensor_meta"]["sizes"]),
                bytes=max(0, width * _values(entry)),
                operator=users.get(arguments.get(name, name), ""),
            )
