"""ONNX: ExportedProgram -> .onnx for ONNX Runtime Mobile; a quantized program becomes QuantizeLinear/DequantizeLinear.

Source: torch.onnx's exporter, https://docs.pytorch.org/docs/stable/onnx_export.html
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.errors import LowerError, QuantizeError
from mobilekit.files import storage_errors
from mobilekit.lower.onnx_compressed import COMPRESSED
from mobilekit.lower.onnx_folds import drop_repeated_roundings, fold_clips
from mobilekit.lower.onnx_kernels import integer_biases, pool_means
from mobilekit.lower.onnx_moves import concat_before_rounding, move_integers
from mobilekit.lower.onnx_quantized import unsigned_activations
from mobilekit.lower.recurrent import unrolled
from mobilekit.lower.rewrite import without_traces
from mobilekit.lower.target import OTHER_INT8, Lowered, Realization, realizations, refused
from mobilekit.quantize.schemes import scheme as scheme_called
from mobilekit.quiet import quiet
from mobilekit.spec import TensorSpec
from mobilekit.tracing import lean

if TYPE_CHECKING:
    from torch.export import ExportedProgram

OPSET = 18
IR_VERSION = 8
"""The file format that came with the opset; the exporter writes a later one, which older runtimes refuse."""
SCHEMES = realizations(
    Realization("fp32", "float32 as it is", "where accuracy may not change at all"),
    Realization(
        "fp16",
        "weights stored in float16 and cast to float32 when the model is loaded; the arithmetic is float32",
        "half the file at the speed of fp32; memory and latency do not change",
    ),
    Realization(
        "int8",
        "QuantizeLinear/DequantizeLinear pairs with uint8 activations, which ONNX Runtime fuses into integer kernels",
        "convolutional networks: a quarter of the file, and faster on most processors",
        prepared=True,
    ),
    *OTHER_INT8,
    Realization(
        "int8-dynamic",
        "linear layers as DynamicQuantizeLinear and MatMulInteger (quantize_dynamic); the rest stays float32",
        "where linear layers are most of the model, and there is no data to calibrate on",
    ),
    Realization(
        "int8-weight-only",
        "int8 weights per channel behind DequantizeLinear, made float again in every call",
        "a quarter of the file where activations must stay float; slower than fp32",
    ),
    Realization(
        "int4-weight-only",
        "linear layers as MatMulNBits with groups of 32, activations rounded to int8 in the kernel; the rest float32",
        "large linear layers: about a sixth of the bytes, and faster than fp32; loses more accuracy than int8",
        minimum_runtime="1.17",
    ),
)
REWRITES = (
    unsigned_activations,
    fold_clips,
    move_integers,
    concat_before_rounding,
    drop_repeated_roundings,
    pool_means,
    integer_biases,
)
"""What makes ONNX Runtime compute a quantized graph in integers. In this order; a float graph stays as it is."""


@dataclass(frozen=True)
class Onnx:
    """ONNX Runtime on Android and iOS."""

    name: str = "onnx"
    summary: str = "ONNX file for ONNX Runtime on Android and iOS"
    schemes: Mapping[str, Realization] = field(default_factory=lambda: SCHEMES)
    runtime: str = "onnxruntime"
    suffix: str = ".onnx"

    def minimum_runtime(self, scheme: str) -> str:
        """ONNX Runtime 1.14 is the first with opset 18 (onnxruntime.ai/docs/reference/compatibility.html).

        MatMulNBits and its accuracy_level came with 1.17.
        """
        return self.schemes[scheme].minimum_runtime or "1.14"

    def missing(self) -> str | None:
        absent = [name for name in ("onnx", "onnxscript") if not find_spec(name)]
        return f"ONNX export needs: pip install {' '.join(absent)}" if absent else None

    def lower(
        self,
        program: ExportedProgram,
        scheme: str,
        path: Path,
        *,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
    ) -> Lowered:
        """Export at a fixed opset, with the declared names for inputs, outputs and dynamic dimensions."""
        import torch

        if scheme_called(scheme).kind in ("dynamic", "weights"):
            program = unrolled(program)  # ONNX Runtime's recurrent operators take float weights only
        try:
            with quiet(), lean():
                exported = torch.onnx.export(
                    without_traces(program),
                    dynamo=True,
                    opset_version=OPSET,
                    verbose=False,
                )
                if exported is None:
                    raise LowerError("onnx: the exporter returned nothing")
                _rewrite(exported.model)
                _name_ends(exported.model, inputs, outputs)
                model = exported.model_proto
            model.ir_version = IR_VERSION
            if scheme in COMPRESSED:
                model = COMPRESSED[scheme](model)
        except (LowerError, QuantizeError):
            raise
        except Exception as error:
            raise refused("onnx", error) from error
        _drop_notes(model)
        _name_dimensions(model, inputs)
        with storage_errors(path):
            path.write_bytes(model.SerializeToString())
        return Lowered(path, tuple(inputs), tuple(outputs), operators=_operators(model))


def _rewrite(model: Any) -> None:
    from onnx_ir.passes.common import RemoveUnusedNodesPass

    for rewrite in REWRITES:
        rewrite(model)
    RemoveUnusedNodesPass()(model)


def _name_ends(model: Any, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
    """Give inputs and outputs of an onnx_ir model their declared names.

    What else is called so, such as a weight of an output's name, steps aside: ONNX has one name for one value.
    """
    graph = model.graph
    named = [*zip(graph.inputs, inputs, strict=True), *zip(graph.outputs, outputs, strict=True)]
    ends, declared = {id(value) for value, _ in named}, {spec.name for _, spec in named}
    made = [value for node in graph.all_nodes() for value in node.outputs]
    values = [*graph.initializers.values(), *made]
    used = declared | {value.name for value in values}
    for value in values:
        if value.name in declared and id(value) not in ends:
            value.name = next(name for n in itertools.count() if (name := f"{value.name}.{n}") not in used)
            used.add(value.name)
    for value, spec in named:
        value.name = spec.name


def _name_dimensions(model: Any, inputs: Sequence[TensorSpec]) -> None:
    """Call dynamic dimensions as the recipe does (batch), not as the tracer does (s77)."""
    renamed: dict[str, str] = {}
    for value, spec in zip(model.graph.input, inputs, strict=True):
        for dim, declared in zip(value.type.tensor_type.shape.dim, spec.shape, strict=True):
            if isinstance(declared, str) and dim.dim_param:
                renamed[dim.dim_param] = declared
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in renamed:
                dim.dim_param = renamed[dim.dim_param]


def _drop_notes(model: Any) -> None:
    """Drop what the exporter notes of its own work at every node: up to 60 % of the file of a small int8 model."""
    graph = model.graph
    nodes = [*graph.node, *(node for function in model.functions for node in function.node)]
    for one in (*nodes, *graph.value_info, *graph.initializer, *graph.input, *graph.output, graph, model):
        one.ClearField("metadata_props")


def _operators(model: Any) -> tuple[str, ...]:
    names = {f"{node.domain or 'ai.onnx'}::{node.op_type}" for node in model.graph.node}
    names |= {f"{node.domain or 'ai.onnx'}::{node.op_type}" for function in model.functions for node in function.node}
    return tuple(sorted(names))
