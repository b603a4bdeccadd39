"""Core ML: ExportedProgram -> .mlpackage (ML program of iOS 17 or later), in float32, float16, int8 or compressed.

Source: coremltools' unified conversion, https://apple.github.io/coremltools/docs-guides/source/convert-pytorch.html
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.errors import LowerError, QuantizeError
from mobilekit.files import storage_errors
from mobilekit.lower.coreml_compressed import COMPRESSED, compressed, operators_of
from mobilekit.lower.recurrent import unrolled
from mobilekit.lower.target import OTHER_INT8, Lowered, Realization, realizations, refused
from mobilekit.quiet import quiet
from mobilekit.spec import TensorSpec
from mobilekit.tracing import lean, patched

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_POOLS = {f"{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3)}
SCHEMES = realizations(
    Realization("fp32", "float32, which the Neural Engine does not compute in", "only to compare with"),
    Realization("fp16", "float16 throughout, cast by coremltools", "always: half the file, and the Neural Engine"),
    Realization(
        "int8",
        "quantize/dequantize pairs around float16 operators, int8 weights",
        "Neural Engines with int8 arithmetic (A17 Pro, M4 and later); a quarter of the file everywhere",
        prepared=True,
    ),
    *OTHER_INT8,
    Realization(
        "int8-weight-only",
        "int8 weights per channel (linear_quantize_weights), float16 arithmetic",
        "a quarter of the file at nearly no loss, without data",
    ),
    Realization(
        "int4-weight-only",
        "int4 weights in blocks of 32 input channels, int8 where these do not fit, float16 arithmetic",
        "large models: about a sixth of the file, where 4 bits are accurate enough",
        minimum_runtime="iOS18",
    ),
    Realization(
        "palettize-4",
        "16 values by k-means for every 16 output channels (one table for a layer where these do not fit)",
        "about a seventh of the file; a table fits the weights better than even steps do",
        minimum_runtime="iOS18",
    ),
    Realization(
        "palettize-6",
        "64 values by k-means for each layer, float16 arithmetic",
        "about a fifth of the file, close to fp16 in accuracy",
    ),
)


@dataclass(frozen=True)
class CoreML:
    """iOS and macOS: CPU, GPU and Neural Engine."""

    name: str = "coreml"
    summary: str = "Core ML package for iOS 17 and macOS 14, on CPU, GPU and Neural Engine"
    schemes: Mapping[str, Realization] = field(default_factory=lambda: SCHEMES)
    runtime: str = "coreml"
    suffix: str = ".mlpackage"

    def minimum_runtime(self, scheme: str) -> str:
        return self.schemes[scheme].minimum_runtime or "iOS17"

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
        """Convert; int8 keeps the program's quantize/dequantize pairs, and float16 around them.

        Compressed weights come after that, from the package in float16.
        """
        with quiet():
            import coremltools as ct

        _check_names([*inputs, *outputs])
        precision = ct.precision.FLOAT32 if scheme == "fp32" else ct.precision.FLOAT16
        try:
            with quiet(), lean(), checked_at_the_end():
                package = ct.convert(
                    _prepared(program),
                    minimum_deployment_target=ct.target[self.minimum_runtime(scheme)],
                    compute_precision=precision,
                    outputs=[_output_type(ct, spec) for spec in outputs],
                    skip_model_load=True,
                )
            if scheme in COMPRESSED:
                package = compressed(package, scheme)
            with quiet():
                _rename_inputs(ct, package, inputs)
        except QuantizeError:
            raise
        except Exception as error:
            raise refused("coreml", error) from error
        with storage_errors(path), quiet():
            package.save(str(path))
        return Lowered(path, tuple(inputs), tuple(outputs), operators=operators_of(package))


@contextlib.contextmanager
def checked_at_the_end() -> Iterator[None]:
    """For the block, coremltools checks a program before it writes it, and not after each of a hundred passes as well.

    That is half the time of an int8 conversion. The file is the same to the byte (a test holds it)."""
    with quiet():
        from coremltools.converters.mil.mil.passes.pass_pipeline import PassPipelineManager
        from coremltools.converters.mil.mil.program import Program

    apply = PassPipelineManager.apply_pipeline

    def unchecked(program: Any, pipeline: Any) -> None:
        with patched(Program, "validate", lambda _, **__: None):
            apply(program, pipeline)

    with patched(PassPipelineManager, "apply_pipeline", staticmethod(unchecked)):
        yield


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
