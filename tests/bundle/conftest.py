"""A writable copy of the golden bundle, and the golden artifacts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def golden() -> Path:
    """The committed bundle; not to be written to."""
    return GOLDEN / "bundle"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the golden bundle."""
    return Path(shutil.copytree(GOLDEN / "bundle", tmp_path / "bundle"))


@pytest.fixture
def pte() -> Path:
    """A real program: two XNNPACK delegates, aten::mean.out and aten::cumsum.out, batch 1 to 8."""
    return GOLDEN / "artifacts" / "tiny.pte"
