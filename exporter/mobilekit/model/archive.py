"""Looking through a `.pt2` archive before torch loads it, so that loading it cannot run code that came with it.

torch.export.load unpickles parts of the archive, evaluates shape expressions and guards as Python, resolves the
operators of the graph by name and writes node names into source code that it compiles. Here every entry must be one
that torch.export.save writes, pickles must pass `torch.load(weights_only=True)`, and every text that reaches an
evaluator, the operator look-up or generated source must be of the plain kind. What is not known is refused.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.errors import ModelError, WeightsError
from mobilekit.model.arithmetic import is_guard, is_shape_expression

if TYPE_CHECKING:
    from torch.export.pt2_archive import PT2ArchiveReader

_PROGRAM = "models/model.json"
_CONFIGS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
_PICKLES = ("data/sample_inputs/model.pt", "data/weights/model.pt", "data/constants/model.pt")
_HARMLESS = re.compile(
    r"(archive_format|archive_version|byteorder|version|\.data/\w+|\.format_version|\.storage_alignment"
    r"|data/(weights/weight|constants/tensor)_\d+|extra/.*)\Z",
    re.DOTALL,
)
_CONTROL_FLOW = "cond|while_loop|map_impl|scan|associative_scan|wrap_with_set_grad_enabled|wrap_with_autocast|switch"
_OPERATOR = re.compile(
    rf"""( torch\.ops\.(aten|prims|quantized_decomposed|torchao|torchvision)\.(?!from_file\b)(?!__)\w+\.\w+
         | torch\.ops\.higher_order\.({_CONTROL_FLOW})
         | _operator\.(add|sub|mul|truediv|floordiv|mod|pow|neg|pos|and_|or_|eq|ne|lt|le|gt|ge|lshift|rshift|getitem)
         | math\.(trunc|ceil|floor|sqrt)
         | torch\.(sym_(int|float|max|min|not|ite|sum)|_sym_sqrt|_check|_check_is_size)
         )\Z""",
    re.VERBOSE,
)
_IDENTIFIER = re.compile(r"([A-Za-z_]\w*)?\Z", re.ASCII)
_ANY = re.compile(r".*", re.DOTALL)
_PLAIN = re.compile(r"[\w.\-+ :/<>=]*\Z")
_PYTREES = (
    None,
    "builtins.tuple",
    "builtins.list",
    "builtins.dict",
    "collections.OrderedDict",
    "collections.namedtuple",
    "torch.fx.immutable_collections.immutable_list",
    "torch.fx.immutable_collections.immutable_dict",
)


def check_archive(path: Path) -> None:
    """Raise WeightsError when loading the archive could run code, ModelError when it is damaged or not for a CPU."""
    from torch.export.pt2_archive import PT2ArchiveReader

    try:
        reader = PT2ArchiveReader(str(path))
        names = reader.get_file_names()
        if _PROGRAM not in names:
            raise ValueError(f"it has no {_PROGRAM}")
        for name in names:
            _check_entry(path, name, reader)
        if len({name.casefold() for name in names}) != len(names):
            raise _unsafe(path, "two entries of the same name")
    except ModelError:
        raise
    except Exception as error:  # the reader is C++, and a damaged file can say anything
        raise ModelError(
            f"{path} is not a readable .pt2 file: {_first_line(error)}",
            hint="make one with this version's torch.export.save(program, 'model.pt2')",
        ) from error


def _check_entry(path: Path, name: str, reader: PT2ArchiveReader) -> None:
    if name == _PROGRAM:
        _check_program(path, json.loads(reader.read_bytes(name)))
    elif name in _PICKLES:
        _check_pickle(path, name, reader.read_bytes(name))
    elif name in _CONFIGS:
        folder = name.rpartition("/")[0]
        for entry in json.loads(reader.read_bytes(name))["config"].values():
            file = f"{folder}/{entry['path_name']}"
            if not _HARMLESS.match(file):
                raise _unsafe(path, f"an object that is not a tensor ({file})")
            if entry["use_pickle"]:
                _check_pickle(path, file, reader.read_bytes(file))
    elif not _HARMLESS.match(name):
        raise _unsafe(path, f"something other than a program and its tensors ({name})")


def _check_pickle(path: Path, name: str, content: bytes) -> None:
    import torch

    if not content:
        return
    try:
        torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:
        raise _unsafe(path, f"a pickle that holds more than tensors ({name})") from error


def _check_program(path: Path, program: Any) -> None:
    for key, text in _texts(program):
        if key == "type" and text in ("cuda", "mps", "xpu", "meta"):
            raise ModelError(
                f"{path} was exported on the device {text!r}", hint="export it again after module.to('cpu')"
            )
        if not _is_plain(key, text):
            raise _unsafe(path, f"{_WHAT.get(key, 'a name that is not one')} ({key}: {text[:60]!r})")


_WHAT = {
    "expr_str": "a shape expression that is not arithmetic",
    "guards_code": "a guard that is not arithmetic",
    "target": "a call of something that is not a known operator",
    "as_operator": "a call of something that is not a known operator",
    "in_spec": "inputs of an unknown kind",
    "out_spec": "outputs of an unknown kind",
    "as_custom_obj": "an object that is not a tensor",
}


def _is_plain(key: str, text: str) -> bool:
    if key in _CHECKS:
        return _CHECKS[key](text)
    # The names below stand in generated source as they are; other names are quoted there.
    pattern = _IDENTIFIER if key in ("name", "as_name", "forward_arg_names") else _PLAIN
    return pattern.match(text) is not None


def _are_inputs(text: str) -> bool:
    return not text or _is_treespec(json.loads(text)[1], _IDENTIFIER)


def _are_outputs(text: str) -> bool:
    return not text or _is_treespec(json.loads(text)[1], _ANY)


def _is_treespec(spec: Any, keys: re.Pattern[str]) -> bool:
    """Plain containers only: the context of others may name any module, which is then imported."""
    context = spec["context"]
    if spec["type"] not in _PYTREES or not (context is None or isinstance(context, str)):
        return False
    if context is not None and spec["type"] != "collections.namedtuple":
        listed = json.loads(context)  # the keys of a dict
        if listed is not None and not all(isinstance(k, int) or (isinstance(k, str) and keys.match(k)) for k in listed):
            return False
    return all(_is_treespec(child, keys) for child in spec["children_spec"])


def _texts(program: Any) -> Iterator[tuple[str, str]]:
    """Every text of the program with the key it stands under, but for metadata (stack traces), which is only shown.

    A text argument of an operator is data, which generated source quotes, and comes as "node text"; where the same
    thing is an input of a graph it is pasted into a guard.
    """
    module = {**program["graph_module"], "metadata": None}
    stack: list[tuple[str, Any, bool]] = [("", {**program, "graph_module": module}, False)]
    while stack:
        key, value, in_node = stack.pop()
        if isinstance(value, str):
            yield ("node text" if in_node and key in ("as_string", "as_strings") else key), value
        elif isinstance(value, list):
            # Only a graph's nodes are a list under that key: elsewhere keys are names, and may be any.
            ours = [{**one, "metadata": None} for one in value] if key == "nodes" else value
            stack.extend((key, one, in_node or key == "nodes") for one in ours)
        elif isinstance(value, dict):
            if key == "as_custom_obj":
                yield key, str(value)
            stack.extend((name, one, in_node and name != "graph") for name, one in value.items())


def _is_operator(text: str) -> bool:
    return _OPERATOR.match(text) is not None


_CHECKS: dict[str, Callable[[str], bool]] = {
    "expr_str": is_shape_expression,
    "guards_code": is_guard,
    "target": _is_operator,
    "as_operator": _is_operator,
    "in_spec": _are_inputs,
    "out_spec": _are_outputs,
    "as_custom_obj": lambda _: False,
    "node text": lambda _: True,
}


def _unsafe(path: Path, what: str) -> WeightsError:
    return WeightsError(
        f"{path} was refused: it holds {what}, and loading it could run any code",
        hint="save the program again with torch.export.save, without custom objects or operators",
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
