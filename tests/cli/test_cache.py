"""`mobilekit cache` shows what is kept, and removes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobilekit.cache import Cache, Key


@pytest.fixture
def kept(tmp_path: Path) -> dict[str, str]:
    """Variables of a cache with one entry."""
    (tmp_path / "file").write_bytes(b"x" * 2_000_000)
    Cache(tmp_path / "cache").keep(Key(stage="lower", code_sha256="0"), "net onnx int8", {"one": tmp_path / "file"})
    return {"MOBILEKIT_CACHE": str(tmp_path / "cache"), "MOBILEKIT_CACHE_GB": "1"}


def test_it_lists_what_is_kept(mobilekit, kept: dict[str, str]) -> None:
    ended = mobilekit("cache", env=kept)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.split()[:7] == ["stage", "of", "MB", "last", "used", "entry", "lower"]
    assert "net onnx int8" in ended.out
    assert f"1 entries, 2.0 of 1000 MB, in {kept['MOBILEKIT_CACHE']}/stages" in ended.out
    (entry,) = mobilekit("cache", "--json", env=kept).json["entries"]
    assert (entry["stage"], entry["of"], entry["bytes"]) == ("lower", "net onnx int8", 2_000_000)
    assert (Path(entry["path"]) / "key.json").is_file()


def test_it_removes_what_is_kept(mobilekit, kept: dict[str, str]) -> None:
    assert "removed 1 from" in mobilekit("cache", "--clear", env=kept).out
    shown = mobilekit("cache", env=kept).out
    assert shown.startswith("0 entries, 0.0 of 1000 MB")
    assert mobilekit("cache", "--clear", "--json", env=kept).json == {"removed": 0}


def test_a_limit_that_is_none_is_refused(mobilekit) -> None:
    ended = mobilekit("cache", env={"MOBILEKIT_CACHE_GB": "lots"})
    assert ended.code == 2
    assert "MOBILEKIT_CACHE_GB is 'lots'" in ended.err
