"""The demo replaces an earlier demo, and nothing else. The demo itself: tests/cli/test_export.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobilekit.errors import OutputExists
from mobilekit.pipeline.demo import _check_own


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    _check_own(tmp_path / "new")
    _check_own(tmp_path)
    (tmp_path / ".DS_Store").touch()
    (tmp_path / "run").mkdir()
    _check_own(tmp_path)
    (tmp_path / "bundle").mkdir()
    with pytest.raises(OutputExists, match="something else than a demo"):
        _check_own(tmp_path)
    (tmp_path / "bundle" / "bundle.json").touch()
    _check_own(tmp_path)
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(OutputExists):
        _check_own(tmp_path)
