from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mobilekit.data import Dataset, materialize, open_dataset, subset
from mobilekit.errors import DataError
from mobilekit.preprocess import preprocess_image
from mobilekit.spec import ImagePreprocess, TensorSpec
from mobilekit.spec.image import Resize

WriteImages = Callable[..., None]


def ids(found: Dataset, which: str) -> list[str]:
    split = found.split(which)  # type: ignore[arg-type]
    return [split.id_of(index) for index in range(len(split))]


@pytest.mark.parametrize("test_name", ["test", "val"])
def test_splits_as_they_stand(test_name: str, tmp_path: Path, write_images: WriteImages) -> None:
    for part, count in (("train", 3), (test_name, 2)):
        for kind in ("cat", "ape"):
            write_images(tmp_path / part / kind, count)
    found = open_dataset(f"imagefolder:{tmp_path}")
    assert found.labels == ("ape", "cat") and found.kind == "image"
    assert ids(found, "train") == [f"train/{kind}/{n:03d}.png" for kind in ("ape", "cat") for n in range(3)]
    assert found.split("test").labels_of().tolist() == [0, 0, 1, 1]  # type: ignore[union-attr]
    assert not set(ids(found, "train")) & set(ids(found, "test"))
    sample = found.split("test")[2]
    assert sample.label == 1 and sample.encoded == (tmp_path / sample.id).read_bytes()


def test_with_all_three_parts_val_is_left_alone(tmp_path: Path, write_images: WriteImages) -> None:
    for part in ("train", "val", "test"):
        write_images(tmp_path / part / "cat", 3)
    found = open_dataset(f"imagefolder:{tmp_path}")
    assert {name.split("/")[0] for name in ids(found, "test")} == {"test"}


def test_class_folders_are_split_by_seed(tmp_path: Path, write_images: WriteImages) -> None:
    for kind in ("cat", "ape"):
        write_images(tmp_path / kind, 10)
    found = open_dataset(f"imagefolder:{tmp_path}", seed=1)
    assert found.split("test").labels_of().tolist() == [0, 0, 1, 1]  # type: ignore[union-attr]
    assert sorted(ids(found, "train") + ids(found, "test")) == sorted(
        f"{k}/{n:03d}.png" for k in ("ape", "cat") for n in range(10)
    )
    assert ids(open_dataset(f"imagefolder:{tmp_path}", seed=1), "test") == ids(found, "test")
    assert ids(open_dataset(f"imagefolder:{tmp_path}", seed=2), "test") != ids(found, "test")


def test_a_flat_folder_is_unlabelled(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, 10)
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden.png").write_bytes(b"")
    found = open_dataset(f"imagefolder:{tmp_path}")
    assert found.labels is None and found.split("train").labels_of() is None
    assert (len(found.split("train")), len(found.split("test"))) == (8, 2)
    assert not set(ids(found, "train")) & set(ids(found, "test"))


def test_suffixes_in_any_case_hidden_ones_and_nested_folders(tmp_path: Path, png: Callable[..., bytes]) -> None:
    for name in (
        "a.JPG",
        "b.jpeg",
        "c.PnG",
        "d.bmp",
        "e.WEBP",
        "deep/f.png",
        ".g.png",
        ".trash/h.png",
        "i.gif",
        "j.txt",
    ):
        path = tmp_path / "cat" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(1))
    found = open_dataset(f"imagefolder:{tmp_path}")
    names = sorted(ids(found, "train") + ids(found, "test"))
    assert names == [f"cat/{name}" for name in ("a.JPG", "b.jpeg", "c.PnG", "d.bmp", "deep/f.png", "e.WEBP")]


def test_labels_of_the_model_number_the_folders(tmp_path: Path, write_images: WriteImages) -> None:
    for kind in ("cat", "ape"):
        write_images(tmp_path / kind, 5)
    found = open_dataset(f"imagefolder:{tmp_path}", labels=("cat", "dog", "ape"))
    assert found.labels == ("cat", "dog", "ape")
    assert found.split("test").labels_of().tolist() == [2, 0]  # type: ignore[union-attr]
    with pytest.raises(DataError, match=r"class folder\(s\) ape are not among the model's labels \(cat, dog\)"):
        open_dataset(f"imagefolder:{tmp_path}", labels=("cat", "dog"))


def test_a_class_called_train_is_a_class(tmp_path: Path, write_images: WriteImages) -> None:
    for kind in ("train", "bus"):
        write_images(tmp_path / kind, 3)
    assert open_dataset(f"imagefolder:{tmp_path}").labels == ("bus", "train")


def test_only_a_train_folder_is_split_by_seed(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path / "train" / "cat", 5)
    found = open_dataset(f"imagefolder:{tmp_path}")
    assert found.labels == ("cat",) and (len(found.split("train")), len(found.split("test"))) == (4, 1)


def test_what_it_refuses(tmp_path: Path, write_images: WriteImages) -> None:
    def refused(match: str) -> None:
        with pytest.raises(DataError, match=match) as caught:
            open_dataset(f"imagefolder:{tmp_path / 'x'}")
        assert caught.value.hint and caught.value.exit_code == 2

    folder = tmp_path / "x"
    refused("x does not exist")
    folder.write_text("")
    refused("is a file, not a folder")
    folder.unlink()
    folder.mkdir()
    refused("no image in .*x")
    write_images(folder, 1)
    refused("1 image found in .*x, at least 3 needed")
    write_images(folder, 2)
    refused("2 images found in .*x, at least 3 needed")
    write_images(folder / "cat", 2)
    refused("images beside folders of images")
    for file in folder.glob("*.png"):
        file.unlink()
    (folder / "dog").mkdir()
    refused(r"no image in class folder\(s\) dog")
    write_images(folder / "dog", 1)
    assert len(open_dataset(f"imagefolder:{folder}").split("train")) == 2


def test_too_few_in_either_split(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path / "train" / "cat", 1)
    write_images(tmp_path / "test" / "cat", 5)
    with pytest.raises(DataError, match="1 image found in train, at least 2 needed"):
        open_dataset(f"imagefolder:{tmp_path}")
    (tmp_path / "train" / "cat" / "000.png").rename(tmp_path / "train" / "000.png")
    (tmp_path / "train" / "cat").rmdir()
    with pytest.raises(DataError, match="one split has class folders and the other has none"):
        open_dataset(f"imagefolder:{tmp_path}")


def test_a_file_that_vanishes_is_named(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, 5)
    split = open_dataset(f"imagefolder:{tmp_path}").split("train")
    (tmp_path / split.id_of(0)).unlink()
    with pytest.raises(DataError, match=split.id_of(0)):
        split[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir(mode=0)
    with pytest.raises(DataError, match="cannot be read"):
        open_dataset(f"imagefolder:{tmp_path / 'x'}")


def test_real_photographs(shared_photos: Path) -> None:
    found = open_dataset(f"imagefolder:{shared_photos}")
    assert (len(found.split("train")), len(found.split("test"))) == (19, 5)
    preprocess = ImagePreprocess(resize=Resize(size=(64, 64)))
    chosen = subset(found.split("train"), 4, seed=0)
    samples = materialize(chosen, (TensorSpec(name="image", shape=(1, 3, 64, 64)),), preprocess)
    pixels = samples.pixels(0)
    assert samples.inputs[0].shape == (4, 3, 64, 64) and pixels is not None
    assert (preprocess_image(samples.encoded(0) or b"", preprocess, name="0") == samples.one(0)[0]).all()
