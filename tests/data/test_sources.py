from __future__ import annotations

import subprocess
import sys

import pytest

from mobilekit.data import dataset_names, open_dataset, sources
from mobilekit.data.base import Dataset, Request
from mobilekit.data.digits import open_digits
from mobilekit.errors import DataError, UnknownName


def test_unknown_names_list_the_closest_first() -> None:
    with pytest.raises(UnknownName, match="unknown data set 'digit', did you mean 'digits'"):
        open_dataset("digit")
    with pytest.raises(UnknownName, match="unknown data set 'imagefoldr', did you mean 'imagefolder'"):
        open_dataset("imagefoldr:/some/path")


@pytest.mark.parametrize("name", ["imagefolder", "npz", "imagefolder:", "digits:x", "digits:"])
def test_a_path_where_one_belongs_and_only_there(name: str) -> None:
    with pytest.raises(DataError):
        open_dataset(name)


def test_names() -> None:
    assert {"digits", "mnist", "fashion-mnist", "cifar10", "imagefolder:PATH", "npz:PATH"} <= set(dataset_names())


def test_a_plugin_is_called_with_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []

    def factory(request: Request) -> Dataset:
        asked.append(request)
        return open_digits(request)

    monkeypatch.setattr(sources, "with_plugins", lambda group, builtin: {"mine": factory, **builtin})
    open_dataset("mine:with:colons", seed=4, labels=("a",))
    assert asked == [Request("mine:with:colons", "with:colons", None, 4, ("a",))]


def test_importing_data_imports_no_torch() -> None:
    code = "import sys, mobilekit.data; print([m for m in ('torch', 'torchvision', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
