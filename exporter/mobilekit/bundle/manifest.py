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

from mobilekit.environment import Environment
from mobilekit.spec.base import Spec
from mobilekit.spec.preprocess import Preprocess
from mobilekit.spec.stream import Streaming
from mobilekit.spec.tensor import DType, TensorSpec

SCHEMA_VERSION: Final = 1
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
RelativePath = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$")]
Count = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Timestamp = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")]
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


class Metrics(Spec):
    """An artifact's outputs against eager's, on the same real samples."""

    samples: Count
    top1: Fraction | None = Field(default=None, description="None when the samples carry no labels of this model")
    top1_eager: Fraction | None = None
    agreement: Fraction | None = Field(default=None, description="share of samples whose arg-max equals eager's")
    sqnr_db: float | None = Field(
        description="signal to quantization noise of the worst output; null: all equal; -200: some value is not finite"
    )
    max_abs_error: Annotated[float, Field(ge=0)] = Field(description="over the values that are finite in both")
    nonfinite: Count = Field(default=0, description="output values that are NaN, or infinite on one side only")


class Check(Spec):
    """One figure held against a named threshold. `value` None: there is no difference at all (SQNR is infinite)."""

    name: str
    value: float | None
    threshold: float
    bound: Literal["at least", "at most"] = "at least"
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
        """True or False for what was held against thresholds, None for what was not."""
        return all(check.passed for check in self.checks) if self.checks else None


class Interval(Spec):
    """Where a figure lies with 95 % confidence, or the lowest and highest that were seen."""

    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low must not be above high ({self.low} and {self.high})")
        return self


class Latency(Spec):
    """Milliseconds per call, each runtime alone in its own process, in rounds in which all take turns.

    Fields with a default of None came with later releases: older bundles do not have them.
    """

    n: Annotated[int, Field(ge=1)]
    warmup: Count
    median_ms: float
    p90_ms: float
    min_ms: float
    iqr_ms: float
    threads: Annotated[int, Field(ge=1)]
    batch: Annotated[int, Field(ge=1)] | None = Field(default=None, description="samples in one call")
    rounds: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="blocks of timings that the figures rest on, one per turn"
    )
    p99_ms: float | None = None
    median_ci95: Interval | None = Field(default=None, description="of the median, by a bootstrap over rounds")
    ratio_to_eager: float | None = Field(
        default=None, description="median over eager's median, same run; since there are rounds, the median of theirs"
    )
    ratio_ci95: Interval | None = Field(default=None, description="of the ratio, by a bootstrap over rounds")
    self_ratio: float | None = Field(
        default=None, description="a second copy in a process of its own over the first, same run: the noise floor"
    )
    self_ratio_ci95: Interval | None = None
    pinned_cores: tuple[Count, ...] | None = Field(
        default=None, description="the cores that the process was held to; null: wherever the system put it"
    )
    preemptions_per_second: float | None = Field(
        default=None,
        description="how often other programs took a core away; above 100 the figures tell the machine's load",
    )
    steal_share: Fraction | None = Field(
        default=None, description="share of the processor's time that a virtual machine's host gave to others meanwhile"
    )
    frequency_mhz: Interval | None = Field(
        default=None, description="lowest and highest clock that was seen between rounds"
    )


class ColdStart(Spec):
    """The first use in new processes, the file in the page cache. Medians over `n` of them."""

    n: Annotated[int, Field(ge=1)]
    threads: Annotated[int, Field(ge=1)]
    load_ms: Annotated[float, Field(ge=0)]
    first_ms: Annotated[float, Field(ge=0)] = Field(description="the first inference")
    slowest_ms: Annotated[float, Field(ge=0)] = Field(description="load and first inference of the slowest start")


class Benchmark(Spec):
    """Latency, load time and memory of one artifact."""

    executed: bool
    reason: str | None = None
    runner: str | None = None
    latency: Latency | None = None
    load_ms: float | None = None
    peak_memory_bytes: Count | None = Field(
        default=None, description="peak resident memory above the level before loading"
    )
    others: tuple[Latency, ...] = Field(default=(), description="at other numbers of threads and batch sizes")
    cold: ColdStart | None = None

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
