from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mobilekit.data import open_dataset
from mobilekit.errors import DataError

SaveNpz = Callable[..., str]


def test_one_array_with_labels_is_split_by_seed(save_npz: SaveNpz) -> None:
    x = np.arange(40, dtype=np.float32).reshape(20, 2)
    found = open_dataset(save_npz(x=x, y=np.arange(20) % 2))
    train, test = found.split("train"), found.split("test")
    assert (found.kind, found.labels, len(train), len(test)) == ("tensor", None, 16, 4)
    seen = sorted(float(split[i].tensors[0][0, 0]) for split in (train, test) for i in range(len(split)))
    assert seen == x[:, 0].tolist(), "every sample is in one split"
    sample = train[3]
    assert sample.tensors[0].shape == (1, 2) and sample.names == ()
    assert sample.label == train.labels_of()[3]  # type: ignore[index]


def test_explicit_splits_and_named_inputs(save_npz: SaveNpz) -> None:
    arrays = {
        f"{part}_{name}": np.full((3, 2), value)
        for part, value in (("train", 1.0), ("test", 2.0))
        for name in ("x_left", "right")
    }
    found = open_dataset(save_npz(**arrays))
    assert found.split("test")[0].names == ("left", "right")
    assert found.split("test")[0].tensors[1].tolist() == [[2.0, 2.0]]
    assert found.split("train").labels_of() is None


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((4, 6, 5), "image"),
        ((4, 6, 5, 1), "image"),
        ((4, 6, 5, 3), "image"),
        ((4, 3, 6, 5), "tensor"),
        ((4, 6), "tensor"),
    ],
)
def test_uint8_arrays_shaped_like_images_are_images(shape: tuple[int, ...], kind: str, save_npz: SaveNpz) -> None:
    found = open_dataset(save_npz(x=np.zeros(shape, dtype=np.uint8)))
    assert found.kind == kind
    if kind == "image":
        assert found.split("train")[0].pixels.shape == (6, 5, 3)  # type: ignore[union-attr]


FLOATS = np.zeros((4, 2), dtype=np.float32)


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"y": np.zeros(4, dtype=int)}, "no array x"),
        ({"x": FLOATS, "z": FLOATS}, "x stands for all inputs, yet there is z"),
        ({"x": FLOATS, "y": np.zeros(3, dtype=int)}, "differ in length: x 4, y 3"),
        ({"a": FLOATS, "b": FLOATS[:2]}, "differ in length: a 4, b 2"),
        ({"x": np.array([[0.0], [1.0], [np.nan]])}, "x holds NaN or infinity, first in sample 2"),
        ({"train_x": np.full((3, 1), np.inf), "test_x": FLOATS}, "train_x holds NaN or infinity"),
        ({"x": FLOATS, "y": np.zeros(4)}, "y must be whole numbers"),
        ({"x": FLOATS, "y": np.array([0, 1, -1, 0])}, "negative label -1"),
        ({"x": FLOATS[:2]}, r"2 sample\(s\) in the file, at least 3"),
        ({"train_x": FLOATS, "x": FLOATS}, "which split is it of"),
        ({"train_x": FLOATS}, "no array test_x"),
        ({"train_x": FLOATS, "test_x": FLOATS, "test_y": np.zeros(4, dtype=int)}, "the same arrays"),
        ({"x": np.float32(3)}, "samples first"),
        ({"x": np.array(["a", "b", "c"])}, "numbers"),
    ],
)
def test_what_it_refuses(arrays: dict[str, np.ndarray], match: str, save_npz: SaveNpz) -> None:
    with pytest.raises(DataError, match=match):
        open_dataset(save_npz(**arrays))


def test_never_unpickles(save_npz: SaveNpz, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "exploded",))

    with pytest.raises(DataError, match="would have to be unpickled"):
        open_dataset(save_npz(x=np.array([Bomb()], dtype=object)))
    assert not (tmp_path / "exploded").exists()


def test_files_that_are_something_else(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        open_dataset(f"npz:{tmp_path / 'none.npz'}")
    np.save(tmp_path / "single.npy", FLOATS)
    with pytest.raises(DataError, match="a single array"):
        open_dataset(f"npz:{tmp_path / 'single.npy'}")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_refused_cleanly(data: st.DataObject, tmp_path: Path) -> None:
    path = tmp_path / "damaged.npz"
    np.savez(path, x=FLOATS, y=np.zeros(4, dtype=int))
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content))
    try:  # a changed byte may land where it changes nothing; then the arrays must be whole
        split = open_dataset(f"npz:{path}").split("train")
    except DataError as error:
        assert str(path) in str(error) or "npz:" in str(error)
    else:
        assert len(split) >= 2 and split[0].tensors
