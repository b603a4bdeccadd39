"""Runners that have to be compiled first: made ready once, or a reason to skip. And a small bundle that runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def native() -> str:
    """The native runner's name, compiled (into the user's own cache: once, whatever runs the tests)."""
    return _ready("native")


@pytest.fixture(scope="session")
def arm64() -> str:
    """The same for an emulated Arm core."""
    return _ready("arm64")


@pytest.fixture
def runnable() -> Callable[[Path], Path]:
    """Make the golden bundle there, with the golden artifacts in it: eager, xnnpack fp32 and onnx int8 run.

    The .pte has two delegates, and two kernels outside them. The batch is 1 to 8.
    """
    from mobilekit.bundle import Bundle
    from mobilekit.bundle.write import entry_for, write_manifest
    from mobilekit.spec import DynamicDim, TensorSpec

    def make(folder: Path) -> Path:
        shutil.copytree(GOLDEN / "bundle", folder)
        manifest = Bundle.load(folder).manifest
        artifacts = [one for one in manifest.artifacts if (one.target, one.scheme) != ("xnnpack", "int8")]
        for index, one in enumerate(artifacts):
            if one.target != "coreml":
                shutil.copy(GOLDEN / "artifacts" / f"tiny{Path(one.file).suffix}", folder / one.file)
                artifacts[index] = one.model_copy(update=entry_for(folder, one.file).model_dump())
        image = TensorSpec(name="image", shape=("batch", 1, 8, 8), dynamic={"batch": DynamicDim(min=1, max=8)})
        write_manifest(folder, manifest.model_copy(update={"artifacts": tuple(artifacts), "inputs": (image,)}))
        return folder

    return make


def _ready(name: str) -> str:
    from mobilekit.errors import DownloadError
    from mobilekit.progress import SILENT
    from mobilekit.runners import runner
    from mobilekit.runners.base import OwnProgram

    chosen = runner(name)
    assert isinstance(chosen, OwnProgram)
    reason = chosen.unavailable()
    if reason is not None:
        pytest.skip(reason)
    try:
        chosen.build(SILENT)
    except DownloadError as error:
        pytest.skip(error.message)
    return name
