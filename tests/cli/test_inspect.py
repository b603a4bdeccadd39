"""`mobilekit inspect`: tables, JSON, the picture, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mobilekit.inspection import Inspection

ARTIFACTS = Path(__file__).parents[1] / "golden" / "artifacts"


def test_a_pte_is_explained(mobilekit: Any) -> None:
    ended = mobilekit("inspect", str(ARTIFACTS / "tiny.pte"))
    assert ended.code == 0, ended.err
    for said in (
        "Bytes of weights by operator",
        "Largest weights",
        "delegate 1: FullyConnected 0 filter",
        "Outside delegates: why, and what cures it",
        "1 x aten::mean.out",
        "https://github.com/pytorch/executorch/pull/19206",
    ):
        assert said in ended.out, said


@pytest.mark.parametrize("kind", ["pte", "onnx", "mlpackage", "pt2"])
def test_json_is_whole(mobilekit: Any, kind: str) -> None:
    ended = mobilekit("inspect", str(ARTIFACTS / f"tiny.{kind}"), "--json")
    assert ended.code == 0
    found = Inspection.model_validate_json(ended.out)
    assert found.kind == kind and len(found.weights) >= 2


@pytest.mark.slow
def test_measured_and_drawn(mobilekit: Any) -> None:
    ended = mobilekit(
        "inspect", str(ARTIFACTS / "tiny.pte"), "--measure", "--threads", "1", "--picture", "sub/tiny.svg", "--json"
    )
    assert ended.code == 0, ended.err
    found = Inspection.model_validate_json(ended.out)
    assert found.profile is not None and found.profile.n > 0
    assert "of the time" in (mobilekit.folder / "sub" / "tiny.svg").read_text()


@pytest.mark.slow
def test_measured_in_cpp(native: str, mobilekit: Any) -> None:
    asked = ("--measure", "--runner", native, "--threads", "1", "--json")
    ended = mobilekit("inspect", str(ARTIFACTS / "tiny.pte"), *asked)
    assert ended.code == 0, ended.err
    found = Inspection.model_validate_json(ended.out)
    assert found.profile is not None and len(found.profile.steps) == 4


def test_a_picture_replaces_only_our_own(mobilekit: Any, refused: Callable[..., Any]) -> None:
    picture = mobilekit.folder / "picture.svg"
    path = str(ARTIFACTS / "tiny.pte")
    assert mobilekit("inspect", path, "--picture", "picture.svg").code == 0
    assert mobilekit("inspect", path, "--picture", "picture.svg").code == 0, "it is our own"
    picture.write_text("<svg>somebody else's</svg>")
    refused(2, "inspect", path, "--picture", "picture.svg", says=("did not write it", "--force"))
    assert picture.read_text() == "<svg>somebody else's</svg>"
    assert mobilekit("inspect", path, "--picture", "picture.svg", "--force").code == 0
    assert "made by mobilekit" in picture.read_text()


def test_what_does_not_go_together(refused: Callable[..., Any]) -> None:
    refused(2, "inspect", str(ARTIFACTS / "tiny.onnx"), "--measure", says=("only a .pte can be measured",))
    refused(2, "inspect", str(ARTIFACTS / "tiny.onnx"), "--picture", "x.svg", says=("only a .pte is divided",))
    refused(2, "inspect", str(ARTIFACTS / "tiny.pte"), "--threads", "2", says=("--threads is for --measure",))
    path = str(ARTIFACTS / "tiny.pte")
    refused(2, "inspect", path, "--runner", "native", says=("--runner is for --measure",))
    refused(2, "inspect", path, "--measure", "--runner", "onnx", says=("does not measure operator by operator",))
    needs = {"PATH": "/nowhere"}
    refused(5, "inspect", path, "--measure", "--runner", "native", env=needs, says=("needs CMake", "apt"))
