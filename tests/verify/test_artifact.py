"""Artifacts are judged by what they answer in their own runtime; what does not run gets a reason and no figures."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import pytest

from mobilekit.errors import RunnerError, UnknownName
from mobilekit.verify import verify_artifact

WEIGHT = np.array([[1.0, -1.0, 0.5], [0.25, 2.0, -0.75]], np.float32)


def test_a_good_one(classifier, samples) -> None:
    reference = [(x @ WEIGHT,) for (x,) in samples]
    labels = [int(row.argmax()) for (row,) in reference]
    found, outputs = verify_artifact(classifier(), samples, reference, scheme="fp32", labels=labels)
    assert found.executed
    assert found.passed is True
    assert found.runner == "onnx"
    assert found.metrics is not None
    assert (found.metrics.samples, found.metrics.top1, found.metrics.agreement) == (40, 1.0, 1.0)
    np.testing.assert_allclose(outputs[3][0], reference[3][0], rtol=1e-6)


def test_a_wrong_one(classifier, samples) -> None:
    reference = [(x @ WEIGHT,) for (x,) in samples]
    found, _ = verify_artifact(classifier(-WEIGHT), samples, reference, scheme="int8")
    assert found.executed
    assert found.passed is False


@pytest.mark.skipif(platform.system() == "Darwin", reason="Core ML runs here")
def test_what_cannot_run_here(tmp_path: Path, samples) -> None:
    found, outputs = verify_artifact(tmp_path / "m.mlpackage", samples, [], scheme="fp16")
    assert (found.executed, found.passed, found.metrics, found.checks, outputs) == (False, None, None, (), [])
    assert found.reason == "Core ML runs on macOS only"


def test_errors(classifier, samples, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"\xff" * 50)
    with pytest.raises(RunnerError, match=r"bad\.onnx: onnxruntime refused to load it"):
        verify_artifact(tmp_path / "bad.onnx", samples, [], scheme="fp32")
    with pytest.raises(UnknownName):
        verify_artifact(classifier(), samples, [], scheme="fp32", runner="ort")
