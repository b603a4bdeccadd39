"""Files that run code when torch 2.14 loads them (pickles, shape expressions), or could be made to with more craft."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mobilekit.errors import MobilekitError, ModelError, WeightsError
from mobilekit.model.archive import check_archive
from mobilekit.model.pt2 import load_pt2

Graph = dict[str, Any]


class Command:
    """Unpickling it runs a shell command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """A file that is there once code of the archive has run."""
    return tmp_path / "ran"


def torch_pickle(thing: Any) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()


def assert_refused(path: Path, marker: Path, match: str) -> None:
    with pytest.raises(WeightsError, match=match) as caught:
        load_pt2(path).module()
    assert "could run any code" in caught.value.message and caught.value.hint
    assert not marker.exists()


def test_what_torch_writes_passes(saved: Path, edited: Callable[..., Path]) -> None:
    for path in (saved, edited(lambda entries: None)):
        check_archive(path)
        load_pt2(path)


@pytest.mark.parametrize("name", ["data/sample_inputs/model.pt", "data/weights/model.pt", "data/constants/model.pt"])
def test_pickles(name: str, edited: Callable[..., Path], marker: Path) -> None:
    content = torch_pickle(((Command(f"touch {marker}"),), {}))
    assert_refused(edited(lambda entries: entries.update({name: content})), marker, f"more than tensors .{name}")


@pytest.mark.parametrize(
    ("config", "file", "match"),
    [
        ("data/weights/model_weights_config.json", "weight_7", "more than tensors"),
        ("data/constants/model_constants_config.json", "tensor_7", "more than tensors"),
        ("data/constants/model_constants_config.json", "custom_obj_0", "not a tensor"),
        ("data/constants/model_constants_config.json", "opaque_obj_0", "not a tensor"),
    ],
)
def test_pickled_weights_and_objects(
    config: str, file: str, match: str, edited: Callable[..., Path], marker: Path
) -> None:
    thing = Command(f"touch {marker}")

    def edit(entries: dict[str, bytes]) -> None:
        listed = json.loads(entries[config])
        listed["config"]["extra"] = {"path_name": file, "is_param": False, "use_pickle": True, "tensor_meta": None}
        entries[config] = json.dumps(listed).encode()
        plain = file.startswith("opaque")
        entries[f"{config.rpartition('/')[0]}/{file}"] = pickle.dumps(thing) if plain else torch_pickle(thing)

    assert_refused(edited(edit), marker, match)


def test_the_older_layout_that_torch_falls_back_to(edited: Callable[..., Path], marker: Path) -> None:
    thing = torch_pickle(Command(f"touch {marker}"))
    old = {f"serialized_{part}.pt": thing for part in ("state_dict", "constants", "example_inputs")}
    old |= {"version": b"8.8", "serialized_exported_program.json": b"{}"}
    with zipfile.ZipFile(path := marker.with_name("old.pt2"), "w") as archive:
        for name, content in old.items():
            archive.writestr(name, content)
    with pytest.raises(ModelError, match="not a readable"):
        load_pt2(path)
    assert not marker.exists()
    # the same beside an archive that cannot be read, which is what makes torch look for it
    broken = edited(lambda entries: entries.update({"archive_version": b"999"}), more=old)
    with pytest.raises(ModelError):
        load_pt2(broken)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["data/aotinductor/model/x.so", "data/weights/x.py", "models/other.json", "strange"])
def test_entries_that_do_not_belong_there(name: str, edited: Callable[..., Path], marker: Path) -> None:
    assert_refused(edited(lambda entries: entries.update({name: b"{}"})), marker, "something other than")


def first_node(program: Graph) -> Graph:
    node: Graph = program["graph_module"]["graph"]["nodes"][0]
    return node


def first_size(program: Graph) -> Graph:
    """The dynamic batch, as a shape expression."""
    values = program["graph_module"]["graph"]["tensor_values"]
    size: Graph = next(size for one in values.values() for size in one["sizes"] if "as_expr" in size)
    return size


def call_signature(program: Graph) -> Graph:
    signature: Graph = program["graph_module"]["module_call_graph"][0]["signature"]
    return signature


def rename_input(program: Graph, new: str) -> None:
    """Everywhere: torch takes the names of the file as they are."""
    old = next(
        one["user_input"]["arg"]["as_tensor"]["name"]
        for one in program["graph_module"]["signature"]["input_specs"]
        if "user_input" in one
    )
    text = json.dumps(program["graph_module"]).replace(json.dumps(old), json.dumps(new))
    program["graph_module"] = json.loads(text)


SYSTEM = "__import__('os').system('touch MARKER')"
DEFAULTDICT = {
    "type": "collections.defaultdict",
    "context": {"default_factory_module": "antigravity", "default_factory_name": "fly", "dict_context": []},
    "children_spec": [],
}
ENUM = {
    "type": "builtins.dict",
    "context": '[{"__enum__": true, "fqn": "antigravity:fly", "name": "x"}]',
    "children_spec": [],
}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda p, code: first_size(p)["as_expr"].update(expr_str=code), "shape expression"),
        (lambda p, code: first_size(p)["as_expr"].update(expr_str=f"Add({code}, 1)"), "shape expression"),
        (lambda p, code: p["guards_code"].append(f"{code} == 0"), "a guard that is not"),
        (lambda p, code: first_node(p).update(target="torch.hub.load"), "not a known operator"),
        (lambda p, code: first_node(p).update(target="torch.ops.load_library"), "not a known operator"),
        (lambda p, code: first_node(p).update(target="_operator.call"), "not a known operator"),
        (lambda p, code: first_node(p).update(target="torch.ops.aten.from_file.default"), "not a known operator"),
        (lambda p, code: first_node(p).update(target="torch.ops.aten.__class__.mro"), "not a known operator"),
        (lambda p, code: first_node(p).update(target="torch.ops.higher_order.print"), "not a known operator"),
        (lambda p, code: first_node(p)["inputs"][0].update(arg={"as_operator": "torch.hub.load"}), "known operator"),
        (lambda p, code: first_node(p)["inputs"][0].update(arg={"as_custom_obj": {"name": "x"}}), "not a tensor"),
        (lambda p, code: first_node(p).update(name=f"x={code}"), "not one .name"),
        (lambda p, code: rename_input(p, f"x={code}"), "not one .(name|forward_arg_names)"),
        (lambda p, code: call_signature(p).update(forward_arg_names=[f"x={code}"]), "not one .forward_arg_names"),
        (lambda p, code: call_signature(p).update(in_spec=json.dumps([1, DEFAULTDICT])), "inputs of an unknown kind"),
        (lambda p, code: call_signature(p).update(out_spec=json.dumps([1, ENUM])), "outputs of an unknown kind"),
        (
            lambda p, code: p["graph_module"]["signature"]["input_specs"][0]["parameter"].update(
                parameter_name=f'x"); {code}; ("'
            ),
            "not one .parameter_name",
        ),
        (lambda p, code: p["graph_module"]["graph"]["inputs"].append({"as_string": "a' + b + '"}), "not one"),
    ],
)
def test_code_in_the_program(
    change: Callable[[Graph, str], None], match: str, reprogrammed: Callable[..., Path], marker: Path
) -> None:
    code = SYSTEM.replace("MARKER", str(marker))
    assert_refused(reprogrammed(lambda program: change(program, code)), marker, match)


def test_names_that_look_like_the_file_s_own_structure(reprogrammed: Callable[..., Path], marker: Path) -> None:
    """`metadata` is not looked at in a node; as the name of a value it is."""
    size = {"as_expr": {"expr_str": SYSTEM.replace("MARKER", str(marker)), "hint": None}}

    def change(program: Graph) -> None:
        program["graph_module"]["graph"]["sym_int_values"]["metadata"] = size

    assert_refused(reprogrammed(change), marker, "shape expression")

    def disguised(program: Graph) -> None:
        argument = {"target": {"as_int": 1}, "metadata": {"as_operator": "torch.hub.load"}}
        first_node(program)["inputs"][0]["arg"] = {"as_string_to_argument": argument}

    assert_refused(reprogrammed(disguised), marker, "not a known operator")


def test_text_arguments_of_operators_are_data(reprogrammed: Callable[..., Path]) -> None:
    text = "expected 'x' > 0, \"not\" (x)"
    path = reprogrammed(lambda program: first_node(program)["inputs"][0].update(arg={"as_string": text}))
    check_archive(path)


def test_another_device_is_named(reprogrammed: Callable[..., Path]) -> None:
    def change(program: Graph) -> None:
        for one in program["graph_module"]["graph"]["tensor_values"].values():
            one["device"] = {"type": "cuda", "index": 0}

    with pytest.raises(ModelError, match=r"exported on the device 'cuda'.*\n.*module\.to\('cpu'\)"):
        load_pt2(reprogrammed(change))


def test_files_that_are_not_archives(tmp_path: Path, saved: Path) -> None:
    whole = saved.read_bytes()
    for content in (b"", b"PK", b"hello" * 50, whole[: len(whole) // 2], whole[:-1], whole[100:]):
        (tmp_path / "x.pt2").write_bytes(content)
        with pytest.raises(ModelError, match=r"x\.pt2 is not a readable") as caught:
            load_pt2(tmp_path / "x.pt2")
        assert caught.value.hint
    with pytest.raises(ModelError, match="no such file"):
        load_pt2(tmp_path / "none.pt2")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_byte_is_read_or_refused_cleanly(data: st.DataObject, saved: Path, tmp_path: Path) -> None:
    content = bytearray(saved.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "changed.pt2"
    path.write_bytes(bytes(content))
    try:
        load_pt2(path)
    except MobilekitError as error:
        assert str(path) in str(error) and len(error.message) < 1000
