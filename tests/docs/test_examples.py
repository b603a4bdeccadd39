"""The Python in docs/ runs as it stands there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mobilekit.data import open_dataset


def python(folder: Path, code: str) -> str:
    """Run `code` in a process of its own in `folder`; its standard output."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_python_api_page_runs_from_top_to_bottom(pages: dict[str, Any], tmp_path: Path) -> None:
    blocks = pages["docs/python-api.md"].blocks("python")
    output = python(tmp_path, "\n".join(block.code for block in blocks))
    assert "unknown target 'xnpack', did you mean 'xnnpack'?" in output
    assert "(1, 1, 8, 8) float32" in output
    assert output.count(" True ") == 4  # four artifacts passed


def test_the_data_pages_examples_are_data(
    pages: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays, function = pages["docs/data.md"].blocks("python")
    assert function.file == "mydata.py"
    (tmp_path / function.file).write_text(function.code, encoding="utf-8")
    python(tmp_path, arrays.code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    npz = open_dataset("npz:data.npz")
    assert (npz.kind, len(npz.split("train")) + len(npz.split("test"))) == ("tensor", 40)
    waves = open_dataset("mydata:waves")
    assert (waves.kind, len(waves.split("train")), len(waves.split("test"))) == ("tensor", 200, 100)
    assert waves.split("test")[1].tensors[0].shape == (1, 32)


@pytest.mark.slow
def test_the_models_pages_module_takes_the_input_it_says(pages: dict[str, Any], tmp_path: Path) -> None:
    model, saving = pages["docs/models.md"].blocks("python")
    assert model.file == "model.py"
    code = f"{model.code}\nimport torch\nmodel = build(classes=3)\nprint(tuple(model(torch.zeros(2, 1, 8, 8)).shape))\n"
    assert python(tmp_path, code + saving.code).strip() == "(2, 3)"
    assert (tmp_path / "model.safetensors").is_file()
