"""Static int8 post-training quantization by PT2E: observers, calibration, conversion.

Weights are symmetric per output channel, activations affine per tensor: the scheme of XNNPACK's int8 kernels, which
ONNX Runtime and Core ML execute as well, so that one quantized program serves all targets. Ranges are chosen by what
they cost at the outputs, on samples that they were not measured on. Refuses a model of which nothing would become
int8, and calibration data that the model cannot take or that is not finite.
Source: PyTorch 2 Export quantization, https://docs.pytorch.org/ao/stable/tutorials_source/pt2e_quant_ptq.html;
the arithmetic is Jacob et al. 2018, https://arxiv.org/abs/1712.05877.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from mobilekit.bundle.measured import LayerNoise, RangeRule
from mobilekit.capture import Captured, example_inputs, export_graph
from mobilekit.errors import QuantizeError
from mobilekit.model.ranges import Ranges
from mobilekit.model.seed import seeded
from mobilekit.progress import SILENT, Progress
from mobilekit.quantize.calibrate import calibrate, check_samples, not_finite, use_ranges
from mobilekit.quantize.folding import make_foldable, operator_name
from mobilekit.quantize.graph import drop_unused
from mobilekit.quantize.layers import LAYER_SAMPLES, layer_label, layer_noise
from mobilekit.quantize.mend import MOST_SAMPLES, mend
from mobilekit.quantize.mixed import Plan, plan
from mobilekit.quantize.quantizer import quantizer
from mobilekit.quantize.report import QuantizationReport, Quantized
from mobilekit.quantize.sensitivity import Costs, sensitivity
from mobilekit.quantize.simulate import Batches, stacked
from mobilekit.quiet import quiet
from mobilekit.registry import lookup
from mobilekit.spec import QuantizeSpec
from mobilekit.spec.quantize import Rule
from mobilekit.usercode import summary

if TYPE_CHECKING:
    import torch
    from torch import fx
    from torch.export import ExportedProgram

_CANDIDATES = frozenset(["conv1d", "conv2d", "conv_transpose2d", "linear", "addmm"])


def quantize(
    captured: Captured,
    calibration: Iterable[Sequence[torch.Tensor]],
    options: QuantizeSpec | None = None,
    *,
    labels: Sequence[int] | None = None,
    ranges: Ranges | None = None,
    progress: Progress = SILENT,
) -> Quantized:
    """Quantize a float program to int8, its activation ranges measured on `calibration`.

    Each item of `calibration` is one set of input tensors with the program's shapes and dtypes. `options` say how
    ranges are found and what is done to the weights (None: the defaults); `labels` of the samples, where there are
    any, are what `options.max_drop` goes by. With `ranges`, those of a training for int8, nothing is measured. The
    float program is left as it is. The same program, samples and options give the same bits. Raises QuantizeError when
    nothing was given to calibrate on, when an activation was not finite, or when the quantizer refuses the graph.
    """
    options = ranges.options if ranges else options or QuantizeSpec()
    samples = list(calibration)
    if not samples:
        raise QuantizeError("nothing to calibrate on: the calibration set is empty")
    check_samples(samples, captured.inputs)
    with seeded(0):  # the quantizer draws random tensors to trace its patterns with
        prepared = prepared_graph(captured.program, options, options.floating)
        measured = use_ranges(prepared, captured, samples[0], ranges) if ranges else None
        rule, tried = measured or calibrate(prepared, captured, samples, options, progress=progress)
        few = stacked(samples[:LAYER_SAMPLES], captured.inputs)
        costs, chosen = Costs({}, {}), None
        if options.sensitivity or options.max_drop is not None:
            with progress.task("measuring what each layer costs"), quiet():
                costs = sensitivity(prepared, few)
        if options.max_drop is not None:
            fixed = options.model_copy(update={"observer": rule})

            def prepare(floating: Collection[str], whole: fx.GraphModule = prepared) -> fx.GraphModule:
                return _calibrated(captured, samples, fixed, floating) if floating else whole

            every = stacked(samples, captured.inputs)
            chosen = plan(prepare, costs.spared, every, labels, options.max_drop, progress=progress)
            prepared = prepare(chosen.floating)
        with quiet():
            floating = copy.deepcopy(prepared)  # what follows changes the graph in place
        if options.adaround or options.bias_correction:
            with quiet():
                mend(prepared, stacked(samples[:MOST_SAMPLES], captured.inputs), options, progress=progress)
        converted = _converted(prepared)
        program = _exported(converted, captured)
        noise = layer_noise(floating, converted, few, costs.alone)
        report = _report(program, len(samples), noise, rule, tried, chosen)
    return Quantized(program, report)


def prepared_graph(program: ExportedProgram, options: QuantizeSpec, floating: Collection[str] = ()) -> fx.GraphModule:
    """A copy of the program with batch norms folded into convolutions, and an observer at each future int8 tensor.

    The layers of `floating`, by label, get none."""
    import torch

    with quiet():
        from torchao.quantization.pt2e.quantize_pt2e import prepare_pt2e

    try:
        with quiet(), torch.no_grad():
            module = program.module()
            make_foldable(module)
            prepared: fx.GraphModule = prepare_pt2e(module, quantizer(options, frozenset(floating)))
    except Exception as error:
        raise QuantizeError(f"the quantizer refuses the graph: {summary(error)}") from error
    _refuse_unknown(floating, prepared)
    return prepared


def _refuse_unknown(floating: Collection[str], prepared: fx.GraphModule) -> None:
    """A name that is no layer's would leave nothing in float, without a word."""
    known = {layer_label(node) for node in prepared.graph.nodes}
    layers = [layer_label(node) for node in prepared.graph.nodes if node.op == "call_function"]
    for name in [name for name in floating if name not in known]:
        lookup("layer to stay float", name, dict.fromkeys(layers))


def _calibrated(
    captured: Captured, samples: Batches, options: QuantizeSpec, floating: Collection[str]
) -> fx.GraphModule:
    prepared = prepared_graph(captured.program, options, floating)
    calibrate(prepared, captured, samples, options)
    return prepared


def _converted(prepared: fx.GraphModule) -> fx.GraphModule:
    import torch

    with quiet():
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e
    try:
        with quiet(), torch.no_grad():
            _name_apart(prepared)
            converted: fx.GraphModule = convert_pt2e(prepared)
            _share_equal(converted)
            drop_unused(converted)
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


def _name_apart(prepared: fx.GraphModule) -> None:
    """A second name for each constant that becomes int8 in one place and is read in others too.

    Once one reader has its int8 form, torchao deletes the name, without asking who else reads it.
    """
    constants = [node for node in prepared.graph.nodes if node.op == "get_attr"]
    readers = Counter(str(node.target) for node in constants)
    for number, node in enumerate(constants):
        name = str(node.target)
        if readers[name] > 1 and all(user.op == "call_module" for user in node.users):
            node.target = f"{name.replace('.', '_')}_rounded_{number}"
            prepared.register_buffer(node.target, attrgetter(name)(prepared).detach())
    prepared.recompile()


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


def _report(
    program: ExportedProgram,
    samples: int,
    layers: tuple[LayerNoise, ...],
    rule: Rule,
    tried: tuple[RangeRule, ...],
    chosen: Plan | None,
) -> QuantizationReport:
    """Operators that have an int8 form: those whose input and weight are dequantized, and all of them."""
    calls = [node for node in program.graph.nodes if node.op == "call_function"]
    scales = [scale for node in calls if operator_name(node) == "quantize_per_tensor" for scale in node.args[1:2]]
    if not scales:
        raise QuantizeError(
            "nothing in this model has an int8 form (convolutions, linear layers, additions and the like)",
            hint="export it as fp32",
        )
    if not all(isinstance(scale, float) and math.isfinite(scale) and scale > 0 for scale in scales):
        raise not_finite("an activation was NaN or infinite")
    candidates = [node for node in calls if operator_name(node) in _CANDIDATES]
    quantized = [node for node in candidates if all(map(_is_restored, _operands(node)))]
    return QuantizationReport(samples, len(quantized), len(candidates), layers, rule, tried, chosen)


def _operands(node: fx.Node) -> tuple[object, ...]:
    """The input and, where it is not moved about first, the weight."""
    return (node.args[1],) if operator_name(node) == "addmm" else node.args[:2]


def _is_restored(operand: object) -> bool:
    return operator_name(operand).startswith("dequantize")
