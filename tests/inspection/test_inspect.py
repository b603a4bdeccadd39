"""Every kind of artifact is looked into without running or unpickling it; damage is refused in words."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilekit.bundle.contents import OperatorCount, TensorInfo
from mobilekit.errors import BundleError, UsageError
from mobilekit.inspection import Inspection, inspect_artifact
from mobilekit.inspection.summary import (
    BundleDetails,
    CoreMLDetails,
    OnnxDetails,
    Pt2Details,
    PteDetails,
    size_text,
)

GOLDEN = Path(__file__).parents[1] / "golden"
KINDS = ("pte", "onnx", "mlpackage", "pt2")
WEIGHTS = 4 * 9 + 4 + 4 * 10 + 10
MODEL = Path("Data") / "com.apple.CoreML" / "model.mlmodel"


def counts(inspection: Inspection) -> dict[str, int]:
    return {operator.name: operator.count for operator in inspection.operators}


def weakest_part(path: Path) -> Path:
    """The file that says what the artifact is."""
    return path / MODEL if path.suffix == ".mlpackage" else path


def copied(artifacts: Path, kind: str, folder: Path) -> Path:
    source, copy = artifacts / f"tiny.{kind}", folder / f"tiny.{kind}"
    shutil.copytree(source, copy) if source.is_dir() else shutil.copy(source, copy)
    return copy


def test_a_pte(artifacts: Path) -> None:
    found = inspect_artifact(artifacts / "tiny.pte")
    assert counts(found) == {"aten::cumsum.out": 1, "aten::mean.out": 1}
    assert isinstance(found.details, PteDetails)
    assert found.details.backends == ("XnnpackBackend",)
    assert len(found.details.delegates) == 2
    assert found.inputs[0].shape == ("..8", 1, "..8", "..8")


def test_an_onnx_model(artifacts: Path) -> None:
    found = inspect_artifact(artifacts / "tiny.onnx")
    assert counts(found) == {"Conv": 1, "CumSum": 1, "Gemm": 1, "ReduceMean": 1, "Relu": 1}
    assert isinstance(found.details, OnnxDetails)
    assert found.details.weight_bytes["float32"] == 4 * WEIGHTS
    assert found.details.opsets["ai.onnx"] >= 18
    assert found.details.external_files == ()
    (entry,) = found.inputs
    assert (entry.name, entry.dtype, entry.shape[1:]) == ("image", "float32", (1, 8, 8))
    assert isinstance(entry.shape[0], str)


def test_a_core_ml_package(artifacts: Path) -> None:
    found = inspect_artifact(artifacts / "tiny.mlpackage")
    assert counts(found) == {"cast": 1, "conv": 1, "cumsum": 1, "linear": 1, "reduce_mean": 1, "relu": 1}
    assert isinstance(found.details, CoreMLDetails)
    assert (found.details.specification_version, found.details.minimum_ios) == (8, "17")
    assert found.details.model_type == "mlProgram"
    weights = artifacts / "tiny.mlpackage" / "Data" / "com.apple.CoreML" / "weights" / "weight.bin"
    assert found.details.weight_bytes == weights.stat().st_size
    assert found.inputs == (TensorInfo(name="image", dtype="float32", shape=(1, 1, 8, 8)),)
    assert found.outputs == (TensorInfo(name="linear", dtype="float16", shape=(1, 10)),)
    assert found.details.metadata["com.github.apple.coremltools.version"] == "9.0"


def test_a_pt2(artifacts: Path) -> None:
    found = inspect_artifact(artifacts / "tiny.pt2")
    assert isinstance(found.details, Pt2Details)
    assert found.details.parameters == WEIGHTS
    assert found.details.weight_bytes == {"float32": 4 * WEIGHTS}
    assert found.inputs == (TensorInfo(name="image", dtype="float32", shape=("1..8", 1, 8, 8)),)
    assert found.outputs == (TensorInfo(name="linear", dtype="float32", shape=("1..8", 10)),)
    assert OperatorCount(name="aten.conv2d.default", count=1) in found.operators


def test_a_bundle() -> None:
    found = inspect_artifact(GOLDEN / "bundle")
    assert isinstance(found.details, BundleDetails)
    assert found.kind == "bundle"
    assert [one.scheme for one in found.details.artifacts] == ["fp32", "fp32", "int8", "int8", "fp16"]
    assert found.inputs[0].shape == ("batch=1..8", 3, 4, 4)
    assert found.details.golden_samples == 1


@pytest.mark.parametrize("path", [f"artifacts/tiny.{kind}" for kind in KINDS] + ["bundle"])
def test_every_inspection_has_lines_to_print_and_survives_json(path: str) -> None:
    found = inspect_artifact(str(GOLDEN / path))
    lines = dict(found.lines())
    assert lines["file"] == str(GOLDEN / path)
    assert all(label and "\n" not in text for label, text in found.lines())
    assert lines["size"].endswith(f"({found.bytes} bytes)")
    assert Inspection.model_validate_json(found.model_dump_json()) == found


def test_nothing_heavy_is_imported_and_nothing_printed() -> None:
    paths = [str(GOLDEN / "artifacts" / f"tiny.{kind}") for kind in KINDS]
    code = (
        "import sys; from mobilekit.inspection import inspect_artifact; [inspect_artifact(p) for p in sys.argv[1:]]; "
        "print(sorted({'torch', 'executorch', 'coremltools', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7])
def test_a_truncated_artifact_is_refused_and_named(artifacts: Path, tmp_path: Path, kind: str, share: float) -> None:
    path = copied(artifacts, kind, tmp_path)
    part = weakest_part(path)
    data = part.read_bytes()
    part.write_bytes(data[: int(share * len(data))])
    with pytest.raises(BundleError, match=r"not a whole|not a program") as caught:
        inspect_artifact(path)
    assert str(path) in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60)
@given(data=st.data())
def test_any_damage_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged"
    path = folder / f"tiny.{kind}"
    if not path.exists():
        folder.mkdir(exist_ok=True)
        copied(GOLDEN / "artifacts", kind, folder)
    part = weakest_part(path)
    content = bytearray(weakest_part(GOLDEN / "artifacts" / f"tiny.{kind}").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    part.write_bytes(content)
    try:
        found = inspect_artifact(path)
    except BundleError as error:
        assert str(path) in str(error)
    else:
        assert dict(found.lines())


@pytest.mark.parametrize("name", ["model.tflite", "model", "model.PTE"])
def test_another_kind_of_file_is_refused_with_the_kinds_there_are(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    with pytest.raises(UsageError, match=r"can read: \.pte, \.onnx, \.mlpackage, \.pt2, bundles"):
        inspect_artifact(tmp_path / name)


def test_nothing_there_and_a_folder_that_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        inspect_artifact(tmp_path / "model.pte")
    with pytest.raises(BundleError, match=r"neither a bundle \(it has no bundle.json\) nor a Core ML package"):
        inspect_artifact(tmp_path)
    (tmp_path / "folder.pte").mkdir()
    with pytest.raises(BundleError, match="neither a bundle"):
        inspect_artifact(tmp_path / "folder.pte")
    (tmp_path / "zipped.mlpackage").write_bytes(b"PK")
    with pytest.raises(BundleError, match="a Core ML package is a folder"):
        inspect_artifact(tmp_path / "zipped.mlpackage")


def test_a_pt2_is_not_unpickled(artifacts: Path, tmp_path: Path) -> None:
    """A pickle that would write a file lies in the archive where torch.export.load would read it."""
    marker = tmp_path / "was-run"
    payload = f"cbuiltins\nopen\n(V{marker}\nVw\ntR.".encode()
    path = tmp_path / "evil.pt2"
    with zipfile.ZipFile(artifacts / "tiny.pt2") as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            data = source.read(entry)
            target.writestr(entry.filename, payload if entry.filename.endswith(".pt") else data)
    assert isinstance(inspect_artifact(path).details, Pt2Details)
    assert not marker.exists()


def test_a_package_that_names_a_model_outside_is_refused(artifacts: Path, tmp_path: Path) -> None:
    path = copied(artifacts, "mlpackage", tmp_path)
    listing = json.loads((path / "Manifest.json").read_text())
    listing["itemInfoEntries"][listing["rootModelIdentifier"]]["path"] = "../../secret"
    (path / "Manifest.json").write_text(json.dumps(listing))
    (tmp_path / "secret").write_text("x")
    with pytest.raises(BundleError, match="names a model outside the package"):
        inspect_artifact(path)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"rootModelIdentifier": 3}', "null"])
def test_a_package_with_a_broken_listing_is_refused(artifacts: Path, tmp_path: Path, content: str) -> None:
    path = copied(artifacts, "mlpackage", tmp_path)
    (path / "Manifest.json").write_text(content)
    with pytest.raises(BundleError, match="does not name the package's model"):
        inspect_artifact(path)
    (path / "Manifest.json").unlink()
    with pytest.raises(BundleError, match=r"it has no Manifest\.json"):
        inspect_artifact(path)


def test_onnx_weights_in_other_files_must_be_beside_it(tmp_path: Path) -> None:
    import onnx

    model = onnx.load_model(GOLDEN / "artifacts" / "tiny.onnx")
    path = tmp_path / "model.onnx"
    onnx.save_model(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    found = inspect_artifact(path)
    assert isinstance(found.details, OnnxDetails)
    assert found.details.external_files == ("weights.bin",)
    assert found.bytes == path.stat().st_size + (tmp_path / "weights.bin").stat().st_size
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(BundleError, match=r"its weights are in weights\.bin, which is missing beside it"):
        inspect_artifact(path)


def test_onnx_weights_outside_its_folder_are_refused(tmp_path: Path) -> None:
    import onnx

    model = onnx.load_model(GOLDEN / "artifacts" / "tiny.onnx")
    weight = model.graph.initializer[0]
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../weights.bin")
    (tmp_path / "weights.bin").write_bytes(bytes(1000))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(BundleError, match="outside its folder"):
        inspect_artifact(tmp_path / "folder" / "model.onnx")


def test_sizes_read_well() -> None:
    assert [size_text(count) for count in (0, 999, 1000, 14_560, 1_000_000, 13_412_345)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "14.6 kB",
        "1.00 MB",
        "13.41 MB",
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_the_installed_stack_writes_today_is_read(tmp_path: Path) -> None:
    """New artifacts of the same model say the same as the committed ones; coremltools agrees on the package."""
    script = GOLDEN / "make_artifacts.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, capture_output=True, cwd=tmp_path)
    for kind in KINDS:
        new, old = inspect_artifact(tmp_path / f"tiny.{kind}"), inspect_artifact(GOLDEN / "artifacts" / f"tiny.{kind}")
        assert (new.inputs, new.outputs, new.operators) == (old.inputs, old.outputs, old.operators), kind
    code = (
        "import collections, json, sys; from coremltools.models.utils import load_spec\n"
        "spec = load_spec(sys.argv[1])\n"
        "blocks = spec.mlProgram.functions['main'].block_specializations.values()\n"
        "counts = collections.Counter(one.type for block in blocks for one in block.operations\n"
        "                             if one.type != 'const')\n"
        "print(json.dumps([spec.specificationVersion, counts, [one.name for one in spec.description.output]]))"
    )
    package = tmp_path / "tiny.mlpackage"
    done = subprocess.run([sys.executable, "-c", code, str(package)], capture_output=True, text=True, check=True)
    version, operators, outputs = json.loads(done.stdout.splitlines()[-1])
    ours = inspect_artifact(package)
    assert isinstance(ours.details, CoreMLDetails)
    assert (ours.details.specification_version, counts(ours)) == (version, operators)
    assert [one.name for one in ours.outputs] == outputs
