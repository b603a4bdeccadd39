"""Keys: what decides the results of the stages of an export, one field for each thing.

All of mobilekit's own code counts that has a part in them, all versions, and the processor, on whose kernels the last
bits hang. Refuses to vouch for what it cannot see: operators, targets and runners that are others' code.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from mobilekit.bundle.manifest import StreamEntry
from mobilekit.cache import Key, code_sha256
from mobilekit.environment import describe, version_of
from mobilekit.model.ranges import Ranges
from mobilekit.runners import Array, Feed
from mobilekit.spec import QuantizeSpec, TensorSpec
from mobilekit.spec.base import Spec

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_CODE = (
    *("bundle", "capture", "data", "environment", "files", "lower", "model", "pipeline", "preprocess", "quantize"),
    *("registry", "runners", "spec", "tracing", "usercode", "verify"),
)
_MORE_PACKAGES = ("onnx-ir", "scikit-learn", "scipy", "sympy")
_KNOWN_NAMESPACES = frozenset({"aten", "prim", "prims", "quantized_decomposed", "torchao", "higher_order", "builtin"})


class Basis(Spec):
    """Where and with what a result is made."""

    system: str
    processor: str
    architecture: str
    features: tuple[str, ...]
    python: str
    packages: dict[str, str]
    threads: int


class StageKey(Key):
    """What all stages have in common."""

    basis: Basis


class QuantizeKey(StageKey):
    """A calibrated or prepared program. `samples_sha256` None: the scheme needs no data."""

    stage: Literal["quantize"] = "quantize"
    program_sha256: str
    inputs: tuple[TensorSpec, ...]
    scheme: str
    options: QuantizeSpec | None = None
    ranges: Ranges | None = None
    samples_sha256: str | None = None
    feed: Feed | None = None


class LowerKey(StageKey):
    """An artifact. `program_sha256` is that of the program it is lowered from, float or quantized."""

    stage: Literal["lower"] = "lower"
    program_sha256: str
    target: str
    scheme: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class VerifyKey(StageKey):
    """What running an artifact beside eager showed."""

    stage: Literal["verify"] = "verify"
    eager_sha256: str
    artifact_sha256: str
    scheme: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    samples_sha256: str
    judged: bool
    runner: str
    stream: StreamEntry | None
    golden: int


def basis(threads: int) -> Basis:
    """This machine, these versions, and `threads` of torch or of a runtime."""
    here = describe()
    more = {name: version for name in _MORE_PACKAGES if (version := version_of(name)) is not None}
    return Basis(
        system=here.machine.system,
        processor=here.machine.processor,
        architecture=here.machine.architecture,
        features=here.machine.features,
        python=platform.python_version(),
        packages={**here.packages, **more, "mobilekit": here.mobilekit},
        threads=threads,
    )


@cache
def code() -> str:
    """Hash of our own code that has a part in any of these."""
    return code_sha256(*_CODE)


def samples_sha256(samples: Sequence[Sequence[Array]], labels: Sequence[int] | None) -> str:
    """Hash of what a program is run on: dtypes, shapes, numbers, and labels."""
    import numpy as np

    hashed = hashlib.sha256(repr(None if labels is None else list(labels)).encode())
    for sample in samples:
        for array in sample:
            hashed.update(f"{array.dtype.str} {array.shape}\n".encode())
            hashed.update(np.ascontiguousarray(array).data)
    return hashed.hexdigest()


def is_ours(thing: Any) -> bool:
    """Whether a target's or runner's code is in the key: a plug-in's is not."""
    return type(thing).__module__.partition(".")[0] == "mobilekit"


def is_known(program: ExportedProgram) -> bool:
    """Whether all operators are torch's: what another one does when it is lowered, its user's code decides."""
    import torch

    for module in program.graph_module.modules():
        for node in getattr(getattr(module, "graph", None), "nodes", ()):
            if node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload):
                if node.target.namespace not in _KNOWN_NAMESPACES:
                    return False
            elif node.op == "call_function" and isinstance(node.target, torch._ops.OpOverloadPacket):
                return False
    return True
