from __future__ import annotations

import pytest
import torch

from mobilekit.errors import SetupError, UnknownName
from mobilekit.train import resolve_device
from mobilekit.train.device import suitable_threads


def test_the_cpu_is_always_there() -> None:
    assert resolve_device("cpu").type == "cpu"


def test_auto_takes_what_there_is() -> None:
    kinds = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    assert kinds[resolve_device("auto").type]
    assert resolve_device("auto").type == next(kind for kind, there in kinds.items() if there)


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_a_device_that_is_missing(kind: str) -> None:
    if {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}[kind]:
        assert resolve_device(kind).type == kind
    else:
        with pytest.raises(SetupError, match=f"device '{kind}' is not available"):
            resolve_device(kind)


def test_an_unknown_device() -> None:
    with pytest.raises(UnknownName, match="unknown device 'gpu'"):
        resolve_device("gpu")


def test_small_batches_take_one_thread_and_the_callers_number_comes_back() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with suitable_threads(64 * 8 * 8):
            assert torch.get_num_threads() == 1
        with suitable_threads(128 * 28 * 28):
            assert torch.get_num_threads() == 2
        with pytest.raises(KeyboardInterrupt), suitable_threads(1):
            raise KeyboardInterrupt
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
