"""A lookup raises or returns; plug-ins are found, cannot replace what is built in, and are named when broken."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mobilekit.errors import SetupError, UnknownName
from mobilekit.registry import lookup, with_plugins

BUILTIN = {"xnnpack": 1, "onnx": 2}


def install(folder: Path, points: str, code: str = "") -> None:
    """A distribution named `plug` as an installer leaves it: its module, and its entry points."""
    (folder / "plug_module.py").write_text(code)
    info = folder / "plug-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[mobilekit.targets]\n{points}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "plug_module", raising=False)
    return tmp_path


def test_lookup_returns_the_entry() -> None:
    assert lookup("target", "onnx", BUILTIN) == 2


def test_lookup_raises_with_the_choices() -> None:
    with pytest.raises(UnknownName, match=r"unknown target 'onx', did you mean 'onnx'\? \(have: onnx, xnnpack\)"):
        lookup("target", "onx", BUILTIN)


def test_a_plugin_is_added(site: Path) -> None:
    install(site, "mine = plug_module:TARGET", "TARGET = 3")
    assert with_plugins("targets", BUILTIN) == {"xnnpack": 1, "onnx": 2, "mine": 3}


def test_a_plugin_cannot_take_over_a_builtin_name(site: Path) -> None:
    install(site, "onnx = plug_module:TARGET", "raise RuntimeError('not even loaded')")
    assert with_plugins("targets", BUILTIN) == BUILTIN


@pytest.mark.parametrize("code", ["raise RuntimeError('broken inside')", "", "import a_module_that_is_not_there"])
def test_a_broken_plugin_is_named_with_its_package(site: Path, code: str) -> None:
    install(site, "mine = plug_module:TARGET", code)
    with pytest.raises(SetupError, match="'mine' of plug does not load") as caught:
        with_plugins("targets", BUILTIN)
    assert "pip uninstall plug" in (caught.value.hint or "")
