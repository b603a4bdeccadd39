"""digits: 1,797 real handwritten digits of 8x8 pixels that come with scikit-learn; no download.

From the UCI "Optical Recognition of Handwritten Digits" set (Alpaydin and Kaynak, 1998). Values 0..16 become
uint8 grey by round(v * 255 / 16).
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
from pathlib import Path

import numpy as np

from mobilekit.data.arrays import ImageArray
from mobilekit.data.base import Array, Dataset, Request, TwoSplits, View
from mobilekit.data.sampling import TEST_FRACTION, held_out
from mobilekit.errors import DataError, MissingDependency

LABELS = tuple(str(digit) for digit in range(10))
_CONTENT = "68aea062d35a127749050fa0e52dca09d6569ac08092c925610e0954e172dde2"
_SPLIT_SEED = 0


def open_digits(request: Request) -> Dataset:
    """The digits, 80 % train and 20 % test by class. The split is fixed: no seed changes it."""
    table = _read_table()
    found = hashlib.sha256(table.tobytes()).hexdigest()
    if found != _CONTENT:
        raise DataError(
            f"scikit-learn's digits are not the 1,797 that mobilekit's splits were made for (sha256 {found})",
            hint="reinstall scikit-learn",
        )
    images = np.rint(table[:, :64].astype(np.float64) * 255 / 16).astype(np.uint8).reshape(-1, 8, 8)
    whole = ImageArray(request.name, "digits", images, table[:, 64].astype(np.int64))
    train, test = held_out(len(whole), whole.labels, TEST_FRACTION, _SPLIT_SEED, "digits test split")
    return TwoSplits(
        name=request.name,
        labels=LABELS,
        kind="image",
        train=View(whole, tuple(train.tolist()), "train"),
        test=View(whole, tuple(test.tolist()), "test"),
    )


def _read_table() -> Array:
    """uint8 (1797, 65): 64 values 0..16 and the digit.

    Read from scikit-learn's own file, since importing scikit-learn takes seconds; its loader is asked where a
    release keeps the file elsewhere.
    """
    spec = importlib.util.find_spec("sklearn")
    if spec is None or spec.origin is None:
        raise MissingDependency("the digits data set comes with scikit-learn", hint="pip install scikit-learn")
    file = Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz"
    if file.is_file():
        with gzip.open(file, "rt", encoding="ascii") as stream:
            return np.loadtxt(stream, delimiter=",").astype(np.uint8)
    return load_with_sklearn()


def load_with_sklearn() -> Array:
    """The same table through scikit-learn's public loader."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return np.column_stack([bunch.data, bunch.target]).astype(np.uint8)
