"""The golden artifacts: one tiny model as .pt2, .pte, .onnx and .mlpackage (tests/golden/make_artifacts.py)."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def artifacts() -> Path:
    return Path(__file__).parents[1] / "golden" / "artifacts"
