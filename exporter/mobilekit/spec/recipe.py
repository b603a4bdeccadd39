"""Recipe: everything about a model that is not its code. docs/recipes.md explains each field."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from mobilekit.spec.base import Spec
from mobilekit.spec.preprocess import Preprocess, check_fits
from mobilekit.spec.quantize import QuantizeSpec
from mobilekit.spec.stream import StreamSpec, check_stream
from mobilekit.spec.tensor import TensorSpec
from mobilekit.spec.train import Positive, Seed, TrainSpec


class DataSpec(Spec):
    """Which data set, and how much of it calibrates and measures. Splits are fixed by `seed`."""

    name: str = Field(
        description="digits, mnist, cifar10, imagefolder:PATH, wavfolder:PATH, ...: docs/data.md names them all"
    )
    calibration_samples: Positive = 256
    test_samples: Positive | None = Field(default=None, description="None measures on the whole test split")
    seed: Seed = 0


class ExportSpec(Spec):
    """What `mobilekit export` makes when the command does not say."""

    targets: tuple[str, ...] = ("xnnpack", "onnx", "coreml")
    schemes: tuple[str, ...] = ("fp32", "int8")


class Recipe(Spec):
    """One model: its inputs, preprocessing, labels, data, training and export defaults."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    summary: str = ""
    task: Literal["image-classification", "audio-classification", "tensor"] = "image-classification"
    args: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of model.py's build()")
    inputs: Annotated[tuple[TensorSpec, ...], Field(min_length=1)]
    preprocess: Preprocess | None = None
    labels: tuple[str, ...] | None = None
    data: DataSpec | None = None
    train: TrainSpec = TrainSpec()
    quantize: QuantizeSpec = QuantizeSpec()
    export: ExportSpec = ExportSpec()
    stream: StreamSpec | None = Field(default=None, description="how the model is fed piece by piece on a phone")

    @model_validator(mode="before")
    @classmethod
    def _share_dynamic_dims(cls, raw: Any) -> Any:
        """`[dynamic.batch]` stands once at the top of the file and is handed to every input that names it."""
        if not isinstance(raw, dict) or "dynamic" not in raw:
            return raw
        raw = dict(raw)
        shared, inputs = raw.pop("dynamic"), raw.get("inputs")
        if not isinstance(shared, dict) or not isinstance(inputs, list | tuple):
            raise ValueError("dynamic must be a table of tables, for example [dynamic.batch] with min and max")
        raw["inputs"] = tuple(_with_dynamic(one, shared) for one in inputs)
        return raw

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = [spec.name for spec in self.inputs]
        if len(set(names)) != len(names):
            raise ValueError(f"inputs: each needs a name of its own, given {names}")
        if self.labels is not None and len(set(self.labels)) != len(self.labels):
            raise ValueError("labels: each label must be unique")
        if self.preprocess is not None:
            check_fits(self.preprocess, self.inputs)
        if self.stream is not None:
            check_stream(self.stream, self.inputs)
        return self


def _with_dynamic(one: Any, shared: dict[str, Any]) -> Any:
    if not isinstance(one, dict) or not isinstance(one.get("shape"), list | tuple):
        return one
    used = {dim: shared[dim] for dim in one["shape"] if isinstance(dim, str) and dim in shared}
    own = one.get("dynamic", {})
    return {**one, "dynamic": {**used, **own} if isinstance(own, dict) else own}
