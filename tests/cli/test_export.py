"""Whole exports by the command: what the issue of a bundle must hold, and models that cannot become one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mobilekit import Bundle
from mobilekit.runners import Worker

pytestmark = pytest.mark.slow
OUR_LINES = re.compile(r"(warning: .*|[^:]+: \d+\.\d s(  .*)?)\Z")


def check_only_our_lines(err: str) -> None:
    """Standard error holds finished pieces of work and warnings, and no library's chatter."""
    assert [line for line in err.splitlines() if not OUR_LINES.match(line)] == []


def test_the_demo(demo) -> None:
    assert demo.ended.code == 0, demo.ended.err
    check_only_our_lines(demo.ended.err)
    rows = {(one["row"]["target"], one["row"]["precision"]): one["row"] for one in demo.ended.json["results"]}
    assert [row["outcome"] for row in rows.values()] == ["reference", *["passed"] * 4, *["not executed"] * 2] or (
        all(row["outcome"] in ("reference", "passed") for row in rows.values())  # on macOS
    )
    assert rows["eager", "fp32"]["top1_percent"] >= 97
    for target in ("xnnpack", "onnx"):
        assert rows[target, "fp32"]["top1_change_points"] == 0
        assert rows[target, "int8"]["top1_change_points"] >= -0.5
        assert rows[target, "int8"]["size_ratio"] < rows[target, "fp32"]["size_ratio"]
    bundle = Bundle.load(demo.bundle)
    calibration, test = bundle.manifest.calibration, bundle.manifest.test_data
    assert calibration and test
    assert (calibration.split, test.split) == ("train", "test")
    assert bundle.manifest.model.trained
    assert all(artifact.benchmark for artifact in bundle.manifest.artifacts)
    assert "passed" in (demo.bundle / "report.md").read_text()


def test_a_bundle_elsewhere_verifies_and_nothing_in_it_changes(demo, mobilekit) -> None:
    import shutil

    copy = Path(shutil.copytree(demo.bundle, mobilekit.folder / "copied"))
    before = (copy / "bundle.json").read_bytes()
    verified = mobilekit("verify", "copied", "--json")
    assert verified.code == 0, verified.err
    check_only_our_lines(verified.err)
    assert verified.json["test_data"]["indices_sha256"] == demo.ended.json["test_data"]["indices_sha256"]
    for now, then in zip(verified.json["results"], demo.ended.json["results"], strict=True):
        assert now["row"]["top1_percent"] == then["row"]["top1_percent"]
        assert now["benchmark"] is None
    assert (copy / "bundle.json").read_bytes() == before


def test_an_artifact_that_is_not_the_model_fails_with_exit_code_1(demo, mobilekit) -> None:
    """Its hashes are right, and its answers are int8's: too far from eager for fp32."""
    import shutil

    copy = Path(shutil.copytree(demo.bundle, mobilekit.folder / "copied"))
    manifest = json.loads((copy / "bundle.json").read_text())
    by_scheme = {one["scheme"]: one for one in manifest["artifacts"] if one["target"] == "onnx"}
    shutil.copyfile(copy / by_scheme["int8"]["file"], copy / by_scheme["fp32"]["file"])
    by_scheme["fp32"].update({key: by_scheme["int8"][key] for key in ("bytes", "sha256")})
    (copy / "bundle.json").write_text(json.dumps(manifest))
    ended = mobilekit("verify", "copied", "--json")
    assert ended.code == 1
    assert "error: verification failed: onnx fp32: sqnr_db" in ended.err
    outcomes = {(one["row"]["target"], one["row"]["precision"]): one["row"]["outcome"] for one in ended.json["results"]}
    assert outcomes["onnx", "fp32"] == "failed"
    assert outcomes["onnx", "int8"] == "passed"


def test_bench_says_what_it_measured_and_what_it_did_not(demo, mobilekit) -> None:
    benched = mobilekit("bench", str(demo.bundle), "--runs", "20", "--seconds", "0", "--threads", "1")
    assert benched.code == 0, benched.err
    assert "only speed and memory were measured now" in benched.out
    assert "median of 20 runs at batch 1, 1 thread(s)" in benched.out
    table, _, verdicts = benched.out.partition("\n\nxnnpack fp32: ")
    assert all(len(line) <= 110 for line in table.splitlines())
    assert "onnx int8: " in verdicts


TWO_INPUTS = """
    import torch
    from torch import nn

    print("the user's own print, at import")

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            self.head = nn.Linear(12, 5)

        def forward(self, image, meta):
            return self.head(torch.cat([self.body(image), meta], 1))

    def build():
        print("the user's own print, in build()")
        return Net()
"""


def test_two_inputs_and_a_dynamic_batch(mobilekit, net: Callable) -> None:
    net(TWO_INPUTS)
    inputs = ("-i", "image:batch=1..8,3,96,96", "-i", "meta:batch,4")
    ended = mobilekit(
        "export",
        "net.py:build",
        *inputs,
        "-t",
        "xnnpack",
        "-t",
        "onnx",
        "-q",
        "fp32",
        "--no-bench",
        "-o",
        "out",
        "--json",
    )
    assert ended.code == 0, ended.err
    assert [one["row"]["outcome"] for one in ended.json["results"]] == ["reference", "passed", "passed"]
    assert "the user's own print" in ended.err
    assert any("random input" in warning for warning in ended.json["warnings"])
    bundle = Bundle.load(mobilekit.folder / "out")
    eager, *others = bundle.manifest.artifacts
    rng = np.random.default_rng(0)
    batches = [
        (rng.standard_normal((size, 3, 96, 96), np.float32), rng.standard_normal((size, 4), np.float32))
        for size in (1, 5, 8)
    ]
    with Worker("eager", bundle.path / eager.file, threads=1) as worker:
        expected = worker.run(batches)
    for artifact, runner in zip(others, ("pte", "onnx"), strict=True):
        with Worker(runner, bundle.path / artifact.file, threads=1) as worker:
            for (given,), (wanted,) in zip(worker.run(batches), expected, strict=True):
                np.testing.assert_allclose(given, wanted, rtol=1e-4, atol=1e-5)


def test_torchvision_without_data_says_loudly_that_the_scales_mean_nothing(mobilekit) -> None:
    args = ("-t", "xnnpack", "-t", "onnx", "-t", "coreml", "-q", "int8", "--no-bench", "-o", "out")
    ended = mobilekit("export", "torchvision:mobilenet_v3_small", *args, timeout=280)
    assert ended.code == 0, ended.err
    check_only_our_lines(ended.err)
    assert "RANDOM INPUT" in ended.err
    loud = "The int8 scales were calibrated on RANDOM INPUT: they mean nothing for accuracy"
    assert loud in " ".join(ended.out.split())
    assert "executed, not judged: random weights" in ended.out
    assert "passed" not in ended.out
    bundle = Bundle.load(mobilekit.folder / "out")
    calibration = bundle.manifest.calibration
    assert calibration and calibration.generated
    assert loud in (bundle.path / "report.md").read_text()
    assert any(loud in warning for warning in json.loads((bundle.path / "report.json").read_text())["warnings"])


def test_own_photos_one_of_them_corrupt_and_later_gone(mobilekit, refused: Callable, pictures: Path) -> None:
    (pictures / "red" / "03.png").write_bytes((pictures / "red" / "03.png").read_bytes()[:60])
    args = ("export", "model", "-t", "onnx", "-q", "int8", "--no-bench", "--data", "imagefolder:photos", "-o", "out")
    refused(2, *args, says=("red/03.png", "--corrupt skip leaves such samples out"))
    ended = mobilekit(*args, "--corrupt", "skip")
    assert ended.code == 0, ended.err
    assert "left out 1 of" in ended.err
    assert "red/03.png" in ended.err
    manifest = Bundle.load(mobilekit.folder / "out").manifest
    assert manifest.calibration and not manifest.calibration.generated
    assert manifest.test_data
    assert manifest.test_data.skipped == ("red/03.png",) or "red/03.png" in manifest.warnings[0]
    assert "red/03.png" in (mobilekit.folder / "out" / "report.md").read_text()
    pictures.rename(mobilekit.folder / "elsewhere")
    verified = mobilekit("verify", "out", "--json")
    assert verified.code == 0, verified.err
    assert "golden samples are used instead" in verified.err
    assert verified.json["test_data"]["source"] == "golden"
    again = mobilekit("verify", "out", "--data", "imagefolder:elsewhere", "--corrupt", "skip")
    assert again.code == 0, again.err
    assert "imagefolder:elsewhere test samples" in " ".join(again.out.split())


def test_the_python_api_and_the_command_make_the_same_artifacts(mobilekit, net: Callable, monkeypatch) -> None:
    import torch
    from torch import nn

    import mobilekit as package

    net("""
        from torch import nn

        def build():
            return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 5))
    """)
    args = ("export", "net.py:build", "-i", "input:1,3,8,8", "-q", "fp32", "--no-bench", "-o", "by_command")
    assert mobilekit(*args).code == 0
    by_command = Bundle.load(mobilekit.folder / "by_command")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 5))
    module.train()
    monkeypatch.chdir(mobilekit.folder)
    by_api = package.export(module, torch.zeros(1, 3, 8, 8), name="net", output="by_api", bench=False)
    assert module.training
    made = {one.file: one for one in by_api.manifest.artifacts}
    for artifact in by_command.manifest.artifacts:
        twin = made[artifact.file]
        if artifact.target in ("xnnpack", "onnx"):
            assert twin.sha256 == artifact.sha256, artifact.file
        if artifact.target == "coreml":
            weights = "Data/com.apple.CoreML/weights/weight.bin"
            ours, theirs = (one.path / artifact.file / weights for one in (by_api, by_command))
            assert ours.read_bytes() == theirs.read_bytes()
        assert twin.verification and artifact.verification
        assert twin.verification.metrics == artifact.verification.metrics
    golden = zip(by_api.manifest.golden, by_command.manifest.golden, strict=True)
    assert all(ours.outputs == theirs.outputs for ours, theirs in golden)


@pytest.mark.parametrize(
    ("body", "shape", "says"),
    [
        (
            "return x if x.sum() > 0 else -x",
            "1,4",
            ("torch.export refuses Net", "net.py:", "in forward: return x if", "torch.where"),
        ),
        ("return self.layer(x)", "1,5", ("does not accept its inputs (input float32 [1, 5])", "net.py:", "--input")),
        ("return self.layer(x)", "1,4", ("not finite (NaN or infinity) in: layer.weight", "earlier checkpoint")),
    ],
    ids=["refused by torch.export", "a shape that does not fit", "NaN weights"],
)
def test_a_model_that_cannot_be_exported(refused: Callable, mobilekit, net: Callable, body, shape, says) -> None:
    poison = "net.layer.weight.data[0, 0] = float('nan')" if "NaN" in says[0] else "pass"
    net(f"""
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = nn.Linear(4, 3)

            def forward(self, x):
                {body}

        def build():
            net = Net()
            {poison}
            return net
    """)
    refused(4, "export", "net.py:build", "-i", shape, "-t", "onnx", "-q", "fp32", "-o", "out", says=says)
    assert not (mobilekit.folder / "out").exists()


def test_a_batch_that_is_fixed_at_four(mobilekit, net: Callable, refused: Callable) -> None:
    """Without data any shape can be exported; with data, which comes sample by sample, it is refused in words."""
    net()
    args = ("export", "net.py:build", "-i", "4,4", "-t", "onnx", "-q", "fp32", "--no-bench")
    ended = mobilekit(*args, "-o", "out")
    assert ended.code == 0, ended.err
    np.savez(mobilekit.folder / "data.npz", x=np.zeros((9, 4), np.float32))
    refused(2, *args, "--data", "npz:data.npz", "-o", "no", says=("declare the batch as 1",))
