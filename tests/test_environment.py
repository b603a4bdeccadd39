"""What a figure's evidence says about the machine: gathered without importing what it describes."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import mobilekit
from mobilekit import environment


def git(folder: Path, *args: str) -> str:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *args]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_describe_gives_this_machine_and_these_versions() -> None:
    found = environment.describe()
    assert found.python == platform.python_version()
    assert found.mobilekit == mobilekit.__version__
    assert found.packages["torch"] == environment.version_of("torch")
    assert found.machine.architecture == platform.machine()
    assert found.machine.memory_bytes > 1 << 28
    assert found.machine.cores == environment.usable_cores() >= 1
    assert found.machine.processor


def test_describe_imports_nothing_heavy() -> None:
    code = "import sys; from mobilekit.environment import describe; describe(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"


def test_the_description_survives_json() -> None:
    found = environment.describe()
    assert environment.Environment.model_validate_json(found.model_dump_json(), strict=True) == found


def test_a_package_that_is_not_there_has_no_version() -> None:
    assert environment.version_of("a-package-that-nobody-made") is None


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_usable_cores_are_those_this_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert environment.usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_the_commit_is_that_of_the_folder_and_says_when_its_tree_differs(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.py").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert environment.source_commit(tmp_path / "model") == head
    (tmp_path / "elsewhere").write_text("does not count")
    assert environment.source_commit(tmp_path / "model") == head
    (tmp_path / "model" / "model.py").write_text("2")
    assert environment.source_commit(tmp_path / "model") == f"{head}+changes"


def test_no_commit_vouches_for_a_folder_that_is_not_tracked(tmp_path: Path) -> None:
    for command in (
        ["init", "-q"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"],
    ):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.py").write_text("1")
    assert environment.source_commit(tmp_path / "run") is None


def test_outside_a_repository_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert environment.source_commit(tmp_path) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.source_commit(tmp_path) is None
