"""The gate as CI runs it: on real bundles, with each of its verdicts, exit codes and what it leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from mobilekit.bundle import manifest as m
from mobilekit.bundle.write import entry_for, write_manifest, write_tensor
from mobilekit.environment import describe
from mobilekit.spec import TensorSpec

DIGITS = Path(__file__).parents[2] / "models" / "digits_cnn"


def product(folder: Path, size: int, *, times: int = 1) -> Path:
    """A bundle of one ONNX file, `times` products of x with a matrix of ones, written by hand."""
    from onnx import TensorProto, helper, numpy_helper, save

    folder.mkdir()
    names = ["x", *(f"h{index}" for index in range(1, times)), "y"]
    graph = helper.make_graph(
        [helper.make_node("MatMul", [names[index], "weight"], [names[index + 1]]) for index in range(times)],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, size])],
        [numpy_helper.from_array(np.full((size, size), 1 / size, np.float32), "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    save(model, str(folder / "product.onnx"))
    tensor = TensorSpec(name="x", shape=(1, size))
    artifact = m.Artifact(
        **entry_for(folder, "product.onnx").model_dump(),
        target="onnx",
        scheme="fp32",
        runtime="onnxruntime",
        minimum_runtime="1.14",
        inputs=(tensor,),
        outputs=(TensorSpec(name="y", shape=(1, size)),),
    )
    golden = write_tensor(folder, "golden/s0.x.bin", "x", np.ones((1, size), np.float32))
    manifest = m.Manifest(
        created="2026-11-21T01:17:00Z",
        model=m.ModelEntry(name="product", source="test", parameters=size * size, trained=True),
        inputs=(tensor,),
        outputs=artifact.outputs,
        artifacts=(artifact,),
        golden=(m.GoldenSample(id="s0", inputs=(golden,), input_max_abs_error=0, outputs=()),),
        environment=describe(),
    )
    write_manifest(folder, manifest)
    return folder


def verdicts(found: dict) -> dict[str, str]:
    return {one["metric"]: one["verdict"] for one in found["findings"]}


@pytest.mark.slow
def test_a_slower_artifact_is_stopped(mobilekit) -> None:
    product(mobilekit.folder / "fast", 256)
    product(mobilekit.folder / "slow", 256, times=8)
    (mobilekit.folder / "gate.toml").write_text("bytes_percent = false\n")
    ended = mobilekit("gate", "fast", "slow", "--budgets", "gate.toml", "--json", "--max-seconds", "120")
    assert ended.code == 1, ended.err
    assert verdicts(ended.json) == {"latency": "regression"}
    (found,) = ended.json["findings"]
    assert found["sessions"] >= 8
    assert found["low"] > 3 and found["worsening"] > 50
    assert "regression: 1 of 1 figures" in ended.err
    back = mobilekit("gate", "slow", "fast", "--budgets", "gate.toml", "--json", "--max-seconds", "120")
    assert (back.code, verdicts(back.json)) == (0, {"latency": "pass"})


@pytest.mark.slow
def test_without_time_it_is_inconclusive_unless_the_files_are_equal(mobilekit) -> None:
    product(mobilekit.folder / "one", 16)
    product(mobilekit.folder / "other", 16)
    ended = mobilekit("gate", "one", "other", "--max-seconds", "0", "--time-equal-files")
    assert ended.code == 3, ended.err
    assert "inconclusive: 1 of 2 figures" in ended.err
    equal = mobilekit("gate", "one", "other", "--max-seconds", "0")
    assert equal.code == 0
    assert "pass: the same file, byte for byte: not timed" in equal.out


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """digits_cnn as it is, and with weights that were damaged a little, both as ONNX."""
    import torch
    from safetensors.torch import load_file, save_file

    place = tmp_path_factory.mktemp("exported")
    torch.manual_seed(0)
    weights = load_file(DIGITS / "weights.safetensors")
    damaged = {
        name: one + 0.5 * one.std() * torch.randn_like(one) if one.ndim > 1 else one for name, one in weights.items()
    }
    save_file(damaged, place / "damaged.safetensors")
    for name, more in (("good", ()), ("worse", ("-w", place / "damaged.safetensors"))):
        words = ["export", "digits_cnn", "-t", "onnx", "-q", "fp32", "--no-bench", "-o", place / name, *more]
        subprocess.run([sys.executable, "-m", "mobilekit", *map(str, words)], check=True, capture_output=True)
    return place / "good", place / "worse"


@pytest.mark.slow
def test_a_deliberately_worse_model_is_stopped(mobilekit, exported: tuple[Path, Path]) -> None:
    good, worse = map(str, exported)
    here = mobilekit.folder
    (here / "pyproject.toml").write_text("[tool.mobilekit.gate]\nlatency_percent = false\n")
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(here / "summary.md")}
    (here / "summary.md").write_text("before\n")
    ended = mobilekit("gate", good, worse, "--markdown", "out/gate.md", "--junit", "out/gate.xml", env=github)
    assert ended.code == 1, ended.err
    line = next(line for line in ended.out.splitlines() if line.startswith("onnx:fp32  top-1"))
    assert "regression" in line
    assert "::error title=mobilekit gate%3A regression in onnx%3Afp32 top-1" in ended.out
    markdown = (here / "out" / "gate.md").read_text()
    assert markdown.startswith("## :x: mobilekit gate: regression")
    assert (here / "summary.md").read_text() == "before\n" + markdown + "\n"
    suite = ElementTree.parse(here / "out" / "gate.xml").getroot()[0]
    assert suite.get("failures") == "1"

    # against what was recorded of the baseline, without its artifacts
    recorded = mobilekit("gate", str(exported[0] / "report.json"), worse, "--json", env=github)
    assert recorded.code == 1
    assert verdicts(recorded.json)["accuracy"] == "regression"
    assert "::error" in recorded.err
    same = mobilekit("gate", str(exported[0] / "report.json"), good, "--json")
    assert (same.code, same.json["verdict"]) == (0, "pass")
    assert set(verdicts(same.json).values()) == {"pass"}


@pytest.mark.slow
def test_accuracy_on_the_same_samples_by_request(mobilekit, exported: tuple[Path, Path]) -> None:
    good, worse = map(str, exported)
    (mobilekit.folder / "gate.toml").write_text("latency_percent = false\nbytes_percent = false\n")
    words = ("--data", "digits", "--test-samples", "100", "--budgets", "gate.toml", "--json")
    ended = mobilekit("gate", good, worse, *words)
    assert ended.code == 1, ended.err
    assert verdicts(ended.json)["accuracy"] == "regression"


def test_a_revision_is_rebuilt(mobilekit, bundle: Path) -> None:
    def git(*args: str) -> None:
        named = ("-c", "user.name=A", "-c", "user.email=a@b.c")
        subprocess.run(["git", *named, *args], cwd=mobilekit.folder.parent, check=True, capture_output=True)

    git("init", "--quiet")
    git("add", "here/bundle")
    git("commit", "--quiet", "-m", "a bundle")
    words = ("--build", "cp -r here/bundle {output}", "--json")
    ended = mobilekit("gate", "git:HEAD", "bundle", *words)
    assert ended.code == 0, ended.err
    assert {one["verdict"] for one in ended.json["findings"]} == {"pass"}
    failed = mobilekit("gate", "git:HEAD~7", "bundle", *words)
    assert failed.code == 2 and "no such revision" in failed.err


def test_what_it_refuses(refused: Callable, bundle: Path, mobilekit) -> None:
    (mobilekit.folder / "gate.toml").write_text("latency_percent = -3\nbites = 1\n")
    (mobilekit.folder / "other.toml").write_text('[variants."onnx:int3"]\nbytes_percent = 1\n')
    (mobilekit.folder / "some.json").write_text('{"format": "mobilekit-report"}')
    refused(2, "gate", "bundle", "bundle", "--budgets", "gate.toml", says=("2 problems", "latency_percent", "bites"))
    refused(2, "gate", "bundle", "bundle", "--budgets", "other.toml", says=("variants.onnx:int3", "onnx:int8"))
    refused(2, "gate", "bundle", "bundle", "--variant", "xnnpack", says=("--variant", "TARGET:SCHEME"))
    refused(2, "gate", "bundle", "bundle", "--variant", "a:b", says=("no variant a:b", "xnnpack:int8"))
    refused(2, "gate", "bundle", "bundle", "--runner", "pt", says=("unknown runner", "pte"))
    refused(2, "gate", "bundle", "bundle", "--build", "x {output}", says=("--build", "git revision"))
    refused(2, "gate", "bundle", "bundle", "--test-samples", "3", says=("--data",))
    refused(2, "gate", "git:HEAD", "bundle", says=("git:HEAD is a git revision", "--build"))
    refused(6, "gate", "some.json", "bundle", says=("some.json", "created: is required"))
    refused(6, "gate", "nowhere", "bundle", says=("nowhere: no such folder",))


def test_a_bundle_that_changed_is_refused(refused: Callable, bundle: Path) -> None:
    (bundle / "tiny.onnx.int8.onnx").write_text("changed")
    refused(6, "gate", str(bundle / "report.json"), "bundle", says=("tiny.onnx.int8.onnx",))


def test_recorded_figures_are_compared_with_a_bundle(mobilekit, bundle: Path) -> None:
    report = json.loads((bundle / "report.json").read_text())
    for one in report["results"]:
        one["bytes"] = one["bytes"] * 9 // 10
    (mobilekit.folder / "baseline.json").write_text(json.dumps(report))
    ended = mobilekit("gate", "baseline.json", "bundle", "--json")
    assert ended.code == 1, ended.err
    by_metric = {(one["scheme"], one["metric"]): one["verdict"] for one in ended.json["findings"]}
    assert by_metric["int8", "bytes"] == "regression"
    assert by_metric["int8", "latency"] == "not compared"
