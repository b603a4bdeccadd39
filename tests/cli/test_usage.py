"""What is asked for wrongly is told in one message, at once, and nothing is written."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ONNX = ("-t", "onnx", "-q", "fp32")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("export", "digit_cnn"), ("unknown model 'digit_cnn', did you mean 'digits_cnn'?", "lenet, mlp")),
        (("train", "lenett"), ("unknown model 'lenett', did you mean 'lenet'?",)),
        (("export", "digits_cnn", "-t", "xnpack"), ("unknown target 'xnpack', did you mean 'xnnpack'?", "coreml")),
        (("export", "digits_cnn", "-q", "int9"), ("unknown scheme 'int9', did you mean 'int8'?", "fp16")),
        (("export", "digits_cnn", "-t", "onnx", "-q", "palettize-4"), ("nearest is int4-weight-only", "list schemes")),
        (("export", "digits_cnn", "--data", "digitz"), ("unknown data set 'digitz', did you mean 'digits'?",)),
        (("export", "digits_cnn", "--data", "imagefolder:nowhere"), ("nowhere does not exist", "hint:")),
        (("export", "net.py:build", "-i", "1,4"), ("no such file: net.py",)),
        (("export", "digits_cnn", "-i", "x:batch,4"), ("dimension 'batch' has no bounds yet", "batch=1..8")),
        (("export", "digits_cnn", "-w", "missing.pt"), ("missing.pt",)),
        (("list", "colours"), ("'colours' is not one of 'models', 'targets'",)),
        (("export",), ("Missing argument 'MODEL'",)),
        (("export", "digits_cnn", "--threads", "0"), ("--threads", "1")),
        (("frobnicate",), ("No such command 'frobnicate'",)),
        (("verify", "x", "--seed", "3"), ("--data, which was not given",)),
        (("verify", "x", "--cpu", "max"), ("--runner arm64 emulates, which was not asked for",)),
    ],
)
def test_a_wrong_name_or_option(refused: Callable, mobilekit, args: tuple, says: tuple) -> None:
    code = 4 if "-w" in args else 2
    ended = refused(code, *args, "--json", says=says)
    assert ended.seconds < 15
    assert list(mobilekit.folder.iterdir()) == []


def test_all_mistakes_of_a_recipe_are_told_together(refused: Callable, mobilekit) -> None:
    folder = mobilekit.folder / "mine"
    folder.mkdir()
    (folder / "model.py").write_text("def build(): ...")
    (folder / "recipe.toml").write_text(
        'name = "mine"\n[[inputs]]\nname = "x"\ndtype = "float31"\nshape = [1, 4]\n'
        '[train]\nepochs = 0\noptimiser = "sgd"\n'
    )
    says = (
        "mine/recipe.toml: 3 problems",
        "inputs[0].dtype: must be 'float32'",
        'given: "float31"',
        "train.epochs: must be 1 or more (given: 0)",
        "train.optimiser: no such field, did you mean optimizer?",
    )
    refused(2, "export", "mine", says=says)


def test_an_output_that_exists_is_left_alone(refused: Callable, mobilekit) -> None:
    there = mobilekit.folder / "out"
    there.mkdir()
    (there / "mine.txt").write_text("mine")
    refused(2, "export", "digits_cnn", *ONNX, "-o", "out", says=("out exists already; nothing was written", "--force"))
    assert [path.name for path in there.iterdir()] == ["mine.txt"]
    refused(2, "train", "digits_cnn", "-o", "out", says=("out exists already", "--force"))
    refused(2, "train", "digits_cnn", "-o", "out", "--force", says=("out is not a run",))
    refused(2, "demo", "-o", "out", says=("out holds something else than a demo",))
    assert (there / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("place", ["file/out", "file/deep/out", "/proc/nowhere/out"])
def test_an_output_that_cannot_be_written(refused: Callable, mobilekit, place: str) -> None:
    if place.startswith("/proc") and sys.platform != "linux":
        pytest.skip("/proc is Linux's")
    (mobilekit.folder / "file").write_text("a file in the way")
    refused(5, "export", "digits_cnn", *ONNX, "-o", place, says=("hint: choose another place with -o",))
    assert [path.name for path in mobilekit.folder.iterdir()] == ["file"]


def test_parents_that_were_made_for_an_output_go_with_it(refused: Callable, mobilekit) -> None:
    refused(2, "export", "digits_cnn", "--data", "imagefolder:nowhere", "-o", "a/b/out", says=("nowhere",))
    assert list(mobilekit.folder.iterdir()) == []


@pytest.mark.parametrize("command", ["verify", "bench", "inspect"])
def test_a_damaged_bundle(refused: Callable, bundle: Path, command: str) -> None:
    pte = bundle / "tiny.xnnpack.int8.pte"
    content = pte.read_bytes()
    pte.write_bytes(content[: len(content) // 2])
    says = ("1 file does not match bundle.json", "tiny.xnnpack.int8.pte: has", "export it again")
    refused(6, command, "bundle", "--json", says=says)
    if command == "verify":
        pte.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        refused(6, command, "bundle", says=("tiny.xnnpack.int8.pte", "1 file does not match"))


@pytest.mark.parametrize("command", ["verify", "inspect"])
def test_a_folder_that_is_no_bundle(refused: Callable, bundle: Path, command: str) -> None:
    manifest = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps({**manifest, "schema_version": 99}))
    refused(6, command, "bundle", says=("99",))
    (bundle / "bundle.json").write_text('{"schema_version": 1,')
    refused(6, command, "bundle", says=("bundle.json",))
    (bundle / "bundle.json").unlink()
    refused(6, command, "bundle", says=("bundle.json",))
    refused(2 if command == "inspect" else 6, command, "elsewhere", says=("elsewhere: no such",))


def test_inspecting_a_truncated_program(refused: Callable, mobilekit) -> None:
    whole = (Path(__file__).parents[1] / "golden" / "artifacts" / "tiny.pte").read_bytes()
    (mobilekit.folder / "cut.pte").write_bytes(whole[: len(whole) // 2])
    refused(6, "inspect", "cut.pte", says=("cut.pte: not a whole ExecuTorch program",))


@pytest.mark.parametrize("images", [0, 1])
def test_a_folder_without_enough_images(refused: Callable, mobilekit, pictures: Path, images: int) -> None:
    few = mobilekit.folder / "few"
    few.mkdir()
    for path in sorted(pictures.rglob("*.png"))[:images]:
        (few / path.name).write_bytes(path.read_bytes())
    says = ("1 image found in few, at least 3 needed",) if images else ("no image in few",)
    refused(2, "export", "model", "-q", "int8", "--data", "imagefolder:few", "-o", "out", says=says)
    assert not (mobilekit.folder / "out").exists()
