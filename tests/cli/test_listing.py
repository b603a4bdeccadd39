"""list, doctor and inspect: plain text that can be cut up by awk, JSON on request."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ARTIFACTS = Path(__file__).parents[1] / "golden" / "artifacts"


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("models", "digits_cnn"),
        ("targets", "xnnpack"),
        ("schemes", "int8"),
        ("runners", "pte"),
        ("datasets", "imagefolder:PATH"),
    ],
)
def test_lists(mobilekit, what: str, name: str) -> None:
    shown, as_json = mobilekit("list", what), mobilekit("list", what, "--json")
    assert (shown.code, shown.err, as_json.err) == (0, "", "")
    column = next(iter(as_json.json[0]))
    names = [row[column] for row in as_json.json]
    assert name in names
    assert [line.split()[0] for line in shown.out.splitlines()[1:]] == names
    assert "\x1b" not in shown.out


def test_models_have_figures_for_programs_and_three_digits_for_people(mobilekit) -> None:
    shown, listed = mobilekit("list", "models").out, mobilekit("list", "models", "--json").json
    models = {row["model"]: row for row in listed}
    digits = models["digits_cnn"]
    assert (digits["parameters"], digits["macs"], digits["task"]) == (25_978, 601_600, "image-classification")
    assert digits["top1"] == digits["card"]["top1"] > 0.97 and digits["card"]["data"]["test_samples"] == 359
    alone = models["resnet18"]  # a card without weights
    assert alone["top1"] == alone["card"]["top1"] and alone["card"]["shipped"] is False
    line = next(line for line in shown.splitlines() if line.startswith("digits_cnn "))
    assert "image 1x8x8" in line and "26.0 k" in line and "602 k" in line and f"{digits['top1']:.1%} on digits" in line


def test_every_data_set_is_described(mobilekit) -> None:
    assert all("plug-in" not in row["summary"] for row in mobilekit("list", "datasets", "--json").json)


def test_doctor(mobilekit) -> None:
    shown, as_json = mobilekit("doctor", "--quick"), mobilekit("doctor", "--quick", "--json")
    assert shown.code == as_json.code
    statuses = {finding["status"] for finding in as_json.json}
    assert shown.code == (5 if statuses & {"missing", "broken"} else 0)
    assert "package torch " in shown.out


@pytest.mark.parametrize("name", ["tiny.pte", "tiny.onnx", "tiny.pt2", "tiny.mlpackage"])
def test_inspect(mobilekit, name: str) -> None:
    shown, as_json = mobilekit("inspect", str(ARTIFACTS / name)), mobilekit("inspect", str(ARTIFACTS / name), "--json")
    assert shown.code == as_json.code == 0
    assert shown.out.startswith("file ")
    assert as_json.json["details"]["kind"] == name.partition(".")[2]


def test_inspect_a_bundle(mobilekit, bundle: Path) -> None:
    shown = mobilekit("inspect", "bundle")
    assert "tiny.xnnpack.int8.pte" in shown.out
    assert mobilekit("inspect", "bundle", "--json").json["details"]["model"] == "tiny"


def test_a_reader_that_leaves_is_no_error(mobilekit) -> None:
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "mobilekit", "list", "datasets"], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    os.close(read)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
