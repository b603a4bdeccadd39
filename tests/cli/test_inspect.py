"""`mobilekit inspect`: tables, JSON, the picture, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mobilekit.inspection import Inspection
from mobilekit.inspection.summary import BundleDetails
from mobilekit.inspection.tables import listings

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
def test_a_bundle_is_measured_as_one_table(mobilekit: Any, runnable: Path) -> None:
    ended = mobilekit("inspect", "bundle", "--measure", "--threads", "1", "--json")
    assert ended.code == 0, ended.err
    found = Inspection.model_validate_json(ended.out)
    assert isinstance(found.details, BundleDetails)
    profiles = {one.target: one.profile for one in found.details.artifacts}
    assert [target for target, profile in profiles.items() if profile] == ["eager", "xnnpack", "onnx"]
    # The same work for all: the bundle's largest shape.
    assert {profile.sizes for profile in profiles.values() if profile} == {((8, 1, 8, 8),)}
    assert "only a .pte, .onnx or .pt2" in (found.details.artifacts[-1].not_measured or "")
    (table,) = listings(found)
    assert table.columns == ("kind", "eager fp32", "xnnpack fp32", "onnx int8")
    cells = {row[0]: row[1:] for row in table.rows}
    starred = {(kind, index) for kind, row in cells.items() for index, cell in enumerate(row) if "*" in cell}
    assert starred == {("pooling and reductions", 1)}
    assert cells["hand-over to delegates"][0].strip() == "-" == cells["between operators"][0].strip()
    assert all(float(cell) > 0 for cell in cells["whole inference"])
    assert [note.partition(":")[0] for note in table.notes if note.startswith(("*", "tiny"))] == [
        "* all or a part of it in kernels outside the delegates, which take",
        "tiny.coreml.fp16.mlpackage",
    ]


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
    refused(2, "inspect", str(ARTIFACTS / "tiny.mlpackage"), "--measure", says=("only a .pte, .onnx or .pt2 can be",))
    onnx = str(ARTIFACTS / "tiny.onnx")
    ended = refused(2, "inspect", onnx, "--measure", "--picture", "x.svg", says=("only a .pte is divided",))
    assert "tracer" not in ended.err, "refused before it runs"
    refused(2, "inspect", str(ARTIFACTS / "tiny.pte"), "--threads", "2", says=("--threads is for --measure",))
    path = str(ARTIFACTS / "tiny.pte")
    refused(2, "inspect", path, "--runner", "native", says=("--runner is for --measure",))
    refused(2, "inspect", path, "--measure", "--runner", "onnx", says=("does not measure operator by operator",))
    needs = {"PATH": "/nowhere"}
    refused(5, "inspect", path, "--measure", "--runner", "native", env=needs, says=("needs CMake", "apt"))
