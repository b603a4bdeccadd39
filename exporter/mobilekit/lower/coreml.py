"""Core ML: ExportedProgram -> .mlpackage (ML program, iOS 17), in float32, float16 or int8.

Source: coremltools' unified conversion, https://apple.github.io/coremltools/docs-guides/source/convert-pytorch.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.errors import LowerError
from mobilekit.files import storage_errors
from mobilekit.lower.recurrent import unrolled
from mobilekit.lower.target import Lowered, refused
from mobilekit.quiet import quiet
from mobilekit.spec import TensorSpec
from mobilekit.tracing import lean

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_POOLS = {f"{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3)}


@dataclass(frozen=True)
class CoreML:
    """iOS and macOS: CPU, GPU and Neural Engine."""

    name: str = "coreml"
    summary: str = "Core ML package for iOS 17 and macOS 14, on CPU, GPU and Neural Engine"
    schemes: tuple[str, ...] = ("fp32", "fp16", "int8")
    runtime: str = "coreml"
    suffix: str = ".mlpackage"

    def minimum_runtime(self) -> str:
        return "iOS17"

    def missing(self) -> str | None:
        return None if find_spec("coremltools") else "Core ML needs: pip install 'mobilekit[coreml]'"

    def lower(
        self,
        program: ExportedProgram,
        scheme: str,
        path: Path,
        *,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
    ) -> Lowered:
        """Convert; int8 keeps the program's quantize/dequantize pairs, and float16 around them."""
        with quiet():
            import coremltools as ct

        _check_names([*inputs, *outputs])
        precision = ct.precision.FLOAT32 if scheme == "fp32" else ct.precision.FLOAT16
        try:
            with quiet(), lean():
                package = ct.convert(
                    _prepared(program),
                    minimum_deployment_target=ct.target.iOS17,
                    compute_precision=precision,
                    outputs=[_output_type(ct, spec) for spec in outputs],
                    skip_model_load=True,
                )
                _rename_inputs(ct, package, inputs)
        except Exception as error:
            raise refused("coreml", error) from error
        with storage_errors(path), quiet():
            package.save(str(path))
        return Lowered(path, tuple(inputs), tuple(outputs), operators=_operators(package))


def _prepared(program: ExportedProgram) -> ExportedProgram:
    """The program in the ATen dialect, with arguments spelled out that coremltools expects and torch leaves out."""
    import torch

    # coremltools has no name for doing nothing, nor for becoming zero
    table = {torch.ops.aten.alias.default: torch.clone, torch.ops.aten.zero.default: torch.zeros_like}
    lowered: ExportedProgram = unrolled(program).run_decompositions(table)
    for node in lowered.graph.nodes:
        if node.op == "call_function" and _operator_name(node.target) in _POOLS and len(node.args) == 2:
            node.args = (*node.args, node.args[1])  # the stride defaults to the kernel size
    lowered.graph_module.recompile()
    return lowered


def _check_names(specs: Sequence[TensorSpec]) -> None:
    """coremltools would give another name to what is called like a word of its language, against the contract."""
    with quiet():
        from coremltools.converters.mil.mil.passes.defs.preprocess import NameSanitizer

    for spec in specs:
        if NameSanitizer().sanitize_name(spec.name) != spec.name:
            raise LowerError(
                f"coreml: a tensor cannot be called {spec.name!r}, a word of Core ML's model language",
                hint=f"call it {spec.name}_0 or the like in the recipe or with -i",
            )


def _operator_name(target: object) -> str:
    """`aten.max_pool2d.default` -> `max_pool2d`."""
    return str(target).partition(".")[2].partition(".")[0]


def _output_type(ct: Any, spec: TensorSpec) -> Any:
    """Named, and float32 also where the arithmetic inside is float16: the contract's outputs are the module's."""
    import numpy as np

    return ct.TensorType(name=spec.name, dtype=np.float32) if spec.dtype == "float32" else ct.TensorType(name=spec.name)


def _rename_inputs(ct: Any, package: Any, inputs: Sequence[TensorSpec]) -> None:
    """coremltools names inputs after forward()'s arguments; the contract uses the declared names."""
    spec = package.get_spec()
    for feature, declared in zip(list(spec.description.input), inputs, strict=True):
        if feature.name != declared.name:
            ct.utils.rename_feature(spec, feature.name, declared.name, rename_inputs=True, rename_outputs=False)
    package._spec = spec


def _operators(package: Any) -> tuple[str, ...]:
    names: set[str] = set()
    for function in package.get_spec().mlProgram.functions.values():
        for block in function.block_specializations.values():
            names |= {operation.type for operation in block.operations}
    return tuple(sorted(names - {"const"}))
