"""What is written is what is read; bundle.json never vouches for what is not there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from mobilekit.bundle import Bundle
from mobilekit.bundle.manifest import ITEM_BYTES, Manifest
from mobilekit.bundle.store import read_manifest
from mobilekit.bundle.write import entry_for, utc_now, write_file, write_labels, write_manifest, write_tensor
from mobilekit.errors import BundleError, SpecError


def with_labels(folder: Path, labels: tuple[str, ...]) -> tuple[str, ...] | None:
    manifest = read_manifest(folder).model_copy(update={"labels": write_labels(folder, labels)})
    return Bundle(folder, manifest).labels()


@given(
    st.sampled_from(sorted(ITEM_BYTES)).flatmap(
        lambda name: st_numpy.arrays(np.dtype(name), st_numpy.array_shapes(min_dims=0, max_dims=4, max_side=3))
    )
)
def test_a_tensor_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, array: np.ndarray) -> None:
    folder = tmp_path_factory.mktemp("bundle")
    entry = write_tensor(folder, "golden/x.bin", "x", array)
    assert (entry.dtype, entry.shape) == (array.dtype.name, array.shape)
    manifest = Manifest.model_construct()
    again = Bundle(folder, manifest).golden_tensor(entry)
    assert again.dtype == array.dtype
    assert again.tobytes() == array.tobytes()
    assert again.shape == array.shape


@pytest.mark.parametrize("array", [np.arange(6, dtype=">f4").reshape(2, 3), np.arange(6, dtype="<f4").reshape(3, 2).T])
def test_tensors_are_little_endian_and_in_c_order(tmp_path: Path, array: np.ndarray) -> None:
    entry = write_tensor(tmp_path, "x.bin", "x", array)
    expected = array.astype("<f4").tobytes(order="C")
    assert (tmp_path / "x.bin").read_bytes() == expected
    assert entry.bytes == 24


def test_a_dtype_that_phones_do_not_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"x.bin: a golden tensor cannot be float64 \(can be: float32, "):
        write_tensor(tmp_path, "x.bin", "x", np.zeros(2))
    assert list(tmp_path.iterdir()) == []


@given(st.lists(st.text(min_size=1, max_size=12), max_size=5))
def test_labels_come_back_or_are_refused(tmp_path_factory: pytest.TempPathFactory, labels: list[str]) -> None:
    folder = tmp_path_factory.mktemp("bundle")
    try:
        entry = write_labels(folder, labels)
    except SpecError as error:
        assert all(problem.field.startswith("labels[") for problem in error.problems)
        assert any(
            not label.strip() or len(label.splitlines()) > 1 or label != label.strip("\r\n") for label in labels
        ) or any(label.splitlines() != [label] for label in labels)
        assert not (folder / "labels.txt").exists()
    else:
        manifest = Manifest.model_construct(labels=entry)
        assert Bundle(folder, manifest).labels() == tuple(labels)


def test_a_label_with_a_line_break_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        write_labels(tmp_path, ["fine", "two\nlines", ""])
    assert [problem.field for problem in caught.value.problems] == ["labels[1]", "labels[2]"]


def test_a_manifest_is_written_last_and_comes_back(folder: Path) -> None:
    manifest = read_manifest(folder)
    before = (folder / "bundle.json").read_bytes()
    (folder / "bundle.json").unlink()
    assert write_manifest(folder, manifest) == folder / "bundle.json"
    assert (folder / "bundle.json").read_bytes() == before
    assert Bundle.load(folder).manifest == manifest


def test_a_manifest_is_not_written_for_files_that_are_not_there(folder: Path) -> None:
    manifest = read_manifest(folder)
    (folder / "bundle.json").unlink()
    (folder / "labels.txt").unlink()
    (folder / "report.md").write_text("short")
    with pytest.raises(BundleError, match=r"bundle\.json was not written") as caught:
        write_manifest(folder, manifest)
    assert "labels.txt: missing" in str(caught.value)
    assert "report.md: has 5 bytes" in str(caught.value)
    assert not (folder / "bundle.json").exists()


def test_an_entry_says_what_a_file_or_folder_is(tmp_path: Path) -> None:
    written = write_file(tmp_path, "sub/folder/file.txt", "grün")
    assert written == entry_for(tmp_path, "sub/folder/file.txt")
    assert written.bytes == 5
    assert entry_for(tmp_path, "sub").bytes == 5
    assert entry_for(tmp_path, "sub").sha256 != written.sha256
    with pytest.raises(BundleError, match="missing"):
        entry_for(tmp_path, "nothing")


def test_the_time_is_written_as_the_manifest_wants_it() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", utc_now())
