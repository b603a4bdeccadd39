"""Outputs appear whole or not at all: also when the writer is killed, the disk refuses, or two write at once."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mobilekit import files
from mobilekit.errors import OutputExists, StorageError
from mobilekit.files import staged_folder, storage_errors, sweep_files, sweep_stale, write_atomically

ROOT_USER = hasattr(os, "geteuid") and os.geteuid() == 0


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


@contextlib.contextmanager
def writer(output: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that stages `output`, writes a file into it, and then waits to be killed."""
    code = f"""
    import time
    from pathlib import Path
    from mobilekit.files import staged_folder
    with staged_folder(Path({str(output)!r})) as folder:
        (folder / "half").write_text("x")
        print("ready", flush=True)
        time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def test_the_hash_of_a_file_is_plain_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert files.sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    assert files.size(tmp_path / "a") == 3


def test_the_hash_of_a_folder_is_that_of_its_sorted_sha256sum_listing(tmp_path: Path) -> None:
    for name, content in (("b", b"2"), ("sub/a", b"1"), ("a-b", b"3")):
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    lines = [f"{hashlib.sha256(c).hexdigest()}  {n}\n" for n, c in (("a-b", b"3"), ("b", b"2"), ("sub/a", b"1"))]
    assert files.sha256(tmp_path / "folder") == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert files.size(tmp_path / "folder") == 3


def test_a_staged_folder_appears_when_the_block_ends(tmp_path: Path) -> None:
    output = tmp_path / "sub" / "out"
    with staged_folder(output) as folder:
        (folder / "file").write_text("x")
        assert not output.exists()
    assert [path.name for path in output.iterdir()] == ["file"]
    assert hidden(output.parent) == []


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failed_block_leaves_nothing(tmp_path: Path, failure: type[BaseException]) -> None:
    with pytest.raises(failure), staged_folder(tmp_path / "out") as folder:
        (folder / "file").write_text("x")
        raise failure
    assert list(tmp_path.iterdir()) == []


def test_an_existing_output_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("old")
    with pytest.raises(OutputExists, match="nothing was written"), staged_folder(tmp_path / "out"):
        pytest.fail("the block must not run")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["old"]


def test_force_replaces_the_old_folder_only_at_the_end(tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "old").write_text("old")
    with staged_folder(output, force=True) as folder:
        (folder / "new").write_text("new")
        assert (output / "old").exists()
    assert [path.name for path in output.iterdir()] == ["new"]
    assert hidden(tmp_path) == []


def test_force_keeps_the_old_folder_when_the_new_one_fails(tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "old").write_text("old")
    with pytest.raises(RuntimeError), staged_folder(output, force=True):
        raise RuntimeError
    assert [path.name for path in output.iterdir()] == ["old"]
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("kind", ["file", "link"])
def test_force_replaces_no_file_and_no_link(tmp_path: Path, kind: str) -> None:
    (tmp_path / "real").mkdir()
    if kind == "file":
        (tmp_path / "out").write_text("x")
    else:
        (tmp_path / "out").symlink_to("real")
    with pytest.raises(OutputExists, match="not a folder"), staged_folder(tmp_path / "out", force=True):
        pytest.fail("the block must not run")


def test_an_output_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    output = tmp_path / "out"
    with pytest.raises(OutputExists), staged_folder(output) as folder:
        (folder / "mine").write_text("x")
        output.mkdir()
        (output / "theirs").write_text("x")
    assert [path.name for path in output.iterdir()] == ["theirs"]
    assert hidden(tmp_path) == []


def test_a_killed_writer_leaves_no_output_and_the_next_run_sweeps(tmp_path: Path) -> None:
    output = tmp_path / "out"
    with writer(output) as process:
        process.kill()
    assert not output.exists()
    assert len(hidden(tmp_path)) == 1
    with staged_folder(output) as folder:
        (folder / "file").write_text("x")
        assert len(hidden(tmp_path)) == 1, "only the new staging folder is left"
    assert hidden(tmp_path) == []


def test_a_living_writer_is_not_swept(tmp_path: Path) -> None:
    output = tmp_path / "out"
    with writer(output):
        before = hidden(tmp_path)
        sweep_stale(output)
        assert hidden(tmp_path) == before
        assert (tmp_path / before[0] / "half").exists()


def test_other_outputs_folders_are_not_swept(tmp_path: Path) -> None:
    for name in (".out2.partial-abc", ".out.partialabc", "out.partial-abc"):
        (tmp_path / name).mkdir()
        (tmp_path / name / ".lock").touch()
    before = sorted(path.name for path in tmp_path.iterdir())
    sweep_stale(tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_an_old_output_that_a_killed_writer_moved_aside_comes_back(tmp_path: Path) -> None:
    aside = tmp_path / ".out.replaced-abc"
    (aside / "old").mkdir(parents=True)
    (aside / "old" / "file").write_text("old")
    (aside / ".lock").touch()
    sweep_stale(tmp_path / "out")
    assert (tmp_path / "out" / "file").read_text() == "old"
    assert hidden(tmp_path) == []


def test_two_writers_at_once_leave_one_whole_output(tmp_path: Path) -> None:
    output, start, results = tmp_path / "out", threading.Barrier(4), []

    def write(name: str) -> None:
        start.wait()
        try:
            with staged_folder(output) as folder:
                for index in range(5):
                    (folder / f"{name}{index}").write_text(name)
            results.append("written")
        except OutputExists:
            results.append("refused")

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["refused"] * 3 + ["written"]
    assert len({path.name[0] for path in output.iterdir()}) == 1
    assert len(list(output.iterdir())) == 5
    assert hidden(tmp_path) == []


def test_two_forced_writers_at_once_leave_one_whole_output(tmp_path: Path) -> None:
    output, start = tmp_path / "out", threading.Barrier(4)

    def write(name: str) -> None:
        start.wait()
        for _ in range(10):
            with staged_folder(output, force=True) as folder:
                for index in range(5):
                    (folder / f"{name}{index}").write_text(name)

    with ThreadPoolExecutor(4) as pool:
        for written in [pool.submit(write, name) for name in "abcd"]:
            written.result()
    assert len({path.name[0] for path in output.iterdir()}) == 1
    assert len(list(output.iterdir())) == 5
    assert hidden(tmp_path) == []


def test_new_files_and_folders_get_the_usual_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "file", "x")
        with staged_folder(tmp_path / "out"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o750


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")
    write_atomically(path, b"new")
    assert path.read_text() == "new"
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_what_a_killed_write_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    kept = [tmp_path / name for name in ("run.json", ".hidden", ".run.json.notes", "run.json.0acd3643")]
    left = [tmp_path / ".run.json.0acd3643", tmp_path / "checkpoints" / ".epoch-00001.safetensors.deadbeef"]
    left[1].parent.mkdir()
    for path in (*kept, *left):
        path.write_text("x")
    sweep_files(tmp_path)
    assert all(path.exists() for path in kept) and not any(path.exists() for path in left)


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="no space left on the disk"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_a_file_size_limit_is_a_storage_error(tmp_path: Path) -> None:
    code = f"""
    import resource, signal
    from pathlib import Path
    from mobilekit.errors import StorageError
    from mobilekit.files import staged_folder
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        with staged_folder(Path({str(tmp_path / "out")!r})) as folder:
            (folder / "large").write_bytes(bytes(5000))
    except StorageError as error:
        print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "the file size limit was reached" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("deep", ["out", "deeper/out"])
def test_a_file_in_the_way_is_a_storage_error(tmp_path: Path, deep: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="is a file, not a folder"), staged_folder(tmp_path / "file" / deep):
        pytest.fail("the block must not run")
    assert (tmp_path / "file").read_text() == "x"


def test_a_name_that_is_too_long_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="name is too long"), staged_folder(tmp_path / ("x" * 300)):
        pytest.fail("the block must not run")


@pytest.mark.skipif(ROOT_USER, reason="root may write everywhere")
def test_a_folder_that_is_not_writable_is_a_storage_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="permission denied"), staged_folder(tmp_path / "out"):
        pytest.fail("the block must not run")


def test_storage_errors_names_the_file_and_passes_on_what_it_does_not_know() -> None:
    with pytest.raises(StorageError, match=r"^some/file: the file system is read-only"), storage_errors(Path("given")):
        raise OSError(errno.EROFS, "Read-only", "some/file")
    with pytest.raises(FileNotFoundError), storage_errors(Path("given")):
        raise FileNotFoundError(errno.ENOENT, "none", "other")


def test_parents_that_were_made_go_again_after_an_error_unless_something_else_is_in_them(tmp_path: Path) -> None:
    output = tmp_path / "a" / "b" / "out"
    with pytest.raises(RuntimeError), staged_folder(output):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError), staged_folder(output):
        (tmp_path / "a" / "mine.txt").touch()
        raise RuntimeError
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["mine.txt"]
    with staged_folder(output) as folder:
        (folder / "x").touch()
    assert (output / "x").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_place_where_no_folder_can_be_made_is_a_storage_error() -> None:
    with pytest.raises(StorageError, match="a folder cannot be made here"), staged_folder(Path("/proc/nowhere/out")):
        pytest.fail("the block must not run")


def test_a_file_of_ours_is_replaced_and_anothers_is_not(tmp_path: Path) -> None:
    path, content = tmp_path / "new" / "page.html", f"<!-- {files.MADE_BY} --> one"
    files.write_own(path, content)
    files.write_own(path, content.replace("one", "two"))
    assert path.read_text().endswith("two")
    path.write_text("x" * 1000 + files.MADE_BY)  # said too late to be our sign
    with pytest.raises(OutputExists, match="did not write it"):
        files.write_own(path, content)
    assert path.read_text().startswith("xxx")
    files.write_own(path, content, force=True)
    assert path.read_text() == content
    with pytest.raises(OutputExists, match="is a folder"):
        files.check_own(tmp_path, force=True)
    assert [one.name for one in tmp_path.rglob("*") if one.is_file()] == ["page.html"]
