"""Weights: a checkpoint file -> a module's state. Never unpickles: safetensors, or torch.load(weights_only=True)."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilekit.errors import WeightsError
from mobilekit.quiet import quiet

if TYPE_CHECKING:
    import torch
    from torch import nn

_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".tar")
_NESTED = ("state_dict", "model_state_dict", "model", "module", "net")
_WRAPPER = "module."
_SHOWN = 5
_LONGEST = 300
_DEEPEST = 3


def load_weights(module: nn.Module, path: Path) -> None:
    """Load a checkpoint into `module`, strictly: every tensor is used and every parameter is given.

    Raises WeightsError with all findings when the file is missing, unsafe, damaged or does not fit.
    """
    load_state(module, read_state_dict(path), source=path)


def load_state(module: nn.Module, state: dict[str, torch.Tensor], *, source: Path, but: tuple[str, ...] = ()) -> None:
    """Load the tensors of `source` into `module`, strictly, but for those whose names begin with one of `but`.

    What `but` names stays as it is in the module. Raises WeightsError with all findings when the rest does not fit.
    """
    own = {name: tensor for name, tensor in module.state_dict().items() if not name.startswith(but)}
    state = {name: tensor for name, tensor in _without_wrapper(state, own).items() if not name.startswith(but)}
    # Batch norm counts its batches for training only, and old checkpoints lack the counter.
    missing = sorted(name for name in set(own) - set(state) if not name.endswith("num_batches_tracked"))
    unexpected = sorted(set(state) - set(own))
    misfits = [
        f"{name}: the model has {_described(own[name])}, the file {_described(state[name])}"
        for name in sorted(set(own) & set(state))
        if own[name].shape != state[name].shape or own[name].is_floating_point() != state[name].is_floating_point()
    ]
    findings = [
        *([f"missing in the file: {_listed(missing)}"] if missing else []),
        *([f"unknown to the model: {_listed(unexpected)}"] if unexpected else []),
        *misfits[:_SHOWN],
        *([f"and {len(misfits) - _SHOWN} more that differ"] if len(misfits) > _SHOWN else []),
    ]
    if findings:
        lines = "".join(f"\n  {finding}" for finding in findings)
        raise WeightsError(
            f"{source} does not fit the model:{lines}",
            hint="check that build() makes the architecture this file is for",
        )
    module.load_state_dict(state, strict=False)


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint by name. Raises WeightsError."""
    if not path.is_file():
        raise WeightsError(f"no such weights file: {path}")
    if path.suffix not in _SUFFIXES:
        raise WeightsError(f"{path}: weights must be one of {', '.join(_SUFFIXES)}")
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)


def _without_wrapper(state: dict[str, torch.Tensor], own: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Names without the `module.` that DataParallel puts before each, where the model's own have none."""
    wrapped = all(name.startswith(_WRAPPER) for name in state)
    if not wrapped or any(name.startswith(_WRAPPER) for name in own):
        return state
    return {name.removeprefix(_WRAPPER): tensor for name, tensor in state.items()}


def _described(tensor: torch.Tensor) -> str:
    return f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def check_finite(state: dict[str, torch.Tensor], *, what: str) -> None:
    """Raise WeightsError naming the tensors of `state` that hold NaN or infinity."""
    bad = [name for name, tensor in state.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if bad:
        raise WeightsError(
            f"{what} has values that are not finite (NaN or infinity) in: {_listed(bad)}",
            hint="the training diverged or the file is damaged; export an earlier checkpoint",
        )


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state: dict[str, torch.Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} is not a readable safetensors file: {_first_line(error)}") from error
    return state


def _read_torch(path: Path) -> dict[str, torch.Tensor]:
    import torch

    try:
        with quiet():
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can fail in any way
        raise _refused(path, error) from error
    return _tensors_of(content, path)


def _refused(path: Path, error: Exception) -> WeightsError:
    """What torch said, without its advice to load the file unsafely."""
    hint = "save only tensors: safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"
    text = str(error)
    if "TorchScript" in text:
        return WeightsError(f"{path} is a TorchScript program, not a checkpoint", hint=hint)
    if isinstance(error, pickle.UnpicklingError) and (named := re.search(r"GLOBAL (\S+)", text)):
        return WeightsError(
            f"{path} was refused: it is a pickle that holds more than tensors ({named[1]}), "
            "and loading it could run any code",
            hint=hint,
        )
    reason = "" if isinstance(error, pickle.UnpicklingError) else f": {_first_line(error)[:_LONGEST]}"
    return WeightsError(f"{path} is damaged, or not a checkpoint{reason}", hint=hint)


def _tensors_of(content: Any, path: Path) -> dict[str, torch.Tensor]:
    import torch

    for _ in range(_DEEPEST):
        nested = [content[key] for key in _NESTED if isinstance(content, dict) and isinstance(content.get(key), dict)]
        if not nested:
            break
        content = nested[0]
    items = content.items() if isinstance(content, dict) else ()
    if items and all(isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in items):
        return dict(items)
    raise WeightsError(
        f"{path} holds no state dict (a dict of tensors, or one under {', '.join(_NESTED)})",
        hint="save model.state_dict()",
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
