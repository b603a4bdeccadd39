"""A runner that was asked for is ready before the long work starts, or refused with what it lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobilekit.bundle.manifest import Artifact
from mobilekit.errors import MissingDependency, UnknownName, UsageError
from mobilekit.pipeline.running import make_ready
from mobilekit.runners import runner_for
from mobilekit.runners.arm64 import on_arm
from mobilekit.runners.registry import runner


@pytest.fixture
def pte(made) -> Artifact:
    """As it stands in a manifest; nothing here reads the file."""
    return made.onnx.model_copy(update={"file": "net.xnnpack.fp32.pte", "target": "xnnpack"})


def test_none_asked_for_is_nothing_to_do(pte: Artifact) -> None:
    assert make_ready(None, [pte]) is None


def test_wrong_names_and_files_are_refused(made, pte: Artifact) -> None:
    with pytest.raises(UnknownName, match="did you mean 'native'"):
        make_ready("nativ", [pte])
    with pytest.raises(UsageError, match=r"takes \.pte files, and the bundle has none"):
        make_ready("native", [made.eager, made.onnx])


def test_what_is_missing_is_told_before_anything_runs(pte: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(MissingDependency, match="native cannot run here: it needs CMake"):
        make_ready("native", [pte])


@pytest.mark.skipif(on_arm(), reason="this machine is Arm itself")
def test_an_emulated_runner_is_not_timed(arm64: str, pte: Artifact) -> None:
    with pytest.raises(UsageError, match="seconds say nothing") as caught:
        make_ready("arm64", [pte], timed=True)
    assert "--instructions" in (caught.value.hint or "")
    assert make_ready("arm64", [pte]) == "arm64:cortex-a76", "what was emulated is part of the name"
    assert make_ready("arm64:max", [pte]) == "arm64:max"


def test_a_runner_runs_what_it_takes_and_leaves_the_rest() -> None:
    assert runner_for(Path("a.pte"), "native") is runner("native")
    assert runner_for(Path("a.onnx"), "native") is runner("onnx")
    assert runner_for(Path("a.pte")) is runner("pte")
