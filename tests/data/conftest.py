"""Tiny images and folders of them."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def _png(value: int, size: tuple[int, int] = (6, 5)) -> bytes:
    """A grey-ish RGB image, different for each `value`; `size` is (width, height)."""
    stream = io.BytesIO()
    Image.new("RGB", size, (value % 256, value // 2 % 256, 7)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def png() -> Callable[..., bytes]:
    return _png


@pytest.fixture
def write_images() -> Callable[[Path, int], None]:
    """Fill a folder with `count` PNG files of different content."""

    def write(folder: Path, count: int, start: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(count):
            (folder / f"{index:03d}.png").write_bytes(_png(start + index))

    return write


@pytest.fixture
def save_npz(tmp_path: Path) -> Callable[..., str]:
    """Save arrays and give the data set's name, npz:PATH."""

    def save(**arrays: np.ndarray) -> str:
        path = tmp_path / "data.npz"
        np.savez(path, **arrays)
        return f"npz:{path}"

    return save


@pytest.fixture
def shared_photos() -> Path:
    """24 real photographs, where the shared folder is there."""
    beside = Path(__file__).resolve().parents[2].parent / "shared"
    folder = Path(os.environ.get("MOBILEKIT_SHARED", beside)) / "data" / "photos"
    if not folder.is_dir():
        pytest.skip(f"no {folder}; MOBILEKIT_SHARED says where the shared data is")
    return folder
