"""Checkpoints: weights, and all that a run needs to go on, as safetensors; written whole or not at all. Never pickles.

A run's checkpoints/ holds the last two epochs' states, each with a hash over what it holds, so that a damaged one is
noticed and the one before it is used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from mobilekit.errors import DataError, ModelError
from mobilekit.files import storage_errors, write_atomically
from mobilekit.progress import SILENT, Progress
from mobilekit.train.metrics import EpochMetrics
from mobilekit.usercode import summary

if TYPE_CHECKING:
    import torch
    from torch import nn

BEST, LAST = "best.safetensors", "last.safetensors"
FOLDER = "checkpoints"
_KEPT = 2

Tensors = Mapping[str, "torch.Tensor"]


@dataclass(frozen=True, eq=False)
class State:
    """A training after some epochs: every tensor by name, other numbers of the optimizer, and the epochs' metrics."""

    tensors: Tensors
    numbers: Mapping[str, Any]
    history: tuple[EpochMetrics, ...]

    @property
    def epoch(self) -> int:
        return len(self.history)


def state_bytes(module: nn.Module) -> bytes:
    """The module's state dict as a safetensors file: on the CPU, tied tensors written out twice.

    Raises ModelError for state that is not tensors.
    """
    from safetensors.torch import save

    return save(module_tensors(module), metadata={"format": "pt"})  # type: ignore[no-any-return]


def module_tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    """The module's state on the CPU, each tensor with memory of its own. Raises ModelError for more than tensors."""
    import torch

    state = module.state_dict()
    strange = [name for name, value in state.items() if not isinstance(value, torch.Tensor)]
    if strange:
        raise ModelError(f"the module's state holds more than tensors: {', '.join(strange[:5])}")
    return {name: _apart(value) for name, value in state.items()}


def optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """What the optimizer has gathered, as tensors and as numbers, both by `index/name`."""
    import torch

    tensors: dict[str, torch.Tensor] = {}
    numbers: dict[str, Any] = {}
    for index, gathered in optimizer.state_dict()["state"].items():
        for name, value in gathered.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{index}/{name}"] = _apart(value)
            else:
                numbers[f"{index}/{name}"] = value
    return tensors, numbers


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Tensors, numbers: Mapping[str, Any]) -> None:
    """Give `optimizer` what optimizer_state took from one of the same kind and parameters."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in [*tensors.items(), *numbers.items()]:
        index, _, name = key.partition("/")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def save_weights(folder: Path, module: nn.Module, *names: str) -> None:
    """Write the module's state to `folder` under each of `names`. Raises StorageError, leaving older files whole."""
    content = state_bytes(module)
    for name in names:
        write_atomically(folder / name, content)


def save_state(folder: Path, state: State) -> None:
    """Write `state` to the run's checkpoints/ and remove all but the last two. Raises StorageError."""
    from safetensors.torch import save

    place = folder / FOLDER
    with storage_errors(place):
        place.mkdir(exist_ok=True)
    text = json.dumps({"numbers": state.numbers, "history": [one.model_dump(mode="json") for one in state.history]})
    metadata = {"state": text, "sha256": _digest(state.tensors, text)}
    write_atomically(place / f"epoch-{state.epoch:05d}.safetensors", save(dict(state.tensors), metadata=metadata))
    with storage_errors(place):
        for old in _files(folder)[_KEPT:]:
            old.unlink()


def load_state(folder: Path, progress: Progress = SILENT) -> State | None:
    """The newest state of a run that is whole; None when it has none. Says which damaged ones were passed over.

    Raises DataError when there are checkpoints and all of them are damaged.
    """
    damaged = []
    for path in _files(folder):
        try:
            state = _read(path)
        except DataError as error:
            damaged.append(str(error))
            continue
        for text in damaged:
            progress.warn(f"{text}; going on from {path.name}, the checkpoint before it")
        return state
    if damaged:
        raise DataError(f"{'; '.join(damaged)}: no checkpoint is left to go on from", hint="train anew, with --force")
    return None


def remove_states(folder: Path) -> None:
    """Remove the checkpoints of a run that is complete, or that begins anew. Raises StorageError."""
    with storage_errors(folder):
        for path in _files(folder):
            path.unlink()
        if (folder / FOLDER).is_dir():
            (folder / FOLDER).rmdir()


def _files(folder: Path) -> list[Path]:
    """The newest first."""
    return sorted((folder / FOLDER).glob("epoch-*.safetensors"), reverse=True)


def _read(path: Path) -> State:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
        text = metadata["state"]
        if _digest(tensors, text) != metadata["sha256"]:
            raise DataError(f"{path} is damaged: its content does not have the hash that was written with it")
        raw = json.loads(text)
        history = tuple(EpochMetrics.model_validate_json(json.dumps(one)) for one in raw["history"])
        return State(tensors, raw["numbers"], history)
    except (SafetensorError, OSError, ValidationError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged: {summary(error)}") from error


def _digest(tensors: Tensors, text: str) -> str:
    import torch

    total = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        total.update(name.encode())
        total.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def _apart(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().cpu().contiguous().clone()
