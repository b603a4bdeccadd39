"""Where the real photographs are."""

from __future__ import annotations

import os
from pathlib import Path

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
