"""The published sets are read by torchvision's own code, here from tiny files in their real formats."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

from mobilekit.data import open_dataset
from mobilekit.data.torchvision_sets import PUBLISHED, data_root
from mobilekit.errors import DataError, DownloadError, StorageError

NOWHERE = "http://127.0.0.1:9/"  # the discard port: refused at once, with a network or without


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.MNIST, "mirrors", [NOWHERE])
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [NOWHERE])
    monkeypatch.setattr(datasets.CIFAR10, "url", NOWHERE + "cifar-10-python.tar.gz")


def idx(array: np.ndarray) -> bytes:
    """The IDX format: type byte 8 is uint8, sizes are big-endian."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


def write_mnist(root: Path, folder: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    arrays = {
        "train-images-idx3-ubyte": np.arange(5 * 28 * 28).reshape(5, 28, 28).astype(np.uint8),
        "train-labels-idx1-ubyte": np.array([0, 1, 2, 3, 9], dtype=np.uint8),
        "t10k-images-idx3-ubyte": np.full((2, 28, 28), 200, dtype=np.uint8),
        "t10k-labels-idx1-ubyte": np.array([4, 5], dtype=np.uint8),
    }
    raw = root / folder / "raw"
    raw.mkdir(parents=True)
    resources = []
    for name, array in arrays.items():
        content = gzip.compress(idx(array))
        (raw / f"{name}.gz").write_bytes(content)
        resources.append((f"{name}.gz", hashlib.md5(content).hexdigest()))
    monkeypatch.setattr(getattr(datasets, folder), "resources", resources)
    return arrays


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")])
def test_mnist_from_archives_put_there_by_hand(
    name: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = write_mnist(tmp_path, folder, monkeypatch)
    found = open_dataset(name, root=tmp_path)
    train, test = found.split("train"), found.split("test")
    assert (len(train), len(test), found.kind) == (5, 2, "image")
    assert found.labels is not None and len(found.labels) == 10
    sample = train[4]
    assert sample.label == 9 and sample.pixels is not None
    assert (sample.pixels == arrays["train-images-idx3-ubyte"][4][..., None]).all()
    assert test.labels_of().tolist() == [4, 5]  # type: ignore[union-attr]
    assert not {train.id_of(i) for i in range(5)} & {test.id_of(i) for i in range(2)}


def test_a_damaged_idx_file_is_said_to_be_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path, "MNIST", monkeypatch)
    open_dataset("mnist", root=tmp_path)
    file = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"mnist: the files in .*raw are damaged") as caught:
        open_dataset("mnist", root=tmp_path)
    assert caught.value.hint and "delete" in caught.value.hint


def write_cifar(root: Path, monkeypatch: pytest.MonkeyPatch, *, archive: bool) -> np.ndarray:
    """Two images to a batch, in the published layout: rows of 3072 bytes, all red, then green, then blue."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)

    def write(name: str, content: object) -> str:
        data = pickle.dumps(content, protocol=2)
        (folder / name).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    batches = [rng.integers(0, 256, (2, 3072), dtype=np.uint8) for _ in range(6)]
    names = [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]
    sums = [
        [name, write(name, {"data": rows, "labels": [n, 9]})]
        for n, (name, rows) in enumerate(zip(names, batches, strict=True))
    ]
    meta = write("batches.meta", {"label_names": list(PUBLISHED["cifar10"].labels)})
    monkeypatch.setattr(datasets.CIFAR10, "train_list", sums[:5])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", sums[5:])
    monkeypatch.setattr(datasets.CIFAR10, "meta", {**datasets.CIFAR10.meta, "md5": meta})
    if archive:
        tar = root / "cifar-10-python.tar.gz"
        with tarfile.open(tar, "w:gz") as stream:
            stream.add(folder, "cifar-10-batches-py")
        monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", hashlib.md5(tar.read_bytes()).hexdigest())
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    return np.concatenate(batches)


@pytest.mark.parametrize("archive", [True, False])
def test_cifar10_as_published(archive: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = write_cifar(tmp_path, monkeypatch, archive=archive)
    found = open_dataset("cifar10", root=tmp_path)
    train, test = found.split("train"), found.split("test")
    assert (len(train), len(test)) == (10, 2)
    assert train.labels_of().tolist() == [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]  # type: ignore[union-attr]
    assert (train[3].pixels == rows[3].reshape(3, 32, 32).transpose(1, 2, 0)).all()
    assert test[1].label == 9


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_without_network_it_says_where_to_put_the_files(name: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=f"{name} could not be downloaded") as caught:
        open_dataset(name, root=tmp_path / "data")
    hint = caught.value.hint or ""
    assert all(archive in hint for archive in PUBLISHED[name].archives)
    assert str((tmp_path / "data" / PUBLISHED[name].folder).resolve()) in hint


def test_a_changed_cifar_batch_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar(tmp_path, monkeypatch, archive=False)
    batch = tmp_path / "cifar-10-batches-py" / "data_batch_3"
    batch.write_bytes(batch.read_bytes() + b"x")
    with pytest.raises(DownloadError):
        open_dataset("cifar10", root=tmp_path)


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        open_dataset("mnist", root=tmp_path / "file" / "data")


def test_downloads_are_kept_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MOBILEKIT_DATA", str(tmp_path))
    assert data_root() == tmp_path
    monkeypatch.delenv("MOBILEKIT_DATA")
    assert data_root() == Path.home() / ".cache" / "mobilekit" / "data"
