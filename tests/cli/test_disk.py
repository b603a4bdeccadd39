"""A disk that fills up, wherever it does: exit 5, said in words, and nothing half-written stays."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
EXPORT = ("export", "digits_cnn", "-q", "fp32", "--no-bench")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A file system of so many KiB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root on Linux")
    place = tmp_path / "disk"
    place.mkdir()

    def make(kilobytes: int) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"a small disk cannot be mounted here: {done.stderr}")
        return place

    yield make
    subprocess.run(["umount", str(place)], capture_output=True, check=False)


def test_a_full_disk(refused: Callable, disk: Callable) -> None:
    """Core ML's package is written by C++, which says nothing of the cause."""
    place = disk(200)
    says = ("digits_cnn.coreml.fp32.mlpackage", "no space left on the disk", "hint: free some space")
    refused(5, *EXPORT, "-t", "coreml", "-o", str(place / "out"), says=says)
    assert list(place.iterdir()) == []


def test_a_full_place_for_temporary_files(mobilekit, disk: Callable) -> None:
    """Libraries' chatter may be lost there; data for a runtime may not."""
    mobilekit.temporary = disk(4)
    ended = mobilekit(*EXPORT, "-t", "onnx", "-o", "out")
    assert ended.code == 5, ended.err
    assert "no space left on the disk" in ended.err
    assert list(mobilekit.folder.iterdir()) == []


def test_the_file_size_limit(refused: Callable, mobilekit) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    says = ("digits_cnn.eager.fp32.pt2: the file size limit was reached", "ulimit -f")
    refused(5, *EXPORT, "-t", "onnx", "-o", "out", says=says, preexec=limit)
    assert list(mobilekit.folder.iterdir()) == []


def test_a_training_on_a_full_disk_keeps_what_it_has_and_goes_on_with_room(mobilekit, disk: Callable) -> None:
    place = disk(2000)
    run = place / "run"
    command = ("train", "digits_cnn", "--epochs", "6", "--device", "cpu", "-o", str(run))
    filler = place / "filler"
    process = mobilekit.start(*command)
    while not (run / "checkpoints").exists() or not list((run / "checkpoints").glob("epoch-*.safetensors")):
        assert process.poll() is None, process.communicate()
    with filler.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(b"x" * 4096)
    ended = mobilekit.end(process)
    assert ended.code == 5 and "no space left on the disk" in ended.err, ended.err
    filler.unlink()
    again = mobilekit(*command, "--resume")
    assert again.code == 0, again.err
    assert mobilekit("train", "digits_cnn", "--epochs", "6", "--device", "cpu", "-o", "whole").code == 0
    whole = mobilekit.folder / "whole"
    assert (run / "best.safetensors").read_bytes() == (whole / "best.safetensors").read_bytes()
