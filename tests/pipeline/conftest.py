"""A linear layer as the eager reference and as an ONNX file, with values that can be reckoned by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from mobilekit.bundle.manifest import Artifact
from mobilekit.bundle.write import entry_for
from mobilekit.progress import Task
from mobilekit.quiet import quiet
from mobilekit.spec import DynamicDim, TensorSpec

BATCH = {"batch": DynamicDim(min=1, max=8)}
INPUT = TensorSpec(name="x", shape=("batch", 4), dynamic=BATCH)
OUTPUT = TensorSpec(name="output", shape=("batch", 3), dynamic=BATCH)


@dataclass
class Recorded:
    """A Progress that keeps what it was told."""

    titles: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @contextmanager
    def task(self, title: str, total: int | None = None) -> Iterator[Task]:
        self.titles.append(title)
        yield self

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def advance(self, steps: int = 1) -> None: ...

    def say(self, text: str) -> None: ...


@pytest.fixture
def progress() -> Recorded:
    return Recorded()


@dataclass(frozen=True)
class Made:
    """A folder with two artifacts of one model, and samples for it."""

    folder: Path
    eager: Artifact
    onnx: Artifact
    samples: list[tuple[np.ndarray, ...]]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    import torch
    from torch import nn

    folder = tmp_path_factory.mktemp("made")
    torch.manual_seed(0)
    with quiet():
        program = torch.export.export(
            nn.Linear(4, 3).eval(), (torch.zeros(2, 4),), dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=8)},)
        )
        torch.export.save(program, folder / "net.eager.fp32.pt2")
        torch.onnx.export(program, dynamo=True, verbose=False).save(str(folder / "net.onnx.fp32.onnx"))
    rng = np.random.default_rng(0)
    samples = [(rng.standard_normal((1, 4), dtype=np.float32),) for _ in range(6)]
    return Made(folder, _artifact(folder, "eager", ".pt2"), _artifact(folder, "onnx", ".onnx"), samples)


def _artifact(folder: Path, target: str, suffix: str) -> Artifact:
    return Artifact(
        **entry_for(folder, f"net.{target}.fp32{suffix}").model_dump(),
        target=target,
        scheme="fp32",
        runtime="torch" if target == "eager" else "onnxruntime",
        minimum_runtime="1",
        ship=target != "eager",
        inputs=(INPUT,),
        outputs=(OUTPUT,),
    )
