"""Environments: a virtual environment for each peer, from a pinned list in requirements/, kept in mobilekit's cache.

An environment counts as there once it is complete, and for as long as its list has not changed. A list is renewed by
`uv pip compile --no-header --no-annotate --no-emit-index-url --python-version 3.11` from the peer's own packages: for
litert litert-torch, ai-edge-quantizer and ai-edge-litert; for openvino openvino and nncf. The list of ncnn is made
by hand: pnnx asks for torch, but the program that it holds does without.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from contenders import HERE, PROJECT

from mobilekit.runners.build import cache_root

LISTS = HERE / "requirements"
_MARK = "complete"


def names() -> list[str]:
    return sorted(path.stem for path in LISTS.glob("*.txt"))


def folder_of(name: str) -> Path:
    return cache_root() / "peers" / name


def python_of(name: str) -> Path | None:
    """The interpreter of an environment; None when it is not set up, or by an older list."""
    if name == PROJECT:
        return Path(sys.executable)
    mark = folder_of(name) / _MARK
    current = mark.is_file() and mark.read_text() == _digest(name)
    return _interpreter(folder_of(name)) if current else None


def set_up(name: str) -> None:
    """Make the environment `name`, with uv where it is installed, else with venv and pip. Leaves no half of one."""
    folder = folder_of(name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        for command in _commands(folder, LISTS / f"{name}.txt"):
            subprocess.run(command, check=True)
        (folder / _MARK).write_text(_digest(name))
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"{name} was not set up: the command above failed (exit code {error.returncode})") from None
    finally:
        if not (folder / _MARK).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _commands(folder: Path, pins: Path) -> list[list[str]]:
    """The lists are complete, so that nothing is resolved anew. Bytecode is made now, or the first run would."""
    python = str(_interpreter(folder))
    uv = [sys.executable, "-m", "uv"] if find_spec("uv") else [found] if (found := shutil.which("uv")) else None
    if uv:
        return [
            [*uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
            [*uv, "pip", "install", "--python", python, "--no-deps", "--compile-bytecode", "-r", str(pins)],
        ]
    return [
        [sys.executable, "-m", "venv", str(folder)],
        [python, "-m", "pip", "install", "--no-deps", "-r", str(pins)],
    ]


def _interpreter(folder: Path) -> Path:
    return folder / "bin" / "python"


def _digest(name: str) -> str:
    return hashlib.sha256((LISTS / f"{name}.txt").read_bytes()).hexdigest()
