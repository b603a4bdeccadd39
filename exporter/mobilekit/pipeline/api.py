"""`mobilekit.export`: a module and example inputs in, a bundle out, for someone who never writes a recipe."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.bundle import Bundle
from mobilekit.data import Dataset
from mobilekit.errors import UsageError
from mobilekit.model import ModelSource
from mobilekit.pipeline.exporting import ExportOptions, export_source
from mobilekit.progress import SILENT, Progress
from mobilekit.spec import DataSpec, DynamicDim, ImagePreprocess, Recipe
from mobilekit.spec.load import validate_recipe

if TYPE_CHECKING:
    import torch
    from torch import nn


def export(
    module: nn.Module,
    example_inputs: Sequence[torch.Tensor],
    *,
    targets: Sequence[str] = ("xnnpack", "onnx", "coreml"),
    quantize: str | Sequence[str] = "fp32",
    output: str | Path | None = None,
    name: str | None = None,
    input_names: Sequence[str] | None = None,
    dynamic_batch: int | None = None,
    data: str | Dataset | None = None,
    preprocess: ImagePreprocess | None = None,
    labels: Sequence[str] | None = None,
    trained: bool = True,
    threads: int | None = None,
    bench: bool = True,
    force: bool = False,
    progress: Progress = SILENT,
) -> Bundle:
    """Export, verify and measure `module`; returns the bundle written to `output` (`bundles/<name>` when None).

    `example_inputs`: one tensor per argument of forward(), with the shapes and dtypes that the phone will feed.
    `quantize`: one scheme or several: "fp32", "fp16" (Core ML), "int8".
    `dynamic_batch`: when given, dimension 0 of every input may be 1 to this size.
    `data`: a data set's name ("digits", "imagefolder:photos") or a Dataset. Its train split calibrates int8, its
    test split measures accuracy. Without it random input does both, and the bundle says so.
    `preprocess`, `labels`: what turns an image into the input, and names the classes; both go into the bundle.
    `trained` false says that the weights are random, so that accuracy is not judged.

    Raises a MobilekitError: UnknownName and UsageError for a target or scheme that does not exist, OutputExists,
    CaptureError, QuantizeError, LowerError, DataError, RunnerError, StorageError.
    """
    example = tuple(example_inputs)
    if not example:
        raise UsageError("example_inputs is empty", hint="give one tensor per argument of forward()")
    chosen = name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(module).__name__).lower()
    recipe = _recipe(chosen, example, input_names, dynamic_batch, preprocess, labels)
    source = ModelSource(
        reference=f"python:{type(module).__qualname__}", recipe=recipe, build=lambda: module, trained=trained
    )
    options = ExportOptions(
        targets=tuple(targets),
        schemes=(quantize,) if isinstance(quantize, str) else tuple(quantize),
        data=DataSpec(name=data) if isinstance(data, str) else None,
        threads=threads,
        bench=bench,
        force=force,
    )
    was_training = module.training
    try:
        return export_source(
            source,
            Path(output) if output is not None else Path("bundles") / chosen,
            options,
            dataset=None if isinstance(data, str) else data,
            example=None if dynamic_batch else example,
            progress=progress,
        )
    finally:
        module.train(was_training)


def _recipe(
    name: str,
    example: tuple[torch.Tensor, ...],
    input_names: Sequence[str] | None,
    dynamic_batch: int | None,
    preprocess: ImagePreprocess | None,
    labels: Sequence[str] | None,
) -> Recipe:
    names = input_names or (["input"] if len(example) == 1 else [f"input{index}" for index in range(len(example))])
    if len(names) != len(example):
        raise UsageError(f"input_names has {len(names)} names for {len(example)} example inputs")
    inputs = []
    for one, tensor in zip(names, example, strict=True):
        shape: list[int | str] = list(tensor.shape)
        dynamic: dict[str, DynamicDim] = {}
        if dynamic_batch is not None and shape:
            shape[0], dynamic["batch"] = "batch", DynamicDim(max=dynamic_batch)
        inputs.append(
            {"name": one, "dtype": str(tensor.dtype).removeprefix("torch."), "shape": shape, "dynamic": dynamic}
        )
    raw = {
        "name": name,
        "task": "image-classification" if preprocess else "tensor",
        "inputs": inputs,
        "preprocess": preprocess,
        "labels": None if labels is None else tuple(labels),
    }
    return validate_recipe(raw, source="mobilekit.export")
