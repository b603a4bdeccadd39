"""The manifest: bundle.json as typed values. Schema version 1; docs/bundle.md explains each field.

Figures carry their evidence (n, spread, threads), and what was not executed has no figures: `verification`
and `benchmark` of such an artifact hold a reason instead. Refuses what contradicts itself: two artifacts of
one target and scheme, a file with two hashes, a golden tensor whose bytes do not fit its shape.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from mobilekit.bundle.measured import (
    Benchmark,
    Check,
    ColdStart,
    Count,
    Fraction,
    Instructions,
    Interval,
    Latency,
    LayerNoise,
    Metrics,
    OperatorInstructions,
    Quantization,
    RangeRule,
    Verification,
)
from mobilekit.environment import Environment
from mobilekit.spec.base import Spec
from mobilekit.spec.preprocess import Preprocess
from mobilekit.spec.stream import Streaming
from mobilekit.spec.tensor import DType, TensorSpec

__all__ = [
    "ITEM_BYTES",
    "SCHEMA_VERSION",
    "Artifact",
    "Benchmark",
    "Calibration",
    "Check",
    "ColdStart",
    "Count",
    "Delegation",
    "FileEntry",
    "Fraction",
    "GoldenOutput",
    "GoldenSample",
    "GoldenTensor",
    "Instructions",
    "Interval",
    "Latency",
    "LayerNoise",
    "Manifest",
    "Metrics",
    "ModelEntry",
    "OperatorInstructions",
    "Quantization",
    "RangeRule",
    "RelativePath",
    "Sha256",
    "StreamEntry",
    "TestData",
    "Timestamp",
    "Verification",
    "WholeForm",
]
SCHEMA_VERSION: Final = 1
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
RelativePath = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$")]
Timestamp = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")]
ITEM_BYTES: dict[str, int] = {
    "float32": 4,
    "float16": 2,
    "int64": 8,
    "int32": 4,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
}


class FileEntry(Spec):
    """A file, or a folder such as an .mlpackage, with what it takes to notice a change."""

    file: RelativePath = Field(description="relative to the bundle, with forward slashes, never outside it")
    bytes: Count = Field(description="of the file, or of all files below the folder")
    sha256: Sha256 = Field(
        description="of the file; of a folder, the hash of its sorted lines '<sha256>  <relative path>\\n'"
    )


class ModelEntry(Spec):
    """Which model this is and where it came from."""

    name: str
    source: str = Field(
        description="how the model was named: a zoo name, a path, package.module:build, torchvision:..."
    )
    task: Literal["image-classification", "audio-classification", "tensor"] = Field(
        default="tensor",
        description="…-classification: the first output is (batch, classes), the highest value is the class",
    )
    parameters: Count = Field(description="number of weights, not bytes")
    recipe_sha256: Sha256 | None = None
    weights_sha256: Sha256 | None = None
    trained: bool = Field(description="false when the weights are random: no accuracy can be expected")
    commit: str | None = Field(
        default=None, description="git commit of the model's code; ends in +changes when the tree differed from it"
    )


class Delegation(Spec):
    """How much of an ExecuTorch program runs in delegates."""

    delegates: Count = Field(description="1 is best; each further one costs a hand-over")
    delegated_nodes: Count = Field(description="graph nodes inside delegates")
    portable_nodes: Count = Field(description="graph nodes outside, run by slower kernels")


class Artifact(FileEntry):
    """One lowered model file."""

    target: str
    scheme: str
    runtime: str = Field(description="the runtime that loads it: executorch, onnxruntime, coreml, torch")
    minimum_runtime: str = Field(description="the lowest runtime version known to load it")
    backends: tuple[str, ...] = ()
    operators: tuple[str, ...] = Field(
        default=(), description="operators the runtime must register besides the backends"
    )
    ship: bool = Field(default=True, description="false for the eager reference, which stays on the desk")
    inputs: tuple[TensorSpec, ...] = Field(description="names as this file has them, in order")
    outputs: tuple[TensorSpec, ...]
    delegation: Delegation | None = None
    planned_memory_bytes: Count | None = Field(
        default=None, description="activations outside delegates, for which an ExecuTorch program plans a place"
    )
    verification: Verification | None = None
    benchmark: Benchmark | None = None


class Calibration(Spec):
    """What the int8 scales were measured on."""

    source: str = Field(description="a data set's name, or 'generated' for random input")
    split: str
    samples: Count
    indices_sha256: Sha256 | None = Field(default=None, description="hash of the sample indices, in order")
    seed: int
    generated: bool = Field(description="true: random input; the scales mean nothing for accuracy")


class TestData(Spec):
    """What accuracy was measured on."""

    __test__ = False

    source: str = Field(description="a data set's name, or 'generated' for random input")
    split: str
    samples: Count
    indices_sha256: Sha256 | None = Field(default=None, description="hash of the sample indices, in order")
    seed: int = Field(default=0, description="which samples of the split were drawn, where not all of them are used")
    generated: bool = Field(default=False, description="true: random input; figures show numeric parity, not accuracy")
    skipped: tuple[str, ...] = Field(
        default=(), description="files that could not be read and were left out by request"
    )


class GoldenTensor(FileEntry):
    """A little-endian, C-contiguous tensor in a file of its own."""

    name: str = Field(description="the input or output, as the manifest's or the artifact's own list names it")
    dtype: DType
    shape: tuple[Count, ...]

    @model_validator(mode="after")
    def _bytes_fit_the_shape(self) -> Self:
        expected = math.prod(self.shape) * ITEM_BYTES[self.dtype]
        if self.bytes != expected:
            raise ValueError(
                f"a {self.dtype} tensor of shape {list(self.shape)} has {expected} bytes, not {self.bytes}"
            )
        return self


class GoldenOutput(Spec):
    """One artifact's outputs for a golden sample, and how far another machine may be from them."""

    target: str
    scheme: str
    outputs: tuple[GoldenTensor, ...]
    max_abs_error: Annotated[float, Field(ge=0)] = Field(description="the largest difference of any value that passes")


class GoldenSample(Spec):
    """One sample all the way: encoded image or sound -> decoded pixels or waveform -> tensors -> outputs."""

    id: str
    label: Count | None = Field(default=None, description="index into labels.txt; null when not known")
    encoded: FileEntry | None = Field(default=None, description="as a camera, a microphone or a file gives it")
    pixels: GoldenTensor | None = Field(
        default=None, description="decoded, oriented, uint8 (H, W, C), before colour order"
    )
    waveform: GoldenTensor | None = Field(
        default=None, description="decoded, mono, at the model's rate, cut or padded: float32 (clip_samples), unframed"
    )
    inputs: tuple[GoldenTensor, ...]
    input_max_abs_error: Annotated[float, Field(ge=0)] = Field(
        description="how far the preprocessing of another implementation may be from `inputs`, in any value"
    )
    outputs: tuple[GoldenOutput, ...]


class WholeForm(FileEntry):
    """The eager program that takes a whole sample: what the streaming artifacts are held against. It is not shipped."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class StreamEntry(Streaming):
    """How an app feeds the artifacts: piece by piece, each call's states handed to the next (docs/streaming.md)."""

    whole: WholeForm


class Manifest(Spec):
    """bundle.json."""

    schema_version: Literal[1] = SCHEMA_VERSION
    created: Timestamp = Field(description="UTC, for example 2026-11-21T01:17:00Z")
    model: ModelEntry
    preprocess: Preprocess | None = Field(
        default=None,
        description="from an encoded image or sound to the one input; null: the app makes the tensors itself",
    )
    inputs: tuple[TensorSpec, ...] = Field(description="of the model; artifacts have the same ones in the same order")
    outputs: tuple[TensorSpec, ...]
    stream: StreamEntry | None = Field(default=None, description="null: each call takes a whole sample")
    labels: FileEntry | None = Field(default=None, description="UTF-8, line i (from 0) names class i, lines end in LF")
    artifacts: tuple[Artifact, ...]
    calibration: Calibration | None = Field(default=None, description="null when nothing was quantized statically")
    quantization: tuple[Quantization, ...] = Field(
        default=(), description="one for each scheme that was calibrated; bundles of older releases have none"
    )
    test_data: TestData | None = Field(default=None, description="null when nothing was verified")
    golden: tuple[GoldenSample, ...] = ()
    reports: tuple[FileEntry, ...] = ()
    environment: Environment = Field(description="where the figures were measured")
    warnings: tuple[str, ...] = Field(default=(), description="what a reader must know before trusting the figures")

    @model_validator(mode="after")
    def _no_contradictions(self) -> Self:
        variants = Counter((artifact.target, artifact.scheme) for artifact in self.artifacts)
        twice = [f"{target} {scheme}" for (target, scheme), count in variants.items() if count > 1]
        if twice:
            raise ValueError(f"artifacts: {', '.join(twice)} is listed more than once")
        known: dict[str, tuple[int, str]] = {}
        for entry in self.files():
            if known.setdefault(entry.file, (entry.bytes, entry.sha256)) != (entry.bytes, entry.sha256):
                raise ValueError(f"{entry.file} is listed with two different hashes")
        return self

    @property
    def shipped(self) -> tuple[Artifact, ...]:
        """The artifacts that are meant for a phone."""
        return tuple(artifact for artifact in self.artifacts if artifact.ship)

    @property
    def sample_inputs(self) -> tuple[TensorSpec, ...]:
        """The tensors of one whole sample, as data sets and golden samples hold it."""
        return self.stream.whole.inputs if self.stream else self.inputs

    def files(self) -> tuple[FileEntry, ...]:
        """Every file that the manifest vouches for."""
        golden = [
            entry
            for sample in self.golden
            for entry in (
                *((sample.encoded,) if sample.encoded else ()),
                *((sample.pixels,) if sample.pixels else ()),
                *((sample.waveform,) if sample.waveform else ()),
                *sample.inputs,
                *(tensor for output in sample.outputs for tensor in output.outputs),
            )
        ]
        whole = (self.stream.whole,) if self.stream else ()
        return (*self.artifacts, *whole, *((self.labels,) if self.labels else ()), *self.reports, *golden)
