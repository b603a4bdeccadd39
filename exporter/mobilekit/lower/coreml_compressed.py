"""Compressed Core ML: a float16 package -> the same with int8, int4 or palettized weights. Refuses one without any.

Activations stay float16; the runtime restores the weights, on the Neural Engine while it computes. What a finer form
does not fit (int4 wants input channels in whole groups of 32, a table for every 16 output channels as many of these)
gets the coarser one in a second pass, so that no large weight stays in float16.
Source: https://apple.github.io/coremltools/docs-guides/source/opt-overview.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mobilekit.errors import QuantizeError
from mobilekit.quantize.schemes import scheme
from mobilekit.quiet import quiet

WEIGHT_THRESHOLD = 512
"""coremltools' own, 2048, passes by most weights of small networks. Below this one, scales and tables eat the gain."""
_CHANNELS = 16
"""Output channels that share a table: folded batch norms leave channels of very different ranges."""
_RESTORING = ("constexpr_affine_dequantize", "constexpr_blockwise_shift_scale", "constexpr_lut_to_dense")


def compressed(package: Any, name: str) -> Any:
    """`package` with its weights as the scheme says. Raises QuantizeError when none is large enough."""
    with quiet():
        for one in _STEPS[name]:
            package = one(package)
    if not any(operator in _RESTORING for operator in operators_of(package)):
        raise QuantizeError(
            f"{name}: this model has no weight of {WEIGHT_THRESHOLD} values or more, so nothing would be smaller",
            hint="export it as fp16",
        )
    return package


def operators_of(package: Any) -> tuple[str, ...]:
    """The types of its operations, but for constants."""
    functions = package.get_spec().mlProgram.functions.values()
    blocks = [block for function in functions for block in function.block_specializations.values()]
    return tuple(sorted({operation.type for block in blocks for operation in block.operations} - {"const"}))


def _integers(package: Any, **settings: Any) -> Any:
    import coremltools.optimize.coreml as cto

    one = cto.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=WEIGHT_THRESHOLD, **settings)
    return cto.linear_quantize_weights(package, cto.OptimizationConfig(global_config=one))


def _palette(package: Any, **settings: Any) -> Any:
    import coremltools.optimize.coreml as cto

    one = cto.OpPalettizerConfig(mode="kmeans", weight_threshold=WEIGHT_THRESHOLD, **settings)
    return cto.palettize_weights(package, cto.OptimizationConfig(global_config=one))


_STEPS: dict[str, tuple[Callable[[Any], Any], ...]] = {
    "int8-weight-only": (partial(_integers, dtype="int8"),),
    "int4-weight-only": (
        partial(_integers, dtype="int4", granularity="per_block", block_size=scheme("int4-weight-only").group_size),
        partial(_integers, dtype="int8"),
    ),
    "palettize-4": (
        partial(_palette, nbits=4, granularity="per_grouped_channel", group_size=_CHANNELS),
        partial(_palette, nbits=4),
    ),
    "palettize-6": (partial(_palette, nbits=6),),
}
COMPRESSED = frozenset(_STEPS)
