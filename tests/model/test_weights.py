from __future__ import annotations

import argparse
import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from mobilekit.errors import WeightsError
from mobilekit.model.weights import check_finite, load_weights, read_state_dict


def module() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def other_weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    return {name: torch.rand_like(one.float()).to(one.dtype) for name, one in module().state_dict().items()}


def assert_loads(path: Path) -> None:
    made = module()
    load_weights(made, path)
    for name, tensor in other_weights().items():
        assert torch.equal(made.state_dict()[name], tensor), name


def assert_refused(path: Path, match: str) -> WeightsError:
    made = module()
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    with pytest.raises(WeightsError, match=match) as caught:
        load_weights(made, path)
    assert str(path) in caught.value.message and len(caught.value.message) < 1000
    assert "weights_only" not in str(caught.value), "torch's advice to load the file unsafely is not ours"
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.state_dict().items())
    return caught.value


def test_safetensors(tmp_path: Path) -> None:
    save_file(other_weights(), tmp_path / "x.safetensors")
    assert_loads(tmp_path / "x.safetensors")


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin", ".ckpt", ".pth.tar"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3, "optimizer": {"lr": 0.1}},
        lambda state: {"model": {"state_dict": state}},
        lambda state: {f"module.{name}": tensor for name, tensor in state.items()},  # DataParallel's
    ],
    ids=["bare", "in a checkpoint", "twice nested", "of DataParallel"],
)
def test_torch_checkpoints(suffix: str, wrap: Callable[[Any], Any], tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    torch.save(wrap(other_weights()), path)
    assert_loads(path)


def test_the_old_torch_format(tmp_path: Path) -> None:
    torch.save(other_weights(), tmp_path / "x.pt", _use_new_zipfile_serialization=False)
    assert_loads(tmp_path / "x.pt")


def test_half_precision_is_widened_and_a_missing_batch_counter_does_not_matter(tmp_path: Path) -> None:
    state = {name: tensor.half() for name, tensor in other_weights().items() if "num_batches" not in name}
    save_file(state, tmp_path / "x.safetensors")
    made = module()
    load_weights(made, tmp_path / "x.safetensors")
    assert made.state_dict()["0.weight"].dtype == torch.float32
    assert torch.equal(made.state_dict()["0.weight"], state["0.weight"].float())


class Command:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


@pytest.mark.parametrize("how", ["torch", "torch-old", "pickle", "nested"])
def test_a_pickle_is_never_run(how: str, tmp_path: Path) -> None:
    marker, path = tmp_path / "ran", tmp_path / "x.pt"
    thing = {"0.weight": Command(f"touch {marker}")}
    match how:
        case "torch":
            torch.save(thing, path)
        case "torch-old":
            torch.save(thing, path, _use_new_zipfile_serialization=False)
        case "nested":
            torch.save({"state_dict": other_weights(), "config": thing}, path)
        case "pickle":
            path.write_bytes(pickle.dumps(thing, protocol=2))
    error = assert_refused(path, r"holds more than tensors \((posix|nt)\.system\), and loading it could run any code")
    assert error.hint and "safetensors" in error.hint
    assert not marker.exists()


def test_the_pickle_of_that_test_is_dangerous(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Command(f"touch {tmp_path / 'ran'}")))
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("thing", "named"),
    [
        (argparse.Namespace(a=1), r"argparse\.Namespace"),
        (np.ones(3), r"numpy\S+"),
        (nn.Linear(2, 2), r"torch\.nn\.modules\.linear\.Linear"),
    ],
)
def test_objects_are_named(thing: Any, named: str, tmp_path: Path) -> None:
    torch.save({"model": other_weights(), "more": thing}, tmp_path / "x.pt")
    assert_refused(tmp_path / "x.pt", rf"holds more than tensors \({named}\)")


def test_damaged_files(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(other_weights(), buffer)
    whole = buffer.getvalue()
    for content in (b"", b"garbage" * 50, b"\x80\x02", whole[:40], whole[: len(whole) // 2], whole[:-3], b"PK\3\4"):
        (tmp_path / "x.pt").write_bytes(content)
        assert_refused(tmp_path / "x.pt", "is damaged, or not a checkpoint")
        (tmp_path / "x.safetensors").write_bytes(content)
        assert_refused(tmp_path / "x.safetensors", "is not a readable safetensors file")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), old=st.booleans())
def test_a_changed_byte_is_read_or_refused_cleanly(data: st.DataObject, old: bool, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(other_weights(), buffer, _use_new_zipfile_serialization=not old)
    content = bytearray(buffer.getvalue())
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "x.pt").write_bytes(bytes(content))
    try:
        load_weights(module(), tmp_path / "x.pt")
    except WeightsError as error:
        assert str(tmp_path / "x.pt") in error.message


@pytest.mark.parametrize(
    ("thing", "match"),
    [
        ({}, "holds no state dict"),
        ([torch.ones(1)], "holds no state dict"),
        (torch.ones(1), "holds no state dict"),
        ({"a": torch.ones(1), "epoch": 3}, "holds no state dict"),
        ({1: torch.ones(1)}, "holds no state dict"),
    ],
)
def test_files_without_a_state_dict(thing: Any, match: str, tmp_path: Path) -> None:
    torch.save(thing, tmp_path / "x.pt")
    assert_refused(tmp_path / "x.pt", match)


def test_a_checkpoint_that_holds_itself(tmp_path: Path) -> None:
    round_and_round: dict[str, Any] = {}
    round_and_round["model"] = round_and_round
    torch.save(round_and_round, tmp_path / "x.pt")
    assert_refused(tmp_path / "x.pt", "holds no state dict")


def test_all_misfits_are_listed(tmp_path: Path) -> None:
    state = other_weights()
    state["0.weight"] = torch.ones(4, 9)
    state["1.bias"] = torch.ones(4, dtype=torch.int8)
    del state["0.bias"]
    state["extra"] = torch.ones(1)
    save_file(state, tmp_path / "x.safetensors")
    message = assert_refused(tmp_path / "x.safetensors", "does not fit the model").message
    assert message.splitlines()[1:] == [
        "  missing in the file: 0.bias",
        "  unknown to the model: extra",
        "  0.weight: the model has [4, 3] float32, the file [4, 9] float32",
        "  1.bias: the model has [4] float32, the file [4] int8",
    ]


def test_long_lists_are_cut(tmp_path: Path) -> None:
    save_file({f"layer{i:02d}": torch.ones(1) for i in range(30)}, tmp_path / "x.safetensors")
    message = assert_refused(tmp_path / "x.safetensors", "does not fit").message
    assert "unknown to the model: layer00, layer01, layer02, layer03, layer04 and 25 more" in message


def test_missing_files_and_other_kinds_of_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such weights file"):
        read_state_dict(tmp_path / "none.pt")
    with pytest.raises(WeightsError, match="no such weights file"):
        read_state_dict(tmp_path)
    (tmp_path / "x.onnx").write_bytes(b"x")
    with pytest.raises(WeightsError, match=r"must be one of \.safetensors, \.pt"):
        read_state_dict(tmp_path / "x.onnx")


def test_torchscript_is_told_apart(tmp_path: Path) -> None:
    with pytest.warns(FutureWarning):
        torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "x.pt")
    assert_refused(tmp_path / "x.pt", "is a TorchScript program")


def test_reading_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.pt").write_bytes(pickle.dumps(other_weights(), protocol=4))  # torch warns of that protocol
    with pytest.raises(WeightsError):
        read_state_dict(tmp_path / "x.pt")
    assert capfd.readouterr() == ("", "")


def test_values_that_are_not_finite_are_named() -> None:
    check_finite({"a": torch.ones(3), "n": torch.ones(2, dtype=torch.int64), "e": torch.ones(0)}, what="x")
    bad = {f"layer{i}": torch.tensor([1.0, value]) for i, value in enumerate([float("nan"), 1.0, float("inf")])}
    with pytest.raises(WeightsError, match=r"^x has values that are not finite \(NaN or infinity\) in: layer0, layer2"):
        check_finite(bad, what="x")
