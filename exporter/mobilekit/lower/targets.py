"""The targets by name, and which scheme goes with which."""

from __future__ import annotations

from collections.abc import Sequence

from mobilekit.errors import UsageError
from mobilekit.lower.coreml import CoreML
from mobilekit.lower.onnx import Onnx
from mobilekit.lower.target import Target
from mobilekit.lower.xnnpack import Xnnpack
from mobilekit.quantize.schemes import scheme
from mobilekit.registry import lookup, with_plugins

TARGETS: dict[str, Target] = with_plugins("targets", {"xnnpack": Xnnpack(), "onnx": Onnx(), "coreml": CoreML()})


def target(name: str) -> Target:
    """The target called `name`; raises UnknownName with the choices."""
    return lookup("target", name, TARGETS)


def check_schemes(targets: Sequence[str], schemes: Sequence[str]) -> tuple[tuple[Target, str], ...]:
    """Every (target, scheme) pair to be made. A scheme that no requested target takes is refused, and so is a pair
    that one of them does not take. Raises UnknownName or UsageError; each says what the target does take."""
    chosen = [target(name) for name in dict.fromkeys(targets)]
    wanted = [scheme(name).name for name in dict.fromkeys(schemes)]
    refused = [(one, name) for one in chosen for name in wanted if name not in one.schemes]
    if refused:
        lines = "".join(
            f"\n  {one.name} does not take {name}; it takes {', '.join(one.schemes)}" for one, name in refused
        )
        raise UsageError(f"{len(refused)} combination(s) of target and scheme do not exist:{lines}")
    return tuple((one, name) for one in chosen for name in wanted)
