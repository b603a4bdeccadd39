"""Summary: what an inspection says about a file, as typed values and as lines to print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Annotated, Literal

from pydantic import Field

from mobilekit.bundle.contents import Call, Count, Delegate, OperatorCount, TensorInfo, Weight
from mobilekit.inspection.causes import Fallback
from mobilekit.inspection.costs import Profile
from mobilekit.spec.base import Spec


class PteDetails(Spec):
    """An ExecuTorch program."""

    kind: Literal["pte"] = "pte"
    methods: tuple[str, ...]
    backends: tuple[str, ...] = Field(description="that the runtime must have registered")
    delegates: tuple[Delegate, ...]
    planned_memory_bytes: Count = Field(description="activations outside delegates")
    constant_bytes: Count = Field(description="weights and other data, of delegates too")
    calls: tuple[Call, ...] = Field(description="kernels and delegates, in the order they run")
    fallbacks: tuple[Fallback, ...] = Field(description="what runs outside delegates, and why")


class OnnxDetails(Spec):
    """An ONNX model."""

    kind: Literal["onnx"] = "onnx"
    ir_version: Count
    opsets: dict[str, int] = Field(description="operator set by domain; ai.onnx is the standard one")
    producer: str
    weight_bytes: dict[str, int] = Field(description="bytes of initializers by dtype")
    external_files: tuple[str, ...] = Field(description="files that must lie beside this one")
    metadata: dict[str, str]


class CoreMLDetails(Spec):
    """A Core ML package."""

    kind: Literal["mlpackage"] = "mlpackage"
    specification_version: Count
    minimum_ios: str | None = Field(description="None for a specification version that is not known here")
    model_type: str = Field(description="mlProgram, or the older kind of model it holds")
    weight_bytes: Count
    metadata: dict[str, str]


class Pt2Details(Spec):
    """A program saved by torch.export."""

    kind: Literal["pt2"] = "pt2"
    torch_version: str
    parameters: Count = Field(description="number of weights that are trained")
    weight_bytes: dict[str, int] = Field(description="bytes of parameters and buffers by dtype")


class BundledArtifact(Spec):
    """One artifact of a bundle, in a line."""

    target: str
    scheme: str
    file: str
    bytes: Count
    runtime: str
    minimum_runtime: str
    profile: Profile | None = Field(default=None, description="where it was measured")
    not_measured: str | None = Field(default=None, description="why not, where the bundle was measured")


class BundleDetails(Spec):
    """A bundle; every file was held against its hash."""

    kind: Literal["bundle"] = "bundle"
    model: str
    schema_version: Count
    created: str
    artifacts: tuple[BundledArtifact, ...]
    files: Count
    golden_samples: Count
    warnings: tuple[str, ...]


Details = Annotated[PteDetails | OnnxDetails | CoreMLDetails | Pt2Details | BundleDetails, Field(discriminator="kind")]


class Inspection(Spec):
    """What is inside an artifact."""

    path: str
    bytes: Count
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    operators: tuple[OperatorCount, ...] = Field(
        description="of a .pte: the kernel calls outside delegates; else of the whole graph. The most frequent first."
    )
    weights: tuple[Weight, ...] = Field(default=(), description="constants of the graph; none for a bundle")
    details: Details
    profile: Profile | None = Field(
        default=None, description="where it was measured; those of a bundle stand with its artifacts"
    )

    @property
    def kind(self) -> str:
        return self.details.kind

    def lines(self) -> tuple[tuple[str, str], ...]:
        """Label and value pairs, in reading order, for a terminal."""
        return (
            ("file", self.path),
            ("kind", _KINDS[self.kind]),
            ("size", f"{size_text(self.bytes)} ({self.bytes} bytes)"),
            *(("input", _tensor(tensor)) for tensor in self.inputs),
            *(("output", _tensor(tensor)) for tensor in self.outputs),
            *_detail_lines(self.details),
            *self._operator_lines(),
        )

    def _operator_lines(self) -> Iterator[tuple[str, str]]:
        if self.kind == "bundle":
            return
        label = "operators outside delegates" if self.kind == "pte" else "operators"
        yield label, histogram(self.operators) or "none"


def size_text(count: int) -> str:
    """`1.23 MB`, `4.9 kB` or `80 B`; a megabyte is 10^6 bytes."""
    if count >= 1_000_000:
        return f"{count / 1e6:.2f} MB"
    return f"{count / 1e3:.1f} kB" if count >= 1000 else f"{count} B"


def histogram(operators: tuple[OperatorCount, ...]) -> str:
    """`12 conv, 3 relu`"""
    return ", ".join(f"{operator.count} {operator.name}" for operator in operators)


_KINDS = {
    "pte": "ExecuTorch program (.pte)",
    "onnx": "ONNX model",
    "mlpackage": "Core ML package (.mlpackage)",
    "pt2": "torch.export program (.pt2)",
    "bundle": "mobilekit bundle",
}


def _tensor(tensor: TensorInfo) -> str:
    return f"{tensor.name}: {tensor.dtype} [{', '.join(str(dim) for dim in tensor.shape)}]"


def _detail_lines(details: Details) -> Iterator[tuple[str, str]]:
    match details:
        case PteDetails():
            yield from _pte_lines(details)
        case OnnxDetails():
            opsets = ", ".join(f"{domain} {version}" for domain, version in details.opsets.items())
            yield "operator sets", f"{opsets} (IR version {details.ir_version})"
            yield "made by", details.producer or "unknown"
            yield "weights", _by_dtype(details.weight_bytes)
            if details.external_files:
                yield "needs beside it", ", ".join(details.external_files)
            yield from details.metadata.items()
        case CoreMLDetails():
            minimum = f"iOS {details.minimum_ios}" if details.minimum_ios else "unknown"
            yield "runs on", f"{minimum} or later (specification version {details.specification_version})"
            yield "model type", details.model_type
            yield "weights", size_text(details.weight_bytes)
            yield from details.metadata.items()
        case Pt2Details():
            yield "made by", f"torch {details.torch_version}"
            yield "parameters", str(details.parameters)
            yield "weights", _by_dtype(details.weight_bytes)
        case BundleDetails():
            yield "model", details.model
            yield "schema version", str(details.schema_version)
            yield "created", details.created
            for artifact in details.artifacts:
                needs = f"{artifact.runtime} {artifact.minimum_runtime} or later"
                yield "artifact", f"{artifact.file}: {size_text(artifact.bytes)}, {needs}"
            yield "files", f"{details.files}, all with the hash that bundle.json gives"
            yield "golden samples", str(details.golden_samples)
            yield from (("warning", warning) for warning in details.warnings)


def _pte_lines(details: PteDetails) -> Iterator[tuple[str, str]]:
    yield "methods", ", ".join(details.methods)
    yield "needs backends", ", ".join(details.backends) or "none"
    yield "delegates", str(len(details.delegates))
    for index, delegate in enumerate(details.delegates):
        inside = f": {histogram(delegate.nodes)}" if delegate.nodes else ""
        weights = f" and {size_text(delegate.weight_bytes)} of weights" if delegate.weight_bytes else ""
        yield f"delegate {index}", f"{delegate.backend}, {size_text(delegate.bytes)}{weights}{inside}"
    yield "planned memory", f"{size_text(details.planned_memory_bytes)}, outside delegates"
    yield "constants", size_text(details.constant_bytes)


def _by_dtype(weights: dict[str, int]) -> str:
    return ", ".join(f"{dtype} {size_text(count)}" for dtype, count in weights.items()) or "none"


def bytes_by_operator(weights: tuple[Weight, ...]) -> dict[str, int]:
    """Bytes of weights by the kind of operator that they go into, the largest first."""
    return _by(weights, lambda weight: weight.operator or "(no operator)")


def bytes_by_dtype(weights: tuple[Weight, ...]) -> dict[str, int]:
    """Bytes of weights by dtype, the largest first."""
    return _by(weights, lambda weight: weight.dtype)


def largest(weights: tuple[Weight, ...], count: int) -> tuple[Weight, ...]:
    """The `count` largest, the largest first, equal ones by name."""
    return tuple(sorted(weights, key=lambda weight: (-weight.bytes, weight.name))[:count])


def _by(weights: tuple[Weight, ...], key: Callable[[Weight], str]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for weight in weights:
        sums[key(weight)] += weight.bytes
    return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))
