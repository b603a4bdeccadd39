"""Static int8 post-training quantization by PT2E: observers, calibration, conversion.

Weights are symmetric per output channel, activations affine per tensor: the scheme of XNNPACK's int8 kernels, which
ONNX Runtime and Core ML execute as well, so that one quantized program serves all targets.
Source: PyTorch 2 Export quantization, https://docs.pytorch.org/ao/stable/tutorials_source/pt2e_quant_ptq.html;
the arithmetic is Jacob et al. 2018, https://arxiv.org/abs/1712.05877.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mobilekit.capture import Captured, example_inputs, export_graph
from mobilekit.errors import QuantizeError
from mobilekit.progress import SILENT, Progress
from mobilekit.quantize.report import QuantizationReport, Quantized
from mobilekit.quiet import quiet
from mobilekit.train.device import suitable_threads

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram

_CANDIDATES = ("conv1d", "conv2d", "conv_transpose2d", "linear", "addmm")


def quantize(
    captured: Captured, calibration: Iterable[Sequence[torch.Tensor]], *, progress: Progress = SILENT
) -> Quantized:
    """Quantize a float program to int8, its activation ranges measured on `calibration`.

    Each item of `calibration` is one set of input tensors with the program's shapes and dtypes. The float program
    is left as it is. Raises QuantizeError when nothing was given to calibrate on, when an activation was not finite,
    or when the quantizer refuses the graph.
    """
    import torch

    with quiet():
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
            XNNPACKQuantizer,
            get_symmetric_quantization_config,
        )
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    try:
        with quiet(), torch.no_grad():
            prepared = prepare_pt2e(captured.program.module(), quantizer)
    except Exception as error:
        raise QuantizeError(f"the quantizer refuses the graph: {type(error).__name__}: {error}") from error
    batches = list(calibration)
    if not batches:
        raise QuantizeError("nothing to calibrate on: the calibration set is empty")
    values = sum(tensor.numel() for tensor in batches[0])
    with (
        progress.task("calibrating int8", total=len(batches)) as task,
        quiet(),
        torch.no_grad(),
        suitable_threads(values),
    ):
        for index, inputs in enumerate(batches):
            _observe(prepared, inputs, index)
            task.advance()
    try:
        with quiet(), torch.no_grad():
            converted = convert_pt2e(prepared)
            program = export_graph(converted, captured.inputs, example_inputs(captured.inputs))
    except Exception as error:
        raise QuantizeError(f"the quantized graph cannot be exported: {type(error).__name__}: {error}") from error
    quantized, candidates = _count(program)
    return Quantized(program, QuantizationReport(len(batches), quantized, candidates))


def _observe(prepared: torch.nn.Module, inputs: Sequence[torch.Tensor], index: int) -> None:
    """Run one sample through the observers. Ranges of NaN or infinity would make every scale meaningless."""
    from torch.utils import _pytree as pytree

    _check_finite(inputs, f"an input of calibration sample {index}", "the data holds such values: look at its source")
    outputs = pytree.tree_leaves(prepared(*inputs))
    _check_finite(outputs, f"an output for calibration sample {index}", "the weights or the activations overflow")


def _check_finite(tensors: Sequence[torch.Tensor], what: str, hint: str) -> None:
    if any(tensor.is_floating_point() and not tensor.isfinite().all() for tensor in tensors):
        raise QuantizeError(f"{what} is NaN or infinite: activation ranges cannot be measured", hint=hint)


def _count(program: ExportedProgram) -> tuple[int, int]:
    """Operators that have an int8 form: those whose first input is dequantized, and all of them."""
    quantized = candidates = 0
    for node in program.graph.nodes:
        if node.op == "call_function" and any(name in str(node.target) for name in _CANDIDATES):
            candidates += 1
            quantized += "dequantize" in str(getattr(node.args[0], "target", ""))
    return quantized, candidates
