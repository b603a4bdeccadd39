"""mnist, fashion-mnist and cifar10 through torchvision, which downloads them and checks their MD5.

(torchvision reads CIFAR-10's own pickle files, after that check.) Refuses damaged files, and says where to put the
files by hand when they cannot be fetched.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np

from mobilekit.data.arrays import ImageArray
from mobilekit.data.base import Dataset, Request, TwoSplits
from mobilekit.errors import DataError, DownloadError, MobilekitError
from mobilekit.files import storage_errors
from mobilekit.quiet import quiet

_SILENT_SERVER_SECONDS = 30.0


@dataclass(frozen=True)
class Published:
    """A data set as torchvision knows it: its class, where its archives go, and what they unpack to."""

    dataset: str
    folder: str
    archives: tuple[str, ...]
    unpacked: tuple[str, ...]
    labels: tuple[str, ...]


_IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_IDX_ARCHIVES = tuple(f"{name}.gz" for name in _IDX)
_DIGITS = tuple(str(digit) for digit in range(10))
_CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

PUBLISHED = {
    "mnist": Published("MNIST", "MNIST/raw", _IDX_ARCHIVES, tuple(f"MNIST/raw/{n}" for n in _IDX), _DIGITS),
    "fashion-mnist": Published(
        "FashionMNIST", "FashionMNIST/raw", _IDX_ARCHIVES, tuple(f"FashionMNIST/raw/{n}" for n in _IDX), _CLOTHES
    ),
    "cifar10": Published("CIFAR10", ".", ("cifar-10-python.tar.gz",), (), _THINGS),
}


def data_root() -> Path:
    """Where downloads are kept: $MOBILEKIT_DATA, or ~/.cache/mobilekit/data."""
    given = os.environ.get("MOBILEKIT_DATA")
    return Path(given).expanduser() if given else Path.home() / ".cache" / "mobilekit" / "data"


def open_published(request: Request) -> Dataset:
    """One of PUBLISHED with its published train and test splits; downloads what is not there yet.

    Raises DownloadError when it cannot be fetched, DataError when the files are damaged, StorageError when `root`
    cannot be written.
    """
    published = PUBLISHED[request.name]
    root = request.root or data_root()
    parts = {}
    for which in ("train", "test"):
        loaded = _load(request.name, published, root, train=which == "train")
        images, labels = np.asarray(loaded.data, dtype=np.uint8), np.asarray(loaded.targets, dtype=np.int64)
        if len(images) != len(labels) or not len(images):
            raise DataError(f"{request.name}: {len(images)} images and {len(labels)} labels in {root}")
        parts[which] = ImageArray(request.name, which, images, labels)
    return TwoSplits(request.name, published.labels, "image", parts["train"], parts["test"])


def _load(name: str, published: Published, root: Path, *, train: bool) -> Any:
    """torchvision's data set object; it downloads and unpacks only what is missing."""
    from torchvision import datasets

    folder = root / published.folder
    try:
        with download_errors(name, folder, published.archives):
            root.mkdir(parents=True, exist_ok=True)
            with quiet():
                return getattr(datasets, published.dataset)(root, train=train, download=True)
    except DownloadError as error:
        if published.unpacked and all((root / file).exists() for file in published.unpacked):
            raise _damaged(name, folder, error.__cause__ or error) from error
        raise


@contextlib.contextmanager
def download_errors(name: str, folder: Path, archives: tuple[str, ...]) -> Iterator[None]:
    """Tell what goes wrong while torchvision fetches `archives` into `folder`; a server that stays silent is left.

    Raises DownloadError saying where to put the files by hand, DataError for damaged ones, StorageError.
    """
    try:
        with storage_errors(folder), _impatient():
            yield
    except MobilekitError:
        raise
    except Exception as error:
        if not isinstance(error, RuntimeError | OSError | HTTPException | EOFError):
            raise _damaged(name, folder, error) from error
        raise DownloadError(
            f"{name} could not be downloaded: {_last_line(error)}",
            hint=f"put {', '.join(archives)} into {folder.resolve()} by hand",
        ) from error


def _damaged(name: str, folder: Path, error: BaseException) -> DataError:
    return DataError(
        f"{name}: the files in {folder} are damaged: {_last_line(error)}",
        hint="delete that folder; the next run downloads it again",
    )


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """Give up on a server that stays silent; without this a download can wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SILENT_SERVER_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
