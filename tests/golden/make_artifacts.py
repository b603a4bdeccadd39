"""Make tests/golden/artifacts: one tiny model as .pt2, .pte, .onnx and .mlpackage, and a profile of the .pte.

    python tests/golden/make_artifacts.py [FOLDER]

The committed files are what torch 2.14.1, executorch 1.5.1 and coremltools 9.0 wrote; a slow test makes new ones.
The model has a convolution and a linear layer for XNNPACK, and between them mean and cumsum, which XNNPACK does not
take: two delegates and two portable kernels. The batch is dynamic, 1 to 8, but fixed in the Core ML package.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import coremltools
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import to_edge_transform_and_lower
from torch import nn


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.linear = nn.Linear(4, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.linear(torch.cumsum(torch.relu(self.conv(image)).mean((2, 3)), 1))


def captured(model: nn.Module, batch: int, dynamic: bool) -> torch.export.ExportedProgram:
    """The program without stack traces, which hold the paths of this machine."""
    shapes = ({0: torch.export.Dim("batch", min=1, max=8)},) if dynamic else None
    program = torch.export.export(model, (torch.zeros(batch, 1, 8, 8),), dynamic_shapes=shapes)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    return program


def profile(program: Path, output: Path) -> None:
    """Three runs under ExecuTorch's event tracer."""
    from executorch.extension.pybindings import _C

    loaded = _C._load_program(str(program), enable_etdump=True)
    method = loaded.load_method("forward")
    for _ in range(3):
        method.call([torch.zeros(2, 1, 8, 8)], False)
    loaded.write_etdump_result_to_file(str(output), "")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    model = Tiny().eval()
    program = captured(model, 2, dynamic=True)
    torch.export.save(program, folder / "tiny.pt2")
    torch.onnx.export(program, dynamo=True).save(folder / "tiny.onnx")
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch()
    (folder / "tiny.pte").write_bytes(lowered.buffer)
    profile(folder / "tiny.pte", folder / "tiny.etdp")
    package = folder / "tiny.mlpackage"
    shutil.rmtree(package, ignore_errors=True)
    fixed = captured(model, 1, dynamic=False).run_decompositions({})
    coremltools.convert(fixed, minimum_deployment_target=coremltools.target.iOS17).save(str(package))
    for path in (package, *package.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "artifacts")
