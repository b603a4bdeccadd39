"""A bundle loads when it is what bundle.json says, and is refused in words in every other case."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilekit import Bundle
from mobilekit.bundle import MANIFEST_FILE
from mobilekit.bundle.store import parse_manifest
from mobilekit.bundle.write import manifest_text
from mobilekit.errors import BundleError, ExitCode, UnknownName

GOLDEN = Path(__file__).parents[1] / "golden" / "bundle"
GOLDEN_BYTES = (GOLDEN / MANIFEST_FILE).read_bytes()
ARTIFACT = "tiny.xnnpack.int8.pte"
PACKAGE = "tiny.coreml.fp16.mlpackage"


def refused(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        Bundle.load(folder)
    assert caught.value.exit_code == ExitCode.BUNDLE
    return str(caught.value)


def rewritten(folder: Path, *path: str | int, value: object) -> Path:
    """bundle.json with the value at `path` replaced."""
    raw = json.loads(GOLDEN_BYTES)
    inner = raw
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    (folder / MANIFEST_FILE).write_text(json.dumps(raw))
    return folder


def test_the_golden_bundle_loads(golden: Path) -> None:
    bundle = Bundle.load(golden)
    assert bundle.path == golden
    assert bundle.manifest.model.name == "tiny"
    assert [f"{one.target} {one.scheme}" for one in bundle.shipped] == [
        "xnnpack fp32",
        "xnnpack int8",
        "onnx int8",
        "coreml fp16",
    ]
    assert Bundle.load(str(golden)) == Bundle(golden, bundle.manifest)


def test_the_golden_manifest_comes_back_byte_for_byte() -> None:
    assert manifest_text(parse_manifest(GOLDEN_BYTES)).encode() == GOLDEN_BYTES


def test_labels_and_golden_tensors_are_read(golden: Path) -> None:
    bundle = Bundle.load(golden)
    assert bundle.labels() == ("red", "green", "blau, grün")
    (sample,) = bundle.manifest.golden
    assert sample.pixels is not None
    assert bundle.golden_tensor(sample.pixels).tolist() == [[[255, 128, 0]] * 8] * 8
    image = bundle.golden_tensor(sample.inputs[0])
    assert (image.dtype, image.shape) == (np.float32, (1, 3, 4, 4))
    assert image[0, :, 3, 3].tolist() == [1.0, np.float32(128) / np.float32(255), 0.0]
    assert bundle.golden_tensor(sample.outputs[2].outputs[0]).tolist() == [[2.53125, 0.28125, -0.96875]]


def test_an_artifact_is_found_by_target_and_scheme(golden: Path) -> None:
    bundle = Bundle.load(golden)
    artifact = bundle.artifact("xnnpack", "int8")
    assert bundle.artifact_path(artifact) == golden / ARTIFACT
    with pytest.raises(UnknownName, match=r"unknown target in this bundle 'xnpack', did you mean 'xnnpack'\?"):
        bundle.artifact("xnpack", "int8")
    with pytest.raises(UnknownName, match=r"unknown scheme of onnx 'fp32' \(have: int8\)"):
        bundle.artifact("onnx", "fp32")


@pytest.mark.parametrize(
    "name",
    [ARTIFACT, "labels.txt", "golden/s0.png", "golden/s0.image.bin", "report.md", f"{PACKAGE}/Data/model.mlmodel"],
)
def test_one_changed_byte_anywhere_is_noticed_and_its_file_named(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    message = refused(folder)
    assert "1 file does not match bundle.json" in message
    listed = PACKAGE if name.startswith(PACKAGE) else name
    assert f"{listed}: its content has changed" in message
    assert Bundle.load(folder, check=False).manifest.model.name == "tiny"


def test_all_differing_files_are_reported_together(folder: Path) -> None:
    (folder / ARTIFACT).unlink()
    (folder / "labels.txt").write_text("short")
    shutil.rmtree(folder / PACKAGE)
    message = refused(folder)
    assert "3 files do not match bundle.json" in message
    assert f"{ARTIFACT}: missing" in message
    assert f"{PACKAGE}: missing" in message
    assert "labels.txt: has 5 bytes, bundle.json says 22" in message


def test_a_file_added_to_or_removed_from_a_package_is_noticed(folder: Path) -> None:
    (folder / PACKAGE / ".DS_Store").touch()
    assert f"{PACKAGE}: its content has changed" in refused(folder)
    assert "remove .DS_Store from it" in refused(folder)
    (folder / PACKAGE / ".DS_Store").unlink()
    (folder / PACKAGE / "Manifest.json").unlink()
    assert f"{PACKAGE}: has 26 bytes, bundle.json says 29" in refused(folder)


def test_a_file_where_a_folder_was_is_noticed(folder: Path) -> None:
    shutil.rmtree(folder / PACKAGE)
    (folder / PACKAGE).write_bytes(bytes(29))
    assert f"{PACKAGE}: its content has changed" in refused(folder)


def test_files_that_are_not_listed_are_left_alone(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"\x00")
    (folder / "notes").mkdir()
    (folder / "notes" / "todo.txt").write_text("x")
    assert Bundle.load(folder).manifest.model.name == "tiny"


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("name", [ARTIFACT, "golden", PACKAGE, f"{PACKAGE}/Data", f"{PACKAGE}/Data/model.mlmodel"])
def test_links_are_refused_even_to_the_same_content(folder: Path, tmp_path: Path, name: str, inside: bool) -> None:
    elsewhere = (folder if inside else tmp_path) / "moved"
    (folder / name).rename(elsewhere)
    (folder / name).symlink_to(elsewhere)
    assert f"{name}: is a link; a bundle holds plain files only" in refused(folder)


def test_a_bundle_may_itself_be_reached_through_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert Bundle.load(tmp_path / "link").labels() is not None


def test_a_special_file_is_refused_without_being_opened(folder: Path) -> None:
    (folder / ARTIFACT).unlink()
    os.mkfifo(folder / ARTIFACT)
    assert f"{ARTIFACT}: is neither a file nor a folder" in refused(folder)


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", ".hidden", "a\\b", "a//b", "", "a/", "a\n"])
def test_paths_that_leave_the_folder_or_are_odd_are_refused(folder: Path, path: str) -> None:
    message = refused(rewritten(folder, "artifacts", 0, "file", value=path))
    assert "artifacts[0].file: must match the pattern" in message


def test_what_is_no_bundle_is_said_to_be_none(tmp_path: Path) -> None:
    assert "no such folder" in refused(tmp_path / "nothing")
    (tmp_path / "file").write_text("x")
    assert "is a file, not a bundle folder" in refused(tmp_path / "file")
    assert "not a bundle: it has no bundle.json" in refused(tmp_path)
    (tmp_path / MANIFEST_FILE).mkdir()
    assert "cannot be read: Is a directory" in refused(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not valid JSON (line 1: Expecting value)"),
        (GOLDEN_BYTES[:1000], "not valid JSON"),
        (b"\xff\xfe\x00", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b"{}", "schema_version must be a whole number (given: nothing)"),
        (b'{"schema_version": 1}', "created: is required (given: missing)"),
        (b'{"schema_version": true}', "schema_version must be a whole number (given: True)"),
    ],
)
def test_a_broken_bundle_json_is_refused_in_words(folder: Path, content: bytes, words: str) -> None:
    (folder / MANIFEST_FILE).write_bytes(content)
    message = refused(folder)
    assert words in message
    assert str(folder / MANIFEST_FILE) in message


@pytest.mark.parametrize(("version", "cure"), [(2, "pip install --upgrade mobilekit"), (0, "export the model again")])
def test_another_schema_version_is_named_with_the_cure(folder: Path, version: int, cure: str) -> None:
    message = refused(rewritten(folder, "schema_version", value=version))
    assert re.search(rf"written in schema version {version}; mobilekit [\d.]+ reads 1", message)
    assert cure in message


def test_all_invalid_fields_are_reported_at_once(folder: Path) -> None:
    raw = json.loads(GOLDEN_BYTES)
    raw["created"] = "yesterday"
    raw["artifacts"][1]["sha256"] = "abc"
    raw["artifacts"][2]["bytes"] = "63"
    raw["inputs"][0]["shape"][1] = 0
    raw["modle"] = raw.pop("model")
    (folder / MANIFEST_FILE).write_text(json.dumps(raw))
    message = refused(folder)
    assert "bundle.json: 6 problems" in message
    assert "artifacts[1].sha256: must match the pattern [0-9a-f]{64}" in message
    assert 'artifacts[2].bytes: must be a whole number (given: "63")' in message
    assert "modle: no such field, did you mean model?" in message


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("artifacts", 4, "verification", "executed"), True, "an executed artifact has metrics"),
        (("artifacts", 4, "verification", "reason"), None, "one that was not executed has a reason"),
        (("artifacts", 4, "benchmark", "executed"), True, "an executed benchmark has latency"),
        (("artifacts", 2, "scheme"), "fp32", "xnnpack fp32 is listed more than once"),
        (
            ("artifacts", 2, "file"),
            "tiny.xnnpack.fp32.pte",
            "tiny.xnnpack.fp32.pte is listed with two different hashes",
        ),
        (("golden", 0, "inputs", 0, "shape"), [1, 3, 4, 5], "of shape [1, 3, 4, 5] has 240 bytes, not 192"),
        (("golden", 0, "inputs", 0, "dtype"), "float64", "golden[0].inputs[0].dtype: must be 'float32', 'float16'"),
        (("golden", 0, "label"), -1, "golden[0].label: must be 0 or more (given: -1)"),
        (("artifacts", 0, "verification", "metrics", "top1"), 1.5, "metrics.top1: must be 1 or less (given: 1.5)"),
        (("artifacts", 0, "verification", "metrics", "sqnr_db"), float("nan"), "must be a finite number"),
    ],
)
def test_contradictions_are_refused(folder: Path, path: tuple[str | int, ...], value: object, words: str) -> None:
    assert words in refused(rewritten(folder, *path, value=value))


def test_a_bundle_without_labels_has_none(folder: Path) -> None:
    assert Bundle.load(rewritten(folder, "labels", value=None)).labels() is None


def test_files_that_change_after_the_check_are_still_refused(folder: Path) -> None:
    bundle = Bundle.load(folder)
    tensor = bundle.manifest.golden[0].inputs[0]
    (folder / tensor.file).write_bytes(b"short")
    with pytest.raises(BundleError, match="has 5 bytes"):
        bundle.golden_tensor(tensor)
    (folder / tensor.file).unlink()
    with pytest.raises(BundleError, match="cannot be read"):
        bundle.golden_tensor(tensor)
    (folder / "labels.txt").write_bytes(b"\xff")
    with pytest.raises(BundleError, match="not UTF-8"):
        bundle.labels()


def test_loading_imports_neither_torch_nor_numpy(golden: Path) -> None:
    code = (
        "import sys; from mobilekit import Bundle; Bundle.load(sys.argv[1]); "
        "print(sorted({'torch', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(golden)]
    assert subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout == "[]\n"


@settings(max_examples=300)
@given(st.data())
def test_random_changes_to_bundle_json_load_or_are_refused(data: st.DataObject) -> None:
    content = bytearray(GOLDEN_BYTES)
    for _ in range(data.draw(st.integers(1, 4))):
        if not content:
            break
        at = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["set", "insert", "delete", "cut"]))
        if kind == "set":
            content[at] = data.draw(st.integers(0, 255) | st.sampled_from(list(b'"{}[]:,0-9eE.ntf\\')))
        elif kind == "insert":
            content[at:at] = data.draw(st.binary(min_size=1, max_size=8))
        elif kind == "delete":
            del content[at : at + data.draw(st.integers(1, 40))]
        else:
            del content[at:]
    try:
        manifest = parse_manifest(bytes(content))
    except BundleError as error:
        assert error.message.startswith("bundle.json: ")
        assert "Input should" not in error.message
    else:
        assert parse_manifest(manifest_text(manifest).encode()) == manifest


def test_the_pages_shell_command_gives_the_hash_of_a_folder(golden: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "bundle.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^    (find \. .*)$", page, re.M)
    if subprocess.run("xargs -d '\\n' true </dev/null", shell=True, capture_output=True, check=False).returncode:
        pytest.skip("xargs has no -d here (GNU findutils has)")
    done = subprocess.run(command, shell=True, cwd=golden / PACKAGE, capture_output=True, text=True, check=True)
    (entry,) = (one for one in Bundle.load(golden).manifest.artifacts if one.file == PACKAGE)
    assert done.stdout.split()[0] == entry.sha256
