"""The runners by name, and which one takes which artifact."""

from __future__ import annotations

from pathlib import Path

from mobilekit.errors import UnknownName, UsageError
from mobilekit.registry import lookup, with_plugins
from mobilekit.runners.adb import AdbRunner
from mobilekit.runners.arm64 import Arm64Runner
from mobilekit.runners.base import AnyRunner, Varied
from mobilekit.runners.coreml import CoreMLRunner
from mobilekit.runners.eager import EagerRunner
from mobilekit.runners.native import NativeRunner
from mobilekit.runners.onnx import OnnxRunner
from mobilekit.runners.pte import PteRunner

# Of two that take the same files, the first is the one that is used unasked.
_BUILTIN: dict[str, AnyRunner] = {
    "eager": EagerRunner(),
    "pte": PteRunner(),
    "onnx": OnnxRunner(),
    "coreml": CoreMLRunner(),
    "native": NativeRunner(),
    "arm64": Arm64Runner(),
    "adb": AdbRunner(),
}
RUNNERS: dict[str, AnyRunner] = with_plugins("runners", _BUILTIN)


def runner(name: str) -> AnyRunner:
    """The runner called `name`, or a variant of one (`arm64:cortex-a53`); raises UnknownName with the choices."""
    base, colon, variant = name.partition(":")
    found = lookup("runner", base, RUNNERS)
    if not colon:
        return found
    if not isinstance(found, Varied):
        raise UsageError(f"the runner {base!r} has no variants, so that {name!r} means nothing")
    return found.variant(variant)


def runner_for(artifact: Path, asked: str | None = None) -> AnyRunner:
    """The runner called `asked` where it takes files like `artifact`, else the first that does, by the suffix.

    Raises UnknownName when there is none, or none that is called `asked`.
    """
    if asked is not None and artifact.suffix in (wanted := runner(asked)).suffixes:
        return wanted
    for one in RUNNERS.values():
        if artifact.suffix in one.suffixes:
            return one
    known = sorted(suffix for one in RUNNERS.values() for suffix in one.suffixes)
    raise UnknownName("kind of artifact", artifact.suffix or artifact.name, known)
