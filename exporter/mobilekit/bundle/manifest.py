"""The manifest: bundle.json as typed values. Schema version 1; docs/bundle.md explains each field.

Figures carry their evidence (n, spread, threads), and what was not executed has no figures: `verification`
and `benchmark` of such an artifact hold a reason instead.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mobilekit.environment import Environment
from mobilekit.spec.base import Spec
from mobilekit.spec.image import ImagePreprocess
from mobilekit.spec.tensor import TensorSpec

SCHEMA_VERSION = 1
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
RelativePath = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$")]
Count = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class FileEntry(Spec):
    """A file, or a folder such as an .mlpackage, with what it takes to notice a change."""

    file: RelativePath
    bytes: Count
    sha256: Sha256


class ModelEntry(Spec):
    """Which model this is and where it came from."""

    name: str
    source: str = Field(description="how the model was named: a zoo name, a path, package.module:build, torchvision:...")
    parameters: Count
    recipe_sha256: Sha256 | None = None
    weights_sha256: Sha256 | None = None
    trained: bool = Field(description="false when the weights are random: no accuracy can be expected")
    commit: str | None = None


class Delegation(Spec):
    """How much of an ExecuTorch program runs in delegates."""

    delegates: Count
    delegated_nodes: Count
    portable_nodes: Count


class Metrics(Spec):
    """An artifact's outputs against eager's, on the same real samples."""

    samples: Count
    top1: Fraction | None = Field(default=None, description="None when the samples carry no labels of this model")
    top1_eager: Fraction | None = None
    agreement: Fraction | None = Field(default=None, description="share of samples whose arg-max equals eager's")
    sqnr_db: float | None = Field(description="signal to quantization noise; None when the outputs are bit-equal")
    max_abs_error: Annotated[float, Field(ge=0)]


class Check(Spec):
    """One figure held against a named threshold."""

    name: str
    value: float | None
    threshold: float
    passed: bool


class Verification(Spec):
    """What running the artifact showed. `metrics` and `checks` are present exactly when it was executed."""

    executed: bool
    reason: str | None = Field(default=None, description="why it was not executed here")
    runner: str | None = None
    metrics: Metrics | None = None
    checks: tuple[Check, ...] = ()

    @model_validator(mode="after")
    def _never_a_tick_for_what_was_not_run(self) -> Self:
        if self.executed != (self.metrics is not None) or (not self.executed and (self.checks or not self.reason)):
            raise ValueError("an executed artifact has metrics; one that was not executed has a reason and no checks")
        return self

    @property
    def passed(self) -> bool | None:
        """True or False for what was executed, None for what was not."""
        return all(check.passed for check in self.checks) if self.executed else None


class Latency(Spec):
    """Milliseconds per inference at batch 1, each runtime alone in its own process."""

    n: Annotated[int, Field(ge=1)]
    warmup: Count
    median_ms: float
    p90_ms: float
    min_ms: float
    iqr_ms: float
    threads: Annotated[int, Field(ge=1)]
    ratio_to_eager: float | None = Field(default=None, description="median over eager's median, same run")


class Benchmark(Spec):
    """Latency, load time and memory of one artifact."""

    executed: bool
    reason: str | None = None
    runner: str | None = None
    latency: Latency | None = None
    load_ms: float | None = None
    peak_memory_bytes: Count | None = Field(default=None, description="peak resident memory above the level before loading")

    @model_validator(mode="after")
    def _figures_exactly_when_executed(self) -> Self:
        if self.executed != (self.latency is not None) or (not self.executed and not self.reason):
            raise ValueError("an executed benchmark has latency; one that was not executed has a reason")
        return self


class Artifact(FileEntry):
    """One lowered model file."""

    target: str
    scheme: str
    runtime: str = Field(description="the runtime that loads it: executorch, onnxruntime, coreml, torch")
    minimum_runtime: str = Field(description="the lowest runtime version known to load it")
    backends: tuple[str, ...] = ()
    operators: tuple[str, ...] = Field(default=(), description="operators the runtime must register besides the backends")
    ship: bool = Field(default=True, description="false for the eager reference, which stays on the desk")
    inputs: tuple[TensorSpec, ...] = Field(description="names as this file has them, in order")
    outputs: tuple[TensorSpec, ...]
    delegation: Delegation | None = None
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

    source: str
    split: str
    samples: Count
    indices_sha256: Sha256 | None = None
    generated: bool = False
    skipped: tuple[str, ...] = Field(default=(), description="files that could not be read and were left out by request")


class GoldenTensor(FileEntry):
    """A little-endian, C-contiguous tensor in a file of its own."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class GoldenOutput(Spec):
    """One artifact's outputs for a golden sample, and how far another machine may be from them."""

    target: str
    scheme: str
    outputs: tuple[GoldenTensor, ...]
    max_abs_error: Annotated[float, Field(ge=0)]


class GoldenSample(Spec):
    """One sample all the way: encoded image -> decoded pixels -> tensors -> outputs."""

    id: str
    label: int | None = None
    encoded: FileEntry | None = Field(default=None, description="as a camera or file gives it")
    pixels: GoldenTensor | None = Field(default=None, description="decoded, oriented, uint8 (H, W, C), before colour order")
    inputs: tuple[GoldenTensor, ...]
    input_max_abs_error: Annotated[float, Field(ge=0)]
    outputs: tuple[GoldenOutput, ...]


class Manifest(Spec):
    """bundle.json."""

    schema_version: Literal[1] = SCHEMA_VERSION
    created: str = Field(description="UTC, ISO 8601")
    model: ModelEntry
    preprocess: ImagePreprocess | None = None
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    labels: FileEntry | None = None
    artifacts: tuple[Artifact, ...]
    calibration: Calibration | None = None
    test_data: TestData | None = None
    golden: tuple[GoldenSample, ...] = ()
    reports: tuple[FileEntry, ...] = ()
    environment: Environment
    warnings: tuple[str, ...] = Field(default=(), description="what a reader must know before trusting the figures")

    def files(self) -> tuple[FileEntry, ...]:
        """Every file that the manifest vouches for."""
        golden = [
            entry
            for sample in self.golden
            for entry in (
                *((sample.encoded,) if sample.encoded else ()),
                *((sample.pixels,) if sample.pixels else ()),
                *sample.inputs,
                *(tensor for output in sample.outputs for tensor in output.outputs),
            )
        ]
        return (*self.artifacts, *((self.labels,) if self.labels else ()), *self.reports, *golden)
