"""The targets by name, and which scheme goes with which."""

from __future__ import annotations

from collections.abc import Sequence

from mobilekit.errors import UsageError
from mobilekit.lower.coreml import CoreML
from mobilekit.lower.onnx import Onnx
from mobilekit.lower.target import Target
from mobilekit.lower.xnnpack import Xnnpack
from mobilekit.quantize.schemes import nearest, scheme
from mobilekit.registry import lookup, with_plugins

TARGETS: dict[str, Target] = with_plugins("targets", {"xnnpack": Xnnpack(), "onnx": Onnx(), "coreml": CoreML()})


def target(name: str) -> Target:
    """The target called `name`; raises UnknownName with the choices."""
    return lookup("target", name, TARGETS)


def check_schemes(targets: Sequence[str], schemes: Sequence[str]) -> tuple[tuple[Target, str], ...]:
    """Every (target, scheme) pair to be made. A pair that does not exist is refused, with the nearest ones that do.

    Raises UnknownName or UsageError."""
    chosen = [target(name) for name in dict.fromkeys(targets)]
    wanted = [scheme(name).name for name in dict.fromkeys(schemes)]
    refused = [(one, name) for one in chosen for name in wanted if name not in one.schemes]
    if refused:
        lines = "".join(f"\n  {_refusal(one, name)}" for one, name in refused)
        raise UsageError(
            f"{len(refused)} combination(s) of target and scheme do not exist:{lines}",
            hint="`mobilekit list schemes` shows what works, how it is made and when it pays",
        )
    return tuple((one, name) for one in chosen for name in wanted)


def _refusal(one: Target, name: str) -> str:
    others = [other.name for other in TARGETS.values() if name in other.schemes]
    elsewhere = f", or {name} on {' or '.join(others)}" if others else ""
    close = f"nearest is {nearest(name, one.schemes)}{elsewhere}"
    return f"{one.name} does not take {name}; it takes {', '.join(one.schemes)}; {close}"
