"""The place and the size of the cache are the user's to choose."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobilekit.cache import Cache, cache_root, largest_bytes
from mobilekit.errors import UsageError


def test_the_place_is_the_variables_or_the_home_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MOBILEKIT_CACHE", raising=False)
    assert cache_root() == tmp_path / ".cache" / "mobilekit"
    monkeypatch.setenv("MOBILEKIT_CACHE", "~/elsewhere")
    assert cache_root() == tmp_path / "elsewhere"


@pytest.mark.parametrize(("given", "expected"), [("", 4_000_000_000), ("0.5", 500_000_000), ("10", 10_000_000_000)])
def test_the_limit_is_in_gigabytes(monkeypatch: pytest.MonkeyPatch, given: str, expected: int) -> None:
    monkeypatch.setenv("MOBILEKIT_CACHE_GB", given)
    assert largest_bytes() == expected


@pytest.mark.parametrize("given", ["four", "-1", "nan", "inf", "4GB"])
def test_a_limit_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("MOBILEKIT_CACHE_GB", given)
    with pytest.raises(UsageError, match=r"MOBILEKIT_CACHE_GB is .*not a number of gigabytes"):
        largest_bytes()


def test_a_limit_of_nothing_is_no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOBILEKIT_CACHE", str(tmp_path))
    monkeypatch.setenv("MOBILEKIT_CACHE_GB", "0")
    assert Cache.of_user().folder is None
    monkeypatch.setenv("MOBILEKIT_CACHE_GB", "1")
    assert Cache.of_user().folder == tmp_path / "stages"
