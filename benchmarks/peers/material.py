"""Material: what every contender starts from, made once: program, float ONNX file, tensors, eager's own answers.

Refuses models without a data set, with several inputs, or whose first output is not a row of class scores.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mobilekit.data import materialize, open_dataset, subset
from mobilekit.model import resolve

PROGRAM, FLOAT_ONNX = "model.pt2", "model.onnx"
CALIBRATION, TEST, LABELS, EAGER = "calibration.npy", "test.npy", "labels.npy", "eager.npy"


@dataclass(frozen=True)
class Material:
    """A folder with the files named above, and what they hold. `onnx` is what exporting the float ONNX file took."""

    folder: Path
    model: str
    data: str
    calibration: int
    test: int
    shape: tuple[int, ...]
    parameters: int
    onnx: dict[str, float]


def prepare(model: str, data: str, *, calibration: int, test: int, folder: Path) -> Material:
    """Write the material of `model` to `folder`. Raises MobilekitError, and SystemExit for what cannot be compared."""
    source = resolve(model)
    dataset = open_dataset(data, labels=source.recipe.labels)
    drawn = {"train": calibration, "test": test}
    samples = {
        split: materialize(subset(dataset.split(split), count, seed=0), source.recipe.inputs, source.recipe.preprocess)
        for split, count in drawn.items()
    }
    module = source.build().eval()
    if not source.trained:
        raise SystemExit(f"{model} has no trained weights, and accuracy would mean nothing: name a run of it instead")
    if len(source.recipe.inputs) != 1:
        raise SystemExit(f"{model} takes {len(source.recipe.inputs)} inputs; this comparison is of models with one")
    labels = samples["test"].labels
    if labels is None:
        raise SystemExit(f"{data} has no labels to hold answers against")
    tensors = {split: one.inputs[0] for split, one in samples.items()}
    _export(module, tensors["test"][:1], folder)
    np.save(folder / CALIBRATION, tensors["train"])
    np.save(folder / TEST, tensors["test"])
    np.save(folder / LABELS, labels)
    return Material(
        folder=folder,
        model=source.recipe.name,
        data=f"{_name(dataset.name)}, {len(tensors['test'])} test samples, {len(tensors['train'])} calibration samples",
        calibration=len(tensors["train"]),
        test=len(tensors["test"]),
        shape=tuple(tensors["test"][:1].shape),
        parameters=sum(one.numel() for one in module.parameters()),
        onnx={},
    )


def _name(data: str) -> str:
    """Without the folders above a path's last: they are of this machine."""
    kind, colon, place = data.partition(":")
    return kind + colon + place.rstrip("/").rpartition("/")[2]


def _export(module: Any, example: Any, folder: Path) -> None:
    """The program by plain torch.export, one sample at a time as a phone has them."""
    import torch

    try:
        with torch.no_grad():
            program = torch.export.export(module, (torch.from_numpy(example),))
    except Exception as error:
        raise SystemExit(f"plain torch.export refuses it: {str(error).strip().splitlines()[0]}") from None
    torch.export.save(program, folder / PROGRAM)


def answer_eagerly(material: Material) -> None:
    """PyTorch's own outputs for the test samples, one by one: what agreement is counted against."""
    import torch

    forward = torch.export.load(material.folder / PROGRAM).module()
    with torch.no_grad():
        outputs = [forward(torch.from_numpy(one[None])) for one in np.load(material.folder / TEST)]
    first = outputs[0]
    if not isinstance(first, torch.Tensor) or first.dim() != 2:
        raise SystemExit(f"{material.model} does not answer with one row of class scores")
    np.save(material.folder / EAGER, torch.cat(outputs).numpy())


def main() -> None:
    """`python material.py FOLDER`: the float ONNX file in a process of its own, so that its time can be told."""
    import torch

    folder = Path(sys.argv[1])
    started = time.perf_counter()
    program = torch.export.load(folder / PROGRAM)
    exported = torch.onnx.export(program, dynamo=True, verbose=False)
    exported.save(folder / FLOAT_ONNX)
    used = resource.getrusage(resource.RUSAGE_SELF)
    took = {"seconds": time.perf_counter() - started, "cpu_seconds": used.ru_utime + used.ru_stime}
    print(json.dumps(took), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
