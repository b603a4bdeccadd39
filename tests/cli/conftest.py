"""The real command in a process of its own, and what every end of it must have in common."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

GOLDEN = Path(__file__).parents[1] / "golden" / "bundle"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Command:
    """Starts `mobilekit` in `folder`, with a folder for temporary files of its own."""

    def __init__(self, folder: Path, temporary: Path) -> None:
        self.folder, self.temporary = folder, temporary

    def start(
        self, *args: str, env: Mapping[str, str] | None = None, preexec: Callable[[], None] | None = None
    ) -> subprocess.Popen[str]:
        def prepare() -> None:
            # A test run in the background or under nohup has these ignored, and hands that on.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            if preexec:
                preexec()

        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "MOBILEKIT"))}
        return subprocess.Popen(
            [sys.executable, "-m", "mobilekit", *args],
            cwd=self.folder,
            env={**kept, "TMPDIR": str(self.temporary), "COLUMNS": "80", "MOBILEKIT_CACHE_GB": "0", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=prepare,  # noqa: PLW1509  (this process starts no threads)
        )

    def end(self, process: subprocess.Popen[str], timeout: float = 200) -> Ended:
        """Wait for it. However it ended: no trace of Python's, nothing half-written, no process left."""
        begun = time.monotonic()
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            process.kill()
        ended = Ended(process.returncode, out, err, time.monotonic() - begun)
        assert "Traceback" not in out + err, out + err
        assert "internal error" not in err, err + self.log()
        assert hidden(self.folder) == [], "half-written folders"
        assert temporary(self.temporary) == [], "temporary files"
        return ended

    def log(self) -> str:
        """The trace that an internal error wrote."""
        return "".join(path.read_text() for path in self.temporary.glob("mobilekit-*.log"))

    def __call__(self, *args: str, **options: Any) -> Ended:
        timeout = options.pop("timeout", 200)
        return self.end(self.start(*args, **options), timeout)


def hidden(folder: Path) -> list[Path]:
    """What an interrupted writer may leave: folders and files with hidden names."""
    return [path for path in folder.rglob(".*") if path.name != ".lock"]


def temporary(folder: Path) -> list[Path]:
    """Temporary files that are left, but for the cache that torch keeps there."""
    return [path for path in folder.iterdir() if not path.name.startswith("torchinductor_")]


@pytest.fixture
def mobilekit(tmp_path: Path) -> Command:
    folder, temporary = tmp_path / "here", tmp_path / "temporary"
    folder.mkdir()
    temporary.mkdir()
    return Command(folder, temporary)


@dataclass(frozen=True)
class Demo:
    """`mobilekit demo --json`, run once: how it ended, and the folder with its run and its bundle."""

    ended: Ended
    folder: Path

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    place = tmp_path_factory.mktemp("demo")
    (place / "temporary").mkdir()
    ended = Command(place, place / "temporary")("demo", "-o", "demo", "--json", timeout=280)
    return Demo(ended, place / "demo")


@pytest.fixture
def refused(mobilekit: Command) -> Callable[..., Ended]:
    """Run a command that must fail: its code, what its message says, and nothing on standard output."""

    def run(code: int, *args: str, says: tuple[str, ...], **options: Any) -> Ended:
        ended = mobilekit(*args, **options)
        assert ended.code == code, ended.err
        assert ended.out == ""
        message = " ".join(ended.err.split())
        assert [text for text in says if text not in message] == [], ended.err
        return ended

    return run


@pytest.fixture
def bundle(mobilekit: Command) -> Path:
    """A copy of the golden bundle, called `bundle`."""
    return Path(shutil.copytree(GOLDEN, mobilekit.folder / "bundle"))


@pytest.fixture
def runnable(bundle: Path) -> Path:
    """The same with the golden artifacts in it: eager, xnnpack fp32 and onnx int8 run.

    The .pte has two delegates, and two kernels outside them. The batch is 1 to 8.
    """
    from mobilekit.bundle import Bundle
    from mobilekit.bundle.write import entry_for, write_manifest
    from mobilekit.spec import DynamicDim, TensorSpec

    manifest = Bundle.load(bundle).manifest
    artifacts = [one for one in manifest.artifacts if (one.target, one.scheme) != ("xnnpack", "int8")]
    for index, one in enumerate(artifacts):
        if one.target != "coreml":
            shutil.copy(GOLDEN.parent / "artifacts" / f"tiny{Path(one.file).suffix}", bundle / one.file)
            artifacts[index] = one.model_copy(update=entry_for(bundle, one.file).model_dump())
    image = TensorSpec(name="image", shape=("batch", 1, 8, 8), dynamic={"batch": DynamicDim(min=1, max=8)})
    write_manifest(bundle, manifest.model_copy(update={"artifacts": tuple(artifacts), "inputs": (image,)}))
    return bundle


NET = """
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, x):
            return self.layer(x)

    def build():
        return Net()
"""
RECIPE = """
    name = "pictures"
    task = "image-classification"
    labels = ["blue", "red"]

    [[inputs]]
    name = "image"
    shape = [1, 3, 8, 8]

    [preprocess]
    resize = { size = [8, 8] }
"""
PICTURES = """
    from torch import nn

    def build():
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)).eval()
"""


@pytest.fixture
def net(mobilekit: Command) -> Callable[[str], Path]:
    """Write `net.py`: a linear layer of 4 by 3, or the code that is given."""

    def write(code: str = NET) -> Path:
        path = mobilekit.folder / "net.py"
        path.write_text(textwrap.dedent(code))
        return path

    return write


@pytest.fixture
def pictures(mobilekit: Command) -> Iterator[Path]:
    """`model/`, an image model with a recipe, and `photos/`, 12 images of each of its two classes."""
    model = mobilekit.folder / "model"
    model.mkdir()
    (model / "recipe.toml").write_text(textwrap.dedent(RECIPE))
    (model / "model.py").write_text(textwrap.dedent(PICTURES))
    rng = np.random.default_rng(0)
    for name, channel in (("blue", 2), ("red", 0)):
        folder = mobilekit.folder / "photos" / name
        folder.mkdir(parents=True)
        for index in range(12):
            pixels = rng.integers(0, 80, (10, 9, 3), dtype=np.uint8)
            pixels[..., channel] += 150
            Image.fromarray(pixels).save(folder / f"{index:02d}.png")
    yield mobilekit.folder / "photos"
