"""One small network as every kind of artifact, made once per session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mobilekit.quiet import quiet


@dataclass(frozen=True)
class Artifacts:
    """`folder / "static.pte"` and so on: static or dynamic (batch 1..8), as .pt2, .pte and .onnx."""

    folder: Path
    sample: np.ndarray
    reference: np.ndarray

    def __getitem__(self, name: str) -> Path:
        return self.folder / name


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    folder = tmp_path_factory.mktemp("artifacts")
    with quiet():
        sample, reference = _export(folder)
    return Artifacts(folder, sample, reference)


def _export(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower
    from torch import nn

    torch.manual_seed(0)
    layers = (nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))
    model = nn.Sequential(*layers).eval()
    batch = torch.export.Dim("batch", min=1, max=8)
    for name, example, shapes in (
        ("static", torch.zeros(1, 1, 8, 8), None),
        ("dynamic", torch.zeros(2, 1, 8, 8), ({0: batch},)),
    ):
        program = torch.export.export(model, (example,), dynamic_shapes=shapes)
        torch.export.save(program, folder / f"{name}.pt2")
        torch.onnx.export(program, dynamo=True, verbose=False).save(str(folder / f"{name}.onnx"))
        lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch()
        (folder / f"{name}.pte").write_bytes(lowered.buffer)
    sample = np.random.default_rng(0).standard_normal((1, 1, 8, 8)).astype(np.float32)
    with torch.inference_mode():
        return sample, model(torch.from_numpy(sample)).numpy()


@pytest.fixture
def damaged(artifacts: Artifacts, tmp_path: Path) -> Callable[[str, str], Path]:
    """A copy of an artifact with `how` done to it."""

    def make(name: str, how: str) -> Path:
        content = artifacts[name].read_bytes()
        new = {
            "empty": b"",
            "garbage": np.random.default_rng(1).bytes(4000),
            "cut to 40 bytes": content[:40],
            "cut in half": content[: len(content) // 2],
            "last byte gone": content[:-1],
        }[how]
        path = tmp_path / f"{how.replace(' ', '-')}{artifacts[name].suffix}"
        path.write_bytes(new)
        return path

    return make


@pytest.fixture(scope="session")
def tiny_onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made without torch, at once: `doubled = 2 x`, `shifted = x + 1` for x float32 [batch, 4]."""
    from onnx import TensorProto, helper, save

    def value(name: str) -> object:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4])

    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    nodes = [helper.make_node("Add", ["x", "x"], ["doubled"]), helper.make_node("Add", ["x", "one"], ["shifted"])]
    graph = helper.make_graph(nodes, "tiny", [value("x")], [value("doubled"), value("shifted")], [one])
    path = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), str(path))
    return path


@pytest.fixture
def memory_limit() -> Callable[[int | None], int]:
    """Bytes of memory of its own that a process may have; Linux."""

    def of(pid: int | None) -> int:
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        (line,) = [one for one in limits if one.startswith("Max data size")]
        return int(line.split()[-2])

    return of
