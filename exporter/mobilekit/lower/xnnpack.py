"""XNNPACK: ExportedProgram -> ExecuTorch program (.pte) with XNNPACK delegates.

Source: ExecuTorch's XNNPACK backend, https://docs.pytorch.org/executorch/stable/backends/xnnpack/xnnpack-overview.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.bundle.manifest import Delegation
from mobilekit.bundle.pte import read_pte
from mobilekit.environment import version_of
from mobilekit.files import storage_errors
from mobilekit.lower.recurrent import written_out
from mobilekit.lower.replay import decomposed_where_needed, remembered
from mobilekit.lower.rewrite import infer_dynamic_dimension, ranges_kept, without_traces
from mobilekit.lower.rewrites import XNNPACK, Rewrites, rewritten
from mobilekit.lower.target import OTHER_INT8, Lowered, Realization, realizations, refused
from mobilekit.lower.xnnpack_partition import no_patterns, partitioner
from mobilekit.lower.xnnpack_readers import own_values
from mobilekit.quiet import quiet
from mobilekit.spec import TensorSpec
from mobilekit.tracing import lean

if TYPE_CHECKING:
    from torch.export import ExportedProgram

SCHEMES = realizations(
    Realization("fp32", "float32 in XNNPACK's kernels", "where accuracy may not change at all"),
    Realization(
        "fp16",
        "arithmetic in float16 inside the delegate; linear weights are float16, convolutions' stay float32 in the file",
        "processors with float16 arithmetic: about half the instructions of fp32 on a Cortex-A76; slower on x86",
        prepared=True,
    ),
    Realization(
        "int8",
        "int8 weights per channel and int8 activations, the whole graph in integer kernels",
        "convolutional networks: a quarter of the file, and faster on phones",
        prepared=True,
    ),
    *OTHER_INT8,
    Realization(
        "int8-dynamic",
        "int8 linear layers whose activations get their scale row by row in the kernel; the rest stays float32",
        "where linear layers are most of the model, and there is no data to calibrate on",
        prepared=True,
    ),
    Realization(
        "int4-weight-only",
        "linear layers with int4 weights in groups of 32 and int8 activations (8da4w); the rest stays float32",
        "large linear layers: about a sixth of the bytes; loses more accuracy than int8-dynamic",
        prepared=True,
    ),
)


@dataclass(frozen=True)
class Xnnpack:
    """Android and iOS, on the CPU."""

    name: str = "xnnpack"
    summary: str = "ExecuTorch .pte for the CPU of Android and iOS phones"
    schemes: Mapping[str, Realization] = field(default_factory=lambda: SCHEMES)
    runtime: str = "executorch"
    suffix: str = ".pte"
    rewrites: Rewrites = field(default_factory=lambda: XNNPACK)

    def minimum_runtime(self, scheme: str) -> str:
        """A .pte is loaded by the runtime of the release that wrote it, and by later ones."""
        return version_of("executorch") or "unknown"

    def missing(self) -> str | None:
        return None if find_spec("executorch") else "ExecuTorch is not installed: pip install executorch"

    def lower(
        self,
        program: ExportedProgram,
        scheme: str,
        path: Path,
        *,
        inputs: Sequence[TensorSpec],
        outputs: Sequence[TensorSpec],
    ) -> Lowered:
        """Partition for XNNPACK; what it does not take stays with ExecuTorch's portable kernels."""
        with quiet():
            from executorch.exir import to_edge_transform_and_lower

        try:
            with quiet(), lean(), no_patterns():
                bare = without_traces(program)
                with ranges_kept(bare):
                    changed = rewritten(bare, {**self.rewrites, **written_out(bare)})
                    prepared = infer_dynamic_dimension(changed)
                    own_values(prepared)
                just_decomposed = changed is not bare
                with ranges_kept(prepared), remembered(), decomposed_where_needed(functional=just_decomposed):
                    edge = to_edge_transform_and_lower(prepared, partitioner=[partitioner()])
                    executorch = edge.to_executorch()
        except Exception as error:
            raise refused("xnnpack", error) from error
        with storage_errors(path), path.open("wb") as stream:
            executorch.write_to_file(stream)
        summary = read_pte(path)
        return Lowered(
            path,
            tuple(inputs),
            tuple(outputs),
            backends=summary.backends,
            operators=tuple(operator.name for operator in summary.operators),
            delegation=Delegation(
                delegates=len(summary.delegates),
                delegated_nodes=summary.delegated_nodes,
                portable_nodes=summary.portable_nodes,
            ),
        )
