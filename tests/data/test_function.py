from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from mobilekit.data import materialize, open_dataset, subset
from mobilekit.errors import DataError, UnknownName
from mobilekit.spec import TensorSpec

MODULE = """
import numpy as np
import torch
from PIL import Image


class Pairs:
    def __init__(self, n, make):
        self.n, self.make, self.asked = n, make, 0
    def __len__(self):
        return self.n
    def __getitem__(self, index):
        self.asked += 1
        return self.make(index)


def two(make):
    return Pairs(4, make), Pairs(2, lambda index: make(index + 100))

def tensors(): return two(lambda i: ((torch.full((3,), float(i)), np.array([i, i])), i % 2))
def pictures(): return two(lambda i: (Image.new("L", (5, 4), i), torch.tensor(i)))
def unlabelled(): return two(lambda i: (torch.ones(3), None))
def half_labelled(): return two(lambda i: (torch.ones(3), None if i == 2 else 1))
def nan(): return two(lambda i: (torch.tensor([float("nan")]), 1))
def bad_label(): return two(lambda i: (torch.ones(3), "cat"))
def not_pairs(): return two(lambda i: torch.ones(3))
def words(): return two(lambda i: ("hello", 1))
def one(): return Pairs(4, None)
def short(): return Pairs(1, None), Pairs(1, None)
def fails(): return 1 / 0
def fails_later(): return two(broken)

def broken(index):
    raise RuntimeError("no such sample")
"""


@pytest.fixture(autouse=True)
def _in_a_folder_with_the_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mydata.py").write_text(MODULE)
    (tmp_path / "broken_data.py").write_text("import nothing_of_this_name\n")
    (tmp_path / "wrong_data.py").write_text("def f(:\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("mydata", "broken_data", "wrong_data"):
        sys.modules.pop(name, None)


def test_tensors_become_model_inputs() -> None:
    found = open_dataset("mydata:tensors")
    inputs = (TensorSpec(name="a", shape=(1, 3)), TensorSpec(name="b", dtype="int64", shape=(1, 2)))
    samples = materialize(subset(found.split("test"), None, seed=0), inputs, None)
    assert found.kind == "tensor"
    assert samples.inputs[0].tolist() == [[100.0] * 3, [101.0] * 3] and samples.inputs[1].tolist() == [
        [100, 100],
        [101, 101],
    ]
    assert samples.labels is not None and samples.labels.tolist() == [0, 1]
    train = found.split("train")
    assert not {train.id_of(i) for i in range(4)} & set(samples.ids)


def test_pictures_become_pixels() -> None:
    found = open_dataset("mydata:pictures")
    sample = found.split("train")[3]
    assert found.kind == "image" and sample.label == 3
    assert sample.pixels is not None and sample.pixels.tolist() == np.full((4, 5, 3), 3).tolist()


def test_labels_are_asked_for_once() -> None:
    split = open_dataset("mydata:tensors").split("train")
    assert split.labels_of().tolist() == [0, 1, 0, 1]  # type: ignore[union-attr]
    asked = split._data.asked  # type: ignore[attr-defined]
    split.labels_of()
    assert split._data.asked == asked  # type: ignore[attr-defined]


def test_targets_spare_reading_the_samples() -> None:
    split = open_dataset("mydata:tensors").split("train")
    split._data.targets = [5, 6, 7, 8]  # type: ignore[attr-defined]
    asked = split._data.asked  # type: ignore[attr-defined]
    assert split.labels_of().tolist() == [5, 6, 7, 8]  # type: ignore[union-attr]
    assert split._data.asked == asked  # type: ignore[attr-defined]


def test_unlabelled_is_fine_half_is_not() -> None:
    assert open_dataset("mydata:unlabelled").split("train").labels_of() is None
    with pytest.raises(DataError, match=r"train\[2\] has no label"):
        open_dataset("mydata:half_labelled").split("train").labels_of()


@pytest.mark.parametrize(
    ("function", "match"),
    [
        ("fails", r"ZeroDivisionError: division by zero\n  at .*mydata.py:\d+, in fails: def fails\(\): return 1 / 0"),
        ("fails_later", r"RuntimeError: no such sample\n  at .*mydata.py:\d+, in broken: raise RuntimeError"),
        ("nan", "NaN or infinity"),
        ("bad_label", "must be a whole number, given 'cat'"),
        ("not_pairs", r"train\[0\] is not \(inputs, label\)"),
        ("words", "not numbers"),
        ("one", "not two splits"),
        ("short", r"train has 1 sample\(s\), at least 2 needed"),
        ("missing", "mydata has no function 'missing'"),
    ],
)
def test_what_it_refuses(function: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        open_dataset(f"mydata:{function}")


def test_modules_that_do_not_import() -> None:
    with pytest.raises(DataError, match=r"nothing_of_this_name.*\n  at .*broken_data.py:1"):
        open_dataset("broken_data:f")
    with pytest.raises(DataError, match=r"SyntaxError.*\n  at .*wrong_data.py:1"):
        open_dataset("wrong_data:f")
    with pytest.raises(DataError, match=r"no Python module .no\.such\.module."):
        open_dataset("no.such.module:f")
    with pytest.raises(UnknownName):
        open_dataset("nosuchmodule:f")
