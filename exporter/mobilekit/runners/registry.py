"""The runners by name, and which one takes which artifact."""

from __future__ import annotations

from pathlib import Path

from mobilekit.errors import UnknownName
from mobilekit.registry import lookup, with_plugins
from mobilekit.runners.base import Runner
from mobilekit.runners.coreml import CoreMLRunner
from mobilekit.runners.eager import EagerRunner
from mobilekit.runners.onnx import OnnxRunner
from mobilekit.runners.pte import PteRunner

_BUILTIN: dict[str, Runner] = {
    "eager": EagerRunner(),
    "pte": PteRunner(),
    "onnx": OnnxRunner(),
    "coreml": CoreMLRunner(),
}
RUNNERS: dict[str, Runner] = with_plugins("runners", _BUILTIN)


def runner(name: str) -> Runner:
    """The runner called `name`; raises UnknownName with the choices."""
    return lookup("runner", name, RUNNERS)


def runner_for(artifact: Path) -> Runner:
    """The runner that takes files like `artifact`, by its suffix; raises UnknownName when there is none."""
    for one in RUNNERS.values():
        if artifact.suffix in one.suffixes:
            return one
    known = sorted(suffix for one in RUNNERS.values() for suffix in one.suffixes)
    raise UnknownName("kind of artifact", artifact.suffix or artifact.name, known)
