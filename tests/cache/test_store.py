"""What is kept comes back the same or not at all: changed, cut short, half removed, two processes, kill -9."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mobilekit.cache import Cache, Key, digest, store
from mobilekit.cache.key import canonical
from mobilekit.errors import StorageError

NAMES = st.sampled_from(["record.json", "a b.bin", "package/Data/weights.bin", "package/Manifest.json"])


def key(number: int = 0) -> Key:
    return Key(stage="thing", code_sha256=str(number))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache", limit=1_000_000_000)


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Path]:
    """A file and a folder, as a stage leaves them."""
    (tmp_path / "made" / "package.mlpackage" / "Data").mkdir(parents=True)
    (tmp_path / "made" / "one.bin").write_bytes(b"one" * 1000)
    (tmp_path / "made" / "package.mlpackage" / "Data" / "weights.bin").write_bytes(b"weights")
    return {"one.bin": tmp_path / "made" / "one.bin", "artifact.mlpackage": tmp_path / "made" / "package.mlpackage"}


def entry(cache: Cache, number: int = 0) -> Path:
    assert cache.folder is not None
    return cache.folder / digest(key(number))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_what_is_kept_comes_back(cache: Cache, made: dict[str, Path], tmp_path: Path) -> None:
    assert not cache.take(key(), tmp_path / "taken")
    assert not (tmp_path / "taken").exists()
    cache.keep(key(), "a model", made)
    assert cache.take(key(), tmp_path / "taken")
    assert (tmp_path / "taken" / "one.bin").read_bytes() == b"one" * 1000
    assert (tmp_path / "taken" / "artifact.mlpackage" / "Data" / "weights.bin").read_bytes() == b"weights"
    assert not cache.take(key(1), tmp_path / "other")
    assert cache.complaint is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.dictionaries(NAMES, st.binary(max_size=50), max_size=4))
def test_whatever_is_kept_comes_back(tmp_path: Path, contents: dict[str, bytes]) -> None:
    place = tmp_path / os.urandom(4).hex()
    files = {}
    for number, (name, content) in enumerate(contents.items()):
        files[name] = place / f"{number}"
        files[name].parent.mkdir(exist_ok=True)
        files[name].write_bytes(content)
    cache = Cache(place / "cache")
    cache.keep(key(), "", files)
    assert cache.take(key(), place / "taken")
    assert {name: (place / "taken" / name).read_bytes() for name in contents} == contents


def test_an_entry_says_what_it_is_of(cache: Cache, made: dict[str, Path]) -> None:
    cache.keep(key(), "mobilenet_v2 onnx int8", made)
    assert names(entry(cache)) == ["entry.json", "files", "key.json"]
    assert (entry(cache) / "key.json").read_text() == canonical(key())
    (held,) = cache.held()
    assert (held.stage, held.about, held.bytes) == ("thing", "mobilenet_v2 onnx int8", 3007)
    assert abs(held.used - time.time()) < 60
    record = json.loads((entry(cache) / "entry.json").read_text())
    assert sorted(record["files"]) == ["artifact.mlpackage/Data/weights.bin", "one.bin"]


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda one: _flip(one / "files" / "one.bin"), id="a bit of a file"),
        pytest.param(lambda one: os.truncate(one / "files" / "one.bin", 10), id="a file cut short"),
        pytest.param(lambda one: (one / "files" / "one.bin").unlink(), id="a file missing"),
        pytest.param(lambda one: (one / "key.json").unlink(), id="no key"),
        pytest.param(lambda one: (one / "key.json").write_text("{}"), id="another key"),
        pytest.param(lambda one: (one / "entry.json").unlink(), id="no record"),
        pytest.param(lambda one: (one / "entry.json").write_bytes(b"\xff{"), id="no JSON"),
        pytest.param(lambda one: (one / "entry.json").write_text('{"files": {}}'), id="half a record"),
        pytest.param(
            lambda one: (one / "entry.json").write_text(
                (one / "entry.json").read_text().replace('"one.bin"', '"../../../../escaped"')
            ),
            id="a name that leads out",
        ),
    ],
)
def test_a_damaged_entry_is_none_and_is_made_again(
    cache: Cache, made: dict[str, Path], tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    cache.keep(key(), "", made)
    damage(entry(cache))
    assert not cache.take(key(), tmp_path / "taken")
    assert not (tmp_path / "taken").exists()
    assert not list(tmp_path.glob("**/escaped"))
    assert names(cache.folder) == []
    cache.keep(key(), "", made)
    assert cache.take(key(), tmp_path / "taken")


def test_what_is_no_entry_is_left_alone(cache: Cache, made: dict[str, Path]) -> None:
    cache.keep(key(), "", made)
    (cache.folder / "notes.txt").write_text("mine")
    (cache.folder / "thing-1234").mkdir()
    assert len(cache.held()) == 1
    assert cache.clear() == 1
    assert names(cache.folder) == ["notes.txt", "thing-1234"]
    assert Cache(cache.folder / "nowhere").clear() == 0


def test_the_least_recently_used_goes_first(made: dict[str, Path], tmp_path: Path) -> None:
    one = {"one.bin": made["one.bin"]}
    earlier = Cache(tmp_path / "cache", limit=9000)
    for number in range(3):
        earlier.keep(key(number), "", one)
        os.utime(entry(earlier, number), (number, number))
    cache = Cache(tmp_path / "cache", limit=9000)
    assert cache.take(key(0), tmp_path / "taken")  # used now
    cache.keep(key(3), "", one)
    assert len(cache.held()) == 4
    cache.trim()
    assert [cache.take(key(number), tmp_path / f"t{number}") for number in range(4)] == [True, False, True, True]
    small = Cache(tmp_path / "cache", limit=10)
    small.keep(key(4), "", one)
    small.trim()
    assert [held.name for held in small.held()] == [digest(key(4))], "what was just made stays, however large"


def test_there_are_never_too_many(made: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_ENTRIES", 2)
    for number in range(4):
        Cache(tmp_path / "cache", limit=1_000_000).keep(key(number), "", {"one.bin": made["one.bin"]})
        os.utime(entry(Cache(tmp_path / "cache"), number), (number, number))
    cache = Cache(tmp_path / "cache", limit=1_000_000)
    cache.trim()
    assert {held.name for held in cache.held()} == {digest(key(2)), digest(key(3))}


def test_without_a_place_nothing_is_kept_or_found(made: dict[str, Path], tmp_path: Path) -> None:
    cache = Cache(None)
    cache.keep(key(), "", made)
    assert not cache.take(key(), tmp_path / "taken")
    cache.trim()
    assert (cache.held(), cache.clear(), cache.complaint) == ([], 0, None)


def test_a_place_that_cannot_be_written_is_told_and_does_not_stop_the_work(
    made: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file")
    cache.keep(key(), "", made)
    assert "a part of this path is a file" in (cache.complaint or "")
    assert "MOBILEKIT_CACHE" in (cache.complaint or "")
    assert not cache.take(key(), tmp_path / "taken")


def test_a_place_to_copy_to_that_cannot_be_written_is_an_error(
    cache: Cache, made: dict[str, Path], tmp_path: Path
) -> None:
    cache.keep(key(), "", made)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        cache.take(key(), tmp_path / "file" / "taken")
    assert cache.take(key(), tmp_path / "taken"), "the entry is not to blame"


def test_an_entry_that_is_removed_while_it_is_read_is_none(
    cache: Cache, made: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.keep(key(), "", made)
    copy = shutil.copyfile

    def removed_meanwhile(source: Path, target: Path) -> None:
        shutil.rmtree(entry(cache), ignore_errors=True)
        copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", removed_meanwhile)
    assert not cache.take(key(), tmp_path / "taken")
    assert not (tmp_path / "taken").exists()


def test_many_at_once_keep_and_take_the_same(cache: Cache, made: dict[str, Path], tmp_path: Path) -> None:
    wrong: list[object] = []

    def work(number: int) -> None:
        for turn in range(10):
            place = tmp_path / f"taken-{number}-{turn}"
            try:
                if turn % 4 == 3:
                    cache.clear()
                elif cache.take(key(), place) and (place / "one.bin").read_bytes() != b"one" * 1000:
                    wrong.append(place)
                else:
                    mine = Cache(cache.folder.parent, limit=4000)
                    mine.keep(key(turn % 2), "", made)
                    mine.trim()
            except BaseException as error:
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    cache.clear()  # one that was removing may have been passed by the last sweep
    assert [name for name in names(cache.folder) if name.startswith(".")] == []


WRITER = """
import sys, time
from pathlib import Path
from mobilekit.cache import Cache, Key, store
copy = store._copy
def slowly(source, target):
    copy(source, target)
    print("copied", flush=True)
    time.sleep(60)
store._copy = slowly
Cache(Path(sys.argv[1])).keep(Key(stage="thing", code_sha256="0"), "", {"one.bin": Path(sys.argv[2])})
"""


def test_a_writer_that_is_killed_leaves_no_entry_and_is_swept_away(
    cache: Cache, made: dict[str, Path], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", WRITER, str(cache.folder.parent), str(made["one.bin"])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "copied\n"
        assert not cache.take(key(), tmp_path / "taken")
        cache.keep(key(1), "", made)
        cache.trim()
        assert len([name for name in names(cache.folder) if ".partial-" in name]) == 1, "its writer lives"
        process.send_signal(signal.SIGKILL)
    assert [held.name for held in cache.held()] == [digest(key(1))]
    cache.keep(key(2), "", made)
    cache.trim()
    assert sorted(names(cache.folder)) == sorted([digest(key(1)), digest(key(2))])
