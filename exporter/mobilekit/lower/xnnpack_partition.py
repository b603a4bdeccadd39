"""What goes to XNNPACK: ExecuTorch's own choice, and the activations that XNNPACK also computes in int8."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from mobilekit.quantize.quantizer import ACTIVATIONS
from mobilekit.quiet import quiet
from mobilekit.tracing import patched


def partitioner() -> Any:
    """An XnnpackPartitioner that takes `ACTIVATIONS` in int8 too.

    XNNPACK looks them up in a table of 256 values, one step for one byte. ExecuTorch's own list has them in float
    only, which leaves a conversion to float before and to int8 after each.
    """
    with quiet():
        from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS
        from executorch.backends.xnnpack.partition.config.xnnpack_config import ConfigPrecisionType
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    both = [ConfigPrecisionType.FP32, ConfigPrecisionType.STATIC_QUANT]

    def also_int8(config: Any) -> Any:
        if config.target_name.partition(".")[0] not in ACTIVATIONS:
            return config
        return type(config.__name__, (config,), {"supported_precision_types": lambda _self: list(both)})

    return XnnpackPartitioner(configs=[also_int8(config) for config in ALL_PARTITIONER_CONFIGS])


@contextlib.contextmanager
def no_patterns() -> Iterator[None]:
    """For the block, XNNPACK's passes look for no decomposed resizes and attentions: there are none.

    Resizes stay whole until they reach XNNPACK, and attention is said in its operators by a rewrite. To look for them
    ExecuTorch first exports five examples, some seconds in every process.
    """
    with quiet():
        from executorch.backends.xnnpack.partition.graphs import bilinear_2d, sdpa

    with patched(bilinear_2d, "_get_bilinear_2d_graphs", dict), patched(sdpa, "get_graphs", list):
        yield
