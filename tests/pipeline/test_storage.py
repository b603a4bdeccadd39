"""A full disk is told from a fault of the model."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from mobilekit.errors import LowerError, StorageError
from mobilekit.pipeline.storage import storing


def test_a_refusal_of_the_system_is_found_behind_a_librarys_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no space left on the disk"), storing(tmp_path / "model.onnx"):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise LowerError("onnx: the converter failed") from error


def test_other_faults_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(LowerError, match="it cannot"), storing(tmp_path / "model.onnx"):
        raise LowerError("it cannot")
    with pytest.raises(LowerError), storing(tmp_path / "model.onnx"):
        try:
            raise FileNotFoundError(errno.ENOENT, "No such file", "something of the library's")
        except OSError as error:
            raise LowerError("it cannot") from error
    with pytest.raises(StorageError, match="as it was"), storing(tmp_path / "model.onnx"):
        raise StorageError("as it was")


def test_a_writer_in_c_that_says_nothing_of_the_cause(tmp_path: Path) -> None:
    """The file size limit, of a process of its own; a full disk is a matter of tests/cli/test_disk.py."""
    code = """
import sys
from pathlib import Path
from mobilekit.errors import StorageError
from mobilekit.pipeline.storage import storing
path = Path(sys.argv[1])
try:
    with storing(path):
        try:
            path.write_bytes(bytes(20_000))
        except OSError:
            pass
        raise RuntimeError("writing failed")
except StorageError as error:
    print(error.message.rpartition(": ")[2])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "model.pt2")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)),
    )
    assert done.stdout == "the file size limit was reached\n"
