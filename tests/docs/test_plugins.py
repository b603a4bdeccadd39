"""What CONTRIBUTING.md promises to other packages: a target, a runner and a data set through entry points."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

COMMAND = Path(sys.executable).with_name("mobilekit")
TARGET = """
from dataclasses import dataclass
from mobilekit.lower.onnx import Onnx

@dataclass(frozen=True)
class Chip(Onnx):
    name: str = "mychip"
    suffix: str = ".chip"

TARGET = Chip()
"""
RUNNER = """
from mobilekit.runners.onnx import OnnxRunner

class ChipRunner(OnnxRunner):
    name = "mychip"
    suffixes = (".chip",)

RUNNER = ChipRunner()
"""
STREET = """
import numpy as np
from mobilekit.data.arrays import TensorArrays
from mobilekit.data.base import TwoSplits

def open_street(request):
    x = np.random.default_rng(int(request.argument)).normal(size=(30, 4)).astype("float32")
    y = np.arange(30) % 3
    train = TensorArrays(request.name, "train", (x[:20],), y[:20])
    return TwoSplits(request.name, None, "tensor", train, TensorArrays(request.name, "test", (x[20:],), y[20:]))
"""


@pytest.mark.slow
def test_another_packages_target_runner_and_data_set_are_used(pages: dict[str, Any], tmp_path: Path) -> None:
    (block,) = [one for one in pages["CONTRIBUTING.md"].blocks("toml") if "entry-points" in one.code]
    groups = tomllib.loads(block.code)["project"]["entry-points"]
    package, metadata = tmp_path / "my_package", tmp_path / "my_package-1.dist-info"
    for folder in (package, metadata):
        folder.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1\n")
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in groups.items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    for name, code in (("__init__", ""), ("target", TARGET), ("runner", RUNNER), ("street", STREET)):
        (package / f"{name}.py").write_text(code)
    (tmp_path / "net.py").write_text("from torch import nn\n\ndef build():\n    return nn.Linear(4, 3)\n")
    words = "export net.py:build -i 1,4 -t mychip -q fp32 -q int8 --data street:5 --no-bench -o bundle"
    done = subprocess.run(
        [COMMAND, *words.split()],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [
        line.split()[:2] + line.split()[-1:] for line in done.stdout.splitlines() if line.startswith("mychip  ")
    ] == [
        ["mychip", "fp32", "passed"],
        ["mychip", "int8", "passed"],
    ]
    assert "street:5 test samples" in done.stdout
    assert (tmp_path / "bundle" / "net.mychip.int8.chip").is_file()
