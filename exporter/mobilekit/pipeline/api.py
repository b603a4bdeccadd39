"""`mobilekit.export`: a module and example inputs in, a bundle out, for someone who never writes a recipe."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.bundle import Bundle
from mobilekit.data import Dataset
from mobilekit.data.samples import Corrupt
from mobilekit.errors import UsageError
from mobilekit.model import ModelSource
from mobilekit.pipeline.evidence import DEFAULT_TEST_SAMPLES
from mobilekit.pipeline.exporting import ExportOptions, export_source
from mobilekit.pipeline.golden import DEFAULT_COUNT
from mobilekit.progress import SILENT, Progress
from mobilekit.spec import DataSpec, Preprocess, QuantizeSpec, Recipe
from mobilekit.spec.load import validate_recipe

if TYPE_CHECKING:
    import torch
    from torch import nn

Tensors = tuple["torch.Tensor", ...]


def export(
    module: nn.Module,
    example_inputs: torch.Tensor | Sequence[torch.Tensor],
    *,
    targets: str | Sequence[str] = ("xnnpack", "onnx", "coreml"),
    quantize: str | Sequence[str] = "fp32",
    output: str | Path | None = None,
    name: str | None = None,
    input_names: Sequence[str] | None = None,
    dynamic_batch: int | None = None,
    data: str | DataSpec | Dataset | None = None,
    corrupt: Corrupt = "refuse",
    preprocess: Preprocess | None = None,
    labels: Sequence[str] | None = None,
    quantization: QuantizeSpec | None = None,
    trained: bool = True,
    threads: int | None = None,
    bench: bool = True,
    golden: int = DEFAULT_COUNT,
    force: bool = False,
    cache: bool = True,
    progress: Progress = SILENT,
) -> Bundle:
    """Export, verify and measure `module`; returns the bundle written to `output` (`bundles/<name>` when None).

    `example_inputs`: one tensor per argument of forward(), on the CPU, with the shapes and dtypes that the phone will
    feed. `quantize`: one scheme or several: "fp32", "int8", "fp16" and others (`mobilekit list schemes`).
    `dynamic_batch`: when given, dimension 0 of every input may be 1 to this size.
    `data`: a data set's name ("digits", "imagefolder:photos"), a DataSpec, which says also how many samples, or a
    Dataset. Its train split calibrates int8, its test split measures accuracy. Without it random input does both, and
    the bundle says so. `corrupt`: what happens to samples that cannot be read, "refuse" or "skip".
    `preprocess`, `labels`: what turns an image or a sound into the input, and names the classes; both go into the
    bundle.
    `quantization`: how int8 is made, where it is not as by default.
    `golden`: how many test samples the bundle carries all the way, from the encoded one to each artifact's outputs.
    `cache` false makes everything anew, and keeps nothing for another export (docs/cache.md).
    `trained` false says that the weights are random, so that accuracy is not judged.

    The module is left as it was, in training or eval mode. A check that fails does not raise: look at
    `bundle.manifest.artifacts[i].verification.passed`.

    Raises a MobilekitError: UsageError and UnknownName for options that are wrong, SpecError for inputs, labels or
    preprocessing that do not fit together, OutputExists, WeightsError, CaptureError, QuantizeError, LowerError,
    DataError, RunnerError, StorageError.
    """
    example = _checked(module, example_inputs)
    chosen = name or _snake(type(module).__name__)
    recipe = _recipe(chosen, example, input_names, dynamic_batch, preprocess, labels)
    source = ModelSource(
        reference=f"python:{type(module).__qualname__}", recipe=recipe, build=lambda seed=0: module, trained=trained
    )
    by_name = DataSpec(name=data, test_samples=DEFAULT_TEST_SAMPLES) if isinstance(data, str) else data
    options = ExportOptions(
        targets=(targets,) if isinstance(targets, str) else tuple(targets),
        schemes=(quantize,) if isinstance(quantize, str) else tuple(quantize),
        data=by_name if isinstance(by_name, DataSpec) else None,
        corrupt=corrupt,
        threads=threads,
        bench=bench,
        golden=golden,
        force=force,
        cache=cache,
        quantize=quantization,
    )
    with _modes_kept(module):
        return export_source(
            source,
            Path(output) if output is not None else Path("bundles") / chosen,
            options,
            dataset=None if isinstance(by_name, DataSpec) else by_name,
            example=_for_tracing(example) if dynamic_batch else example,
            progress=progress,
        )


def _checked(module: Any, example_inputs: Any) -> Tensors:
    """The example as a tuple of tensors. Raises UsageError for anything else, and for what is not on the CPU."""
    import torch

    if not isinstance(module, torch.nn.Module):
        raise UsageError(f"module must be a torch.nn.Module, given {type(module).__name__}")
    example = (example_inputs,) if isinstance(example_inputs, torch.Tensor) else tuple(example_inputs)
    if not example:
        raise UsageError("example_inputs is empty", hint="give one tensor per argument of forward()")
    for index, tensor in enumerate(example):
        if not isinstance(tensor, torch.Tensor):
            raise UsageError(f"example_inputs[{index}] must be a tensor, given {type(tensor).__name__}")
    devices = {str(tensor.device) for tensor in (*example, *module.parameters(), *module.buffers())} - {"cpu"}
    if devices:
        raise UsageError(f"the module or its example is on {', '.join(sorted(devices))}", hint="move both to the CPU")
    return example


def _snake(name: str) -> str:
    """`MobileNetV3` -> `mobile_net_v3`; a class may begin with an underscore, a model's name may not."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_") or "model"


def _for_tracing(example: Tensors) -> Tensors:
    """The example at a batch of two or more: torch.export takes a size of 1 for a constant."""
    import torch

    return tuple(torch.cat([tensor, tensor]) if tensor.ndim and len(tensor) == 1 else tensor for tensor in example)


@contextlib.contextmanager
def _modes_kept(module: nn.Module) -> Iterator[None]:
    """Each submodule's own training flag: a frozen batch norm in a training model stays frozen."""
    before = [(one, one.training) for one in module.modules()]
    try:
        yield
    finally:
        for one, training in before:
            one.training = training


def _recipe(
    name: str,
    example: Tensors,
    input_names: Sequence[str] | None,
    dynamic_batch: int | None,
    preprocess: Preprocess | None,
    labels: Sequence[str] | None,
) -> Recipe:
    names = input_names or (["input"] if len(example) == 1 else [f"input{index}" for index in range(len(example))])
    if len(names) != len(example):
        raise UsageError(f"input_names has {len(names)} names for {len(example)} example inputs")
    inputs = []
    for one, tensor in zip(names, example, strict=True):
        shape: list[int | str] = list(tensor.shape)
        dynamic: dict[str, dict[str, int]] = {}
        if dynamic_batch is not None and shape:
            shape[0], dynamic["batch"] = "batch", {"max": dynamic_batch}
        inputs.append(
            {"name": one, "dtype": str(tensor.dtype).removeprefix("torch."), "shape": shape, "dynamic": dynamic}
        )
    raw = {
        "name": name,
        "task": f"{preprocess.kind}-classification" if preprocess else "tensor",
        "inputs": inputs,
        "preprocess": preprocess,
        "labels": None if labels is None else tuple(labels),
    }
    return validate_recipe(raw, source="mobilekit.export")
