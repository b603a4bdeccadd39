"""Static int8 post-training quantization by PT2E: observers, calibration, conversion.

Weights are symmetric per output channel, activations affine per tensor: the scheme of XNNPACK's int8 kernels, which
ONNX Runtime and Core ML execute as well, so that one quantized program serves all targets. Refuses a model of which
nothing would become int8, and calibration data that the model cannot take or that is not finite.
Source: PyTorch 2 Export quantization, https://docs.pytorch.org/ao/stable/tutorials_source/pt2e_quant_ptq.html;
the arithmetic is Jacob et al. 2018, https://arxiv.org/abs/1712.05877.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from mobilekit.bundle.measured import LayerNoise
from mobilekit.capture import Captured, example_inputs, export_graph
from mobilekit.errors import QuantizeError
from mobilekit.model.seed import seeded
from mobilekit.progress import SILENT, Progress
from mobilekit.quantize.folding import make_foldable, operator_name
from mobilekit.quantize.layers import layer_noise
from mobilekit.quantize.quantizer import quantizer
from mobilekit.quantize.report import QuantizationReport, Quantized
from mobilekit.quiet import quiet
from mobilekit.spec import TensorSpec
from mobilekit.usercode import summary

if TYPE_CHECKING:
    import torch
    from torch import fx
    from torch.export import ExportedProgram

FOLDING_TOLERANCE = 1e-3
"""Largest difference that folding batch norms may make, relative to the largest output: float32 gives about 1e-6."""

_CANDIDATES = frozenset(["conv1d", "conv2d", "conv_transpose2d", "linear", "addmm"])


def quantize(
    captured: Captured, calibration: Iterable[Sequence[torch.Tensor]], *, progress: Progress = SILENT
) -> Quantized:
    """Quantize a float program to int8, its activation ranges measured on `calibration`.

    Each item of `calibration` is one set of input tensors with the program's shapes and dtypes. The float program
    is left as it is. The same program and samples give the same bits. Raises QuantizeError when nothing was given to
    calibrate on, when an activation was not finite, or when the quantizer refuses the graph.
    """
    import torch

    batches = list(calibration)
    if not batches:
        raise QuantizeError("nothing to calibrate on: the calibration set is empty")
    for index, inputs in enumerate(batches):
        _check_sample(inputs, captured.inputs, index)
    with seeded(0):  # the quantizer draws random tensors to trace its patterns with
        prepared = _prepared(captured.program)
        with progress.task("calibrating int8", total=len(batches)) as task, torch.no_grad():
            for index, inputs in enumerate(batches):
                outputs = _observe(prepared, inputs, index)
                if index == 0:
                    _check_still_the_same(captured.program, inputs, outputs)
                task.advance()
        with quiet():
            floating = copy.deepcopy(prepared)  # converting changes the graph in place
        converted = _converted(prepared)
        program = _exported(converted, captured)
        report = _report(program, len(batches), layer_noise(floating, converted, batches))
    return Quantized(program, report)


def _prepared(program: ExportedProgram) -> fx.GraphModule:
    """A copy of the program with batch norms folded into convolutions, and an observer at each future int8 tensor."""
    import torch

    with quiet():
        from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

    try:
        with quiet(), torch.no_grad():
            module = program.module()
            make_foldable(module)
            prepared: fx.GraphModule = prepare_pt2e(module, quantizer())
    except Exception as error:
        raise QuantizeError(f"the quantizer refuses the graph: {summary(error)}") from error
    return prepared


def _converted(prepared: fx.GraphModule) -> fx.GraphModule:
    import torch

    with quiet():
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e
    try:
        with quiet(), torch.no_grad():
            converted: fx.GraphModule = convert_pt2e(prepared)
            _share_equal(converted)
            _drop_unused(converted)
    except Exception as error:
        raise QuantizeError(f"the observed graph cannot be converted to int8: {summary(error)}") from error
    return converted


def _exported(converted: fx.GraphModule, captured: Captured) -> ExportedProgram:
    import torch

    try:
        with quiet(), torch.no_grad():
            return export_graph(converted, captured.inputs, example_inputs(captured.inputs))
    except Exception as error:
        raise QuantizeError(f"the quantized graph cannot be exported: {summary(error)}") from error


def _check_sample(inputs: Sequence[torch.Tensor], specs: Sequence[TensorSpec], index: int) -> None:
    if len(inputs) != len(specs):
        raise QuantizeError(f"calibration sample {index} has {len(inputs)} tensors for {len(specs)} inputs")
    for spec, tensor in zip(specs, inputs, strict=True):
        problem = spec.mismatch(tensor.shape)
        if problem is None and str(tensor.dtype) != f"torch.{spec.dtype}":
            problem = f"{spec.name} must be {spec.dtype}, given {str(tensor.dtype).removeprefix('torch.')}"
        if problem is not None:
            raise QuantizeError(f"calibration sample {index} does not fit the model: {problem}")
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise QuantizeError(
                f"calibration sample {index} holds NaN or infinity in {spec.name}",
                hint="check the data and its preprocessing",
            )


def _observe(prepared: fx.GraphModule, inputs: Sequence[torch.Tensor], index: int) -> list[torch.Tensor]:
    from torch.utils import _pytree as pytree

    try:
        with quiet():
            outputs: list[torch.Tensor] = pytree.tree_leaves(prepared(*inputs))
    except Exception as error:  # an observer stumbles over a range that is not finite, too
        raise QuantizeError(f"the model fails on calibration sample {index}: {summary(error)}") from error
    if any(not output.isfinite().all() for output in outputs if output.is_floating_point()):
        raise _not_finite(f"an output is NaN or infinite on calibration sample {index}")
    return outputs


def _check_still_the_same(
    program: ExportedProgram, inputs: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor]
) -> None:
    """Before anything is rounded, the prepared graph is the float one with batch norms folded: only the last digits
    may differ. Where more does, the preparation has changed the model, and no calibration would tell."""
    from torch.utils import _pytree as pytree

    with quiet():
        expected = pytree.tree_leaves(program.module()(*inputs))
    for mine, theirs in zip(outputs, expected, strict=True):
        difference = (mine.float() - theirs.float()).abs().max() if mine.numel() else 0.0
        if difference > FOLDING_TOLERANCE * max(1e-6, float(theirs.float().abs().max())):
            raise QuantizeError(
                f"preparing this model for int8 changes its float outputs (by up to {float(difference):.3g})",
                hint="a batch norm may use the statistics of the batch; call eval() on it, or export the model as fp32",
            )


def _not_finite(what: str) -> QuantizeError:
    return QuantizeError(
        f"{what}: int8 ranges cannot be measured", hint="check the samples' preprocessing, and the weights"
    )


def _share_equal(converted: fx.GraphModule) -> None:
    """Keep int8 weights that are equal once: layers that shared theirs were quantized one by one."""
    import torch

    kept: dict[tuple[torch.Size, bytes], str] = {}
    for node in converted.graph.nodes:
        if node.op == "get_attr":
            tensor = attrgetter(str(node.target))(converted)
            if isinstance(tensor, torch.Tensor) and tensor.dtype == torch.int8:
                content = hashlib.sha256(tensor.detach().contiguous().numpy().tobytes()).digest()
                node.target = kept.setdefault((tensor.shape, content), str(node.target))
    converted.recompile()


def _drop_unused(converted: fx.GraphModule) -> None:
    """Forget the weights that nothing uses, as the float ones that int8 replaced: artifacts would carry them."""
    used = {str(node.target) for node in converted.graph.nodes if node.op == "get_attr"}
    held = (*converted.named_parameters(remove_duplicate=False), *converted.named_buffers(remove_duplicate=False))
    for name in [name for name, _ in held if name not in used]:
        place, _, leaf = name.rpartition(".")
        delattr(converted.get_submodule(place), leaf)


def _report(program: ExportedProgram, samples: int, layers: tuple[LayerNoise, ...]) -> QuantizationReport:
    """Operators that have an int8 form: those whose first input is dequantized, and all of them."""
    import math

    calls = [node for node in program.graph.nodes if node.op == "call_function"]
    scales = [scale for node in calls if operator_name(node) == "quantize_per_tensor" for scale in node.args[1:2]]
    if not scales:
        raise QuantizeError(
            "nothing in this model has an int8 form (convolutions, linear layers, additions and the like)",
            hint="export it as fp32",
        )
    if not all(isinstance(scale, float) and math.isfinite(scale) and scale > 0 for scale in scales):
        raise _not_finite("an activation was NaN or infinite")
    candidates = [node for node in calls if operator_name(node) in _CANDIDATES]
    quantized = [node for node in candidates if operator_name(_activation(node)).startswith("dequantize")]
    return QuantizationReport(samples, len(quantized), len(candidates), layers)


def _activation(node: fx.Node) -> object:
    """The operand that is not a weight or bias."""
    return node.args[1 if operator_name(node) == "addmm" else 0]
