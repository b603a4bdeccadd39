"""Recipe: everything about a model that is not its code. docs/recipes.md explains each field."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from mobilekit.spec.base import Spec
from mobilekit.spec.image import ImagePreprocess
from mobilekit.spec.tensor import TensorSpec

Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class DataSpec(Spec):
    """Which data set, and how much of it calibrates and measures. Splits are fixed by `seed`."""

    name: str = Field(
        description="digits, mnist, fashion-mnist, cifar10, imagefolder:PATH, npz:PATH, package.module:function"
    )
    calibration_samples: Positive = 256
    test_samples: Positive | None = Field(default=None, description="None measures on the whole test split")
    seed: Seed = 0


class TrainSpec(Spec):
    """How `mobilekit train` trains."""

    epochs: Positive = 10
    batch_size: Positive = 64
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    schedule: Literal["constant", "cosine", "one-cycle"] = "one-cycle"
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    shift_pixels: Annotated[int, Field(ge=0, le=64)] = Field(
        default=0, description="random shift of images, zero-filled"
    )
    validation_fraction: Annotated[float, Field(gt=0, le=0.5)] = Field(
        default=0.1, description="share of the train split held back to choose the best epoch"
    )
    seed: Seed = 0


class ExportSpec(Spec):
    """What `mobilekit export` makes when the command does not say."""

    targets: tuple[str, ...] = ("xnnpack", "onnx", "coreml")
    schemes: tuple[str, ...] = ("fp32", "int8")


class Recipe(Spec):
    """One model: its inputs, preprocessing, labels, data, training and export defaults."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    summary: str = ""
    task: Literal["image-classification", "tensor"] = "image-classification"
    args: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of model.py's build()")
    inputs: Annotated[tuple[TensorSpec, ...], Field(min_length=1)]
    preprocess: ImagePreprocess | None = None
    labels: tuple[str, ...] | None = None
    data: DataSpec | None = None
    train: TrainSpec = TrainSpec()
    export: ExportSpec = ExportSpec()

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
            _check_preprocess(self.preprocess, self.inputs)
        return self


def _with_dynamic(one: Any, shared: dict[str, Any]) -> Any:
    if not isinstance(one, dict) or not isinstance(one.get("shape"), list | tuple):
        return one
    used = {dim: shared[dim] for dim in one["shape"] if isinstance(dim, str) and dim in shared}
    own = one.get("dynamic", {})
    return {**one, "dynamic": {**used, **own} if isinstance(own, dict) else own}


def _check_preprocess(preprocess: ImagePreprocess, inputs: tuple[TensorSpec, ...]) -> None:
    """The tensor that preprocessing makes must be the model's one input."""
    if len(inputs) != 1:
        raise ValueError("preprocess: an image model has exactly one input")
    shape = inputs[0].shape
    if len(shape) != 4:
        raise ValueError(f"preprocess: the input must have 4 dimensions ({preprocess.layout}), given {len(shape)}")
    axis = {"NCHW": (1, 2, 3), "NHWC": (3, 1, 2)}[preprocess.layout]
    size = preprocess.output_size or (shape[axis[1]], shape[axis[2]])
    made = (preprocess.channels, *size)
    wanted = tuple(shape[i] for i in axis)
    if any(isinstance(w, int) and w != m for m, w in zip(made, wanted, strict=True)):
        raise ValueError(
            f"preprocess makes channels, height, width {made}, but input {inputs[0].name!r} is {inputs[0].describe()}"
        )
