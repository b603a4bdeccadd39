"""The golden bundle's manifest, and ways to change it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mobilekit.bundle import Bundle, Manifest

GOLDEN = Path(__file__).parents[1] / "golden" / "bundle"


@pytest.fixture
def manifest() -> Manifest:
    """Eager, xnnpack fp32 and int8 passed, onnx int8 failed, coreml fp16 not executed."""
    return Bundle.load(GOLDEN, check=False).manifest


@pytest.fixture
def changed(manifest: Manifest) -> Callable[..., Manifest]:
    """The manifest with other values; `artifact=(index, {...})` changes one artifact."""

    def change(artifact: tuple[int, dict[str, Any]] | None = None, **values: Any) -> Manifest:
        if artifact:
            index, update = artifact
            artifacts = list(manifest.artifacts)
            artifacts[index] = artifacts[index].model_copy(update=update)
            values["artifacts"] = tuple(artifacts)
        return manifest.model_copy(update=values)

    return change


@pytest.fixture
def random_input(manifest: Manifest) -> Manifest:
    """Exported without data: generated calibration and test input, no labels, an untrained model."""
    assert manifest.calibration is not None
    assert manifest.test_data is not None
    return manifest.model_copy(
        update={
            "calibration": manifest.calibration.model_copy(update={"source": "generated", "generated": True}),
            "test_data": manifest.test_data.model_copy(
                update={"source": "generated", "generated": True, "skipped": ()}
            ),
            "model": manifest.model.model_copy(update={"trained": False}),
            "labels": None,
        }
    )
