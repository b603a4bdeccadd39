"""How large a model is: parameters, and multiply-accumulates of one sample, counted on shapes alone, without weights.

The zoo's counts lie in sizes.json beside the models, each under a hash of what it was counted from, so that they can
be listed without torch. A count whose hash no longer fits is not used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from mobilekit.files import write_atomically
from mobilekit.model.source import ModelSource
from mobilekit.spec import Recipe
from mobilekit.spec.base import Spec

RECORD = "sizes.json"
Count = Annotated[int, Field(ge=0)]


class ModelSize(Spec):
    """Parameters that are trained, and multiply-accumulates (half of the floating-point operations) of one sample.

    Counted as torch.utils.flop_counter does: convolutions, matrix products and attention; additions, activations and
    norms are left out, as papers leave them out.
    """

    parameters: Count
    macs: Count


class RecordedSize(ModelSize):
    """A count, and the hash of what was counted."""

    sha256: str


def count_size(source: ModelSource) -> ModelSize:
    """Build the model and count it at its smallest input, of one sample. Raises what building and its forward() do."""
    import copy

    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from mobilekit.model.usercode import call_user

    module = copy.deepcopy((source.untrained or source.build)()).to("meta")
    inputs = [
        torch.zeros(spec.sized(), dtype=getattr(torch, spec.dtype), device="meta") for spec in source.recipe.inputs
    ]
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        call_user(module, *inputs, what="the model's forward()")
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return ModelSize(parameters=parameters, macs=counter.get_total_flops() // 2)


def fingerprint(folder: Path, recipe: Recipe) -> str:
    """The hash of what a model's size follows from: its Python, and the arguments and inputs of its recipe."""
    inputs = [spec.model_dump(mode="json") for spec in recipe.inputs]
    parts = [json.dumps([recipe.args, inputs], sort_keys=True, default=str)]
    for file in sorted(folder.glob("*.py")):
        parts += [file.name, file.read_text(encoding="utf-8")]  # text: line ends differ between checkouts
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


_RECORDS = TypeAdapter(dict[str, RecordedSize])


def recorded_size(folder: Path, recipe: Recipe) -> ModelSize | None:
    """What sizes.json beside a model's folder says of it; None where it says nothing that still holds."""
    try:
        records = _RECORDS.validate_json((folder.parent / RECORD).read_bytes())
    except (OSError, ValidationError):
        return None
    found = records.get(folder.name)
    if found is None or found.sha256 != fingerprint(folder, recipe):
        return None
    return ModelSize(parameters=found.parameters, macs=found.macs)


def record_sizes(sources: Mapping[Path, ModelSource], place: Path) -> None:
    """Count the models, given by their folders, and write `place`/sizes.json. Raises what they raise, StorageError."""
    records = {
        folder.name: RecordedSize(**count_size(source).model_dump(), sha256=fingerprint(folder, source.recipe))
        for folder, source in sources.items()
    }
    write_atomically(place / RECORD, _RECORDS.dump_json(records, indent=2).decode() + "\n")
