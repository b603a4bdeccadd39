"""A model's file is imported under one name in every process: it gets into the program, by whose hash it is known."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CODE = "import sys; from mobilekit.model.usercode import load_function; print(load_function(sys.argv[1]).__module__)"


def test_the_name_of_a_files_module_is_the_same_in_every_process(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("def build():\n    return 1\n")
    names = {
        subprocess.run(
            [sys.executable, "-c", CODE, f"{tmp_path / 'net.py'}:build"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(names) == 1
