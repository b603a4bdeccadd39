"""--help teaches, fits 80 columns, and answers at once."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest

COMMANDS = (
    "demo",
    "train",
    "export",
    "verify",
    "bench",
    "gate",
    "tune",
    "inspect",
    "report",
    "embed",
    "publish",
    "doctor",
    "cache",
    "list",
)


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_fits_the_screen_and_keeps_its_examples_on_their_lines(mobilekit, command: tuple[str, ...]) -> None:
    ended = mobilekit(*command, "--help")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    too_long = [line for line in lines if len(line) > 80 and not line.startswith("    mobilekit ")]
    assert too_long == []
    examples = [line.strip() for line in lines if line.startswith("    mobilekit ")]
    assert examples or command[:1] in (("demo",), ("doctor",))
    assert all(shlex.split(example.rstrip("\\"))[1] in COMMANDS for example in examples)


def test_help_names_every_command_and_the_exit_codes(mobilekit) -> None:
    shown = mobilekit("--help").out
    assert re.findall(r"^  (\w+)  ", shown.partition("Commands:")[2], re.MULTILINE)[: len(COMMANDS)] == list(COMMANDS)
    assert "docs/exit-codes.md" in shown
    assert "..." not in shown.partition("Commands:")[2]


@pytest.mark.parametrize("args", [["--help"], ["export", "--help"], ["list", "models"], ["inspect", "missing.pte"]])
def test_it_answers_without_importing_torch(mobilekit, args: list[str]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "mobilekit", *args]
    done = subprocess.run(command, cwd=mobilekit.folder, capture_output=True, text=True, timeout=60, check=False)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time")}
    assert "mobilekit.cli.app" in imported
    assert imported & {"torch", "executorch", "onnxruntime", "onnx", "coremltools", "torchvision", "sklearn"} == set()


def test_help_answers_at_once(mobilekit) -> None:
    assert min(mobilekit("-h").seconds for _ in range(2)) < 2  # the first may still be compiled


def test_version(mobilekit) -> None:
    import mobilekit as package

    assert mobilekit("--version").out == f"mobilekit {package.__version__}\n"
