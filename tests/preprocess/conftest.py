"""Where the real photographs are."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def photos() -> list[Path]:
    """The 24 photographs of the shared folder."""
    shared = Path(os.environ.get("MOBILEKIT_SHARED", REPOSITORY / "../shared"))
    found = sorted((shared / "data/photos").glob("*.JPEG"))
    if not found:
        pytest.skip("no photographs: set MOBILEKIT_SHARED to the folder that holds data/photos")
    return found


@pytest.fixture(scope="session")
def plain_audio() -> dict[str, Any]:
    """The code of docs/audio-preprocessing.md, run."""
    page = (REPOSITORY / "docs/audio-preprocessing.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    exec("\n".join(re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)), names)
    return names
