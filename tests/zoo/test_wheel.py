"""The zoo reaches those who install the wheel: recipes, code, sizes, weights and cards."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mobilekit.model.zoo import zoo_folder, zoo_names

ROOT = Path(__file__).resolve().parents[2]
KINDS = {".toml", ".py", ".json", ".safetensors"}


@pytest.mark.slow
def test_the_wheel_carries_the_zoo(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name: archive.read(name) for name in archive.namelist() if name.startswith("mobilekit/zoo/")}
    files = [path for path in zoo_folder().rglob("*") if path.is_file() and path.suffix in KINDS]
    assert shipped == {
        f"mobilekit/zoo/{path.relative_to(zoo_folder()).as_posix()}": path.read_bytes() for path in files
    }
    assert {f"mobilekit/zoo/{name}/recipe.toml" for name in zoo_names()} <= set(shipped)
