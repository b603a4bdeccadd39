"""What is missing is named with the command that brings it; a build is made once, and a failed one leaves nothing."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import pytest

from mobilekit.errors import DownloadError, MissingDependency, SetupError, StorageError
from mobilekit.progress import SILENT
from mobilekit.runners import build, runner
from mobilekit.runners.base import OwnProgram
from mobilekit.runners.wheel import aarch64_executorch


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOBILEKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(("name", "says"), [("native", "apt install cmake g++"), ("arm64", "CMake (cmake)")])
def test_without_tools_it_says_what_to_install(name: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    chosen = runner(name)
    assert isinstance(chosen, OwnProgram)
    assert says in (chosen.unavailable() or "")
    with pytest.raises(MissingDependency, match="cannot be built: it needs CMake"):
        chosen.build(SILENT)


def test_without_executorch_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "executorch_folder", lambda: None)
    assert "pip install executorch" in (runner("native").unavailable() or "")


def test_two_at_once_leave_one(cache: Path) -> None:
    made = []

    def slow(folder: Path) -> None:
        time.sleep(0.2)
        (folder / "program").write_text("made")
        made.append(folder)

    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(build.cached("thing", ["1"], [], slow, SILENT, "")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert (found[0] / "program").read_text() == "made"
    assert list(cache.iterdir()) == [found[0]]
    assert build.cached("thing", ["1"], [], slow, SILENT, "") == found[0]
    assert len(made) <= 3, "what is there is not made again"
    assert build.cached("thing", ["2"], [], slow, SILENT, "") != found[0]


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MOBILEKIT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(StorageError) as caught:
        build.cached("thing", [], [], lambda folder: None, SILENT, "")
    assert "MOBILEKIT_CACHE" in (caught.value.hint or "")


def test_another_source_is_another_program(cache: Path, tmp_path: Path) -> None:
    source = tmp_path / "a.cpp"
    folders = set()
    for text in ("int a;", "int b;"):
        source.write_text(text)
        folders.add(build.cached("thing", [], [source], lambda folder: None, SILENT, ""))
    assert len(folders) == 2


@pytest.mark.skipif(shutil.which("cmake") is None, reason="CMake is not installed")
def test_a_compiler_that_fails_is_quoted(cache: Path, tmp_path: Path) -> None:
    broken = tmp_path / "c++"
    broken.write_text("#!/bin/sh\necho out of order >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(SetupError, match=r"(?s)cmake did not configure it.*out of order") as caught:
        build.runner_program("native", tmp_path, "1", str(broken), [], SILENT)
    assert "docs/runners.md" in (caught.value.hint or "")
    assert not cache.exists() or list(cache.iterdir()) == []


def test_a_package_in_the_cache_needs_no_network(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import zipfile

    cache.mkdir()
    with zipfile.ZipFile(cache / "executorch-9.9.9-cp311-cp311-manylinux_2_28_aarch64.whl", "w") as wheel:
        wheel.writestr("executorch/lib/libexecutorch.so", "library")
        wheel.writestr("executorch/include/a/b.h", "header")
        wheel.writestr("executorch/exir/more.py", "not wanted")
        wheel.writestr("executorch/lib/../../../escaped", "not here")
    folder = aarch64_executorch("9.9.9", SILENT)
    assert sorted(one.name for one in folder.rglob("*") if one.is_file()) == ["b.h", "libexecutorch.so"]
    assert not (tmp_path / "escaped").exists()

    monkeypatch.setattr("mobilekit.runners.wheel.sys.executable", "/nowhere/python")
    with pytest.raises(DownloadError, match=r"9\.9\.8 for Arm could not be fetched") as caught:
        aarch64_executorch("9.9.8", SILENT)
    assert "pip download" in (caught.value.hint or "")
    assert str(cache) in (caught.value.hint or "")
