"""ExecuTorch's own recipe: XNNPACKQuantizer and PT2E, then XnnpackPartitioner. None of mobilekit's code.

Source: https://docs.pytorch.org/executorch/stable/backends/xnnpack/xnnpack-overview.html
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common import calibration, convert, program


def fp32(material: Path, out: Path) -> list[Path]:
    return [_lowered(program(material), out / "model.fp32.pte")]


def int8(material: Path, out: Path) -> list[Path]:
    import torch
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    samples = [(torch.from_numpy(one),) for one in calibration(material)]
    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    with torch.no_grad():
        prepared = prepare_pt2e(program(material).module(), quantizer)
        for sample in samples:
            prepared(*sample)
        quantized = torch.export.export(convert_pt2e(prepared), samples[0])
    return [_lowered(quantized, out / "model.int8.pte")]


def _lowered(exported: Any, path: Path) -> Path:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    lowered = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()]).to_executorch()
    with path.open("wb") as stream:
        lowered.write_to_file(stream)
    return path


if __name__ == "__main__":
    convert({"fp32": fp32, "int8": int8}, ("executorch", "torch", "torchao"))
