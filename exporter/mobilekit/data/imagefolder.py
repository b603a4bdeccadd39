"""imagefolder:PATH: images in files, by class or flat. Refuses empty folders, empty classes and mixed layouts.

    PATH/train/<class>/**  PATH/test/<class>/**    the splits as they stand (val/ serves when there is no test/)
    PATH/<class>/**                                split by seed, 20 % of each class for test
    PATH/*.jpg                                     unlabelled, split by seed

Images are .jpg .jpeg .png .bmp .webp in any case; hidden files and folders are passed over. Classes are numbered in
the order of their names, or by the model's labels where these are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mobilekit.data.base import Dataset, Labels, Request, Sample, Split, TwoSplits, View
from mobilekit.data.sampling import TEST_FRACTION, held_out
from mobilekit.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_FORMS = "expected PATH/train/<class>/… and PATH/test/<class>/…, PATH/<class>/…, or a flat folder of images"
_CALIBRATE, _MEASURE = 2, 1


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Image files below `folder`, read when they are asked for; ids are their paths relative to `folder`."""

    source: str
    name: str
    folder: Path
    files: tuple[str, ...]
    labels: Labels | None

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        path = self.folder / self.files[index]
        try:
            encoded = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}") from error
        label = None if self.labels is None else int(self.labels[index])
        return Sample(self.files[index], label, encoded=encoded)

    def id_of(self, index: int) -> str:
        return self.files[index]

    def labels_of(self) -> Labels | None:
        return self.labels


def open_imagefolder(request: Request) -> Dataset:
    """The images below the path. Raises DataError for every layout that is not one of the three above."""
    folder = Path(request.argument).expanduser()
    try:
        if not folder.is_dir():
            what = "is a file, not a folder" if folder.exists() else "does not exist"
            raise DataError(f"{request.name}: {folder} {what}", hint=_FORMS)
        return _open(request, folder)
    except OSError as error:
        raise DataError(f"{request.name}: {error.filename or folder} cannot be read: {error.strerror}") from error


def _open(request: Request, folder: Path) -> Dataset:
    parts = _split_folders(folder)
    labels = _class_names(request, [folder / part for part in parts] or [folder])
    if len(parts) == 2:
        train, test = (
            _scan(request, folder, part, which, labels) for part, which in zip(parts, ("train", "test"), strict=True)
        )
        _check_enough(request, {parts[0]: (len(train), _CALIBRATE), parts[1]: (len(test), _MEASURE)})
        return TwoSplits(request.name, labels, "image", train, test)
    whole = _scan(request, folder, parts[0] if parts else "", "all", labels)
    _check_enough(request, {str(folder): (len(whole), _CALIBRATE + _MEASURE)})
    return _split_by_seed(request, whole, labels)


def _split_by_seed(request: Request, whole: Split, labels: tuple[str, ...] | None) -> TwoSplits:
    purpose = "imagefolder test split"
    train, test = held_out(len(whole), whole.labels_of(), TEST_FRACTION, request.seed, purpose)
    views = (View(whole, tuple(part.tolist()), name) for part, name in ((train, "train"), (test, "test")))
    return TwoSplits(request.name, labels, "image", *views)


def _split_folders(folder: Path) -> tuple[str, ...]:
    """("train", "test" or "val") when both are there, the one that is there alone, or () for the other layouts."""
    names = {path.name for path in _visible_folders(folder)}
    test = "test" if "test" in names else "val"
    if {"train", test} <= names:
        return ("train", test)
    alone = names & {"train", test}
    return tuple(alone) if alone and alone == names else ()


def _class_names(request: Request, places: Sequence[Path]) -> tuple[str, ...] | None:
    """Names of the class folders in all `places`; None when the images lie flat. Raises DataError for a mixture."""
    classes: set[str] = set()
    flat = []
    for place in places:
        folders = _visible_folders(place)
        filled = {path.name for path in folders if _images_below(path)}
        loose = any(_is_image(path) for path in place.iterdir())
        if loose and filled:
            raise DataError(
                f"{request.name}: {place} holds images beside folders of images ({', '.join(sorted(filled)[:5])})",
                hint=_FORMS,
            )
        if not loose and not filled:
            raise DataError(f"{request.name}: no image in {place} ({', '.join(SUFFIXES)})", hint=_FORMS)
        empty = sorted({path.name for path in folders} - filled)
        if filled and empty:
            raise DataError(
                f"{request.name}: no image in class folder(s) {', '.join(empty[:10])} of {place}",
                hint="add images, or remove the folder",
            )
        classes |= filled
        flat.append(loose)
    if any(flat) != all(flat):
        raise DataError(f"{request.name}: one split has class folders and the other has none", hint=_FORMS)
    return None if flat[0] else _numbered(request, classes)


def _numbered(request: Request, classes: set[str]) -> tuple[str, ...]:
    """The label order: the model's labels when every folder is one of them, else the sorted folder names."""
    if request.labels is None:
        return tuple(sorted(classes))
    strange = sorted(classes - set(request.labels))
    if strange:
        raise DataError(
            f"{request.name}: class folder(s) {', '.join(strange[:10])} are not among the model's labels "
            f"({', '.join(list(request.labels)[:10])}{', …' if len(request.labels) > 10 else ''})",
            hint="name the folders as the labels, or put the images into one flat folder to use them unlabelled",
        )
    return tuple(request.labels)


def _scan(request: Request, folder: Path, part: str, name: str, classes: tuple[str, ...] | None) -> ImageFiles:
    """The images of one split, sorted by path; ids are relative to `folder` so that they name the split too."""
    place = folder / part
    if classes is None:
        files = sorted(path.relative_to(folder).as_posix() for path in place.iterdir() if _is_image(path))
        return ImageFiles(request.name, name, folder, tuple(files), None)
    number = {label: index for index, label in enumerate(classes)}
    found = sorted(
        (path.relative_to(folder).as_posix(), number[child.name])
        for child in _visible_folders(place)
        for path in _images_below(child)
    )
    labels = np.array([label for _, label in found], dtype=np.int64)
    return ImageFiles(request.name, name, folder, tuple(file for file, _ in found), labels)


def _check_enough(request: Request, found: dict[str, tuple[int, int]]) -> None:
    for place, (given, needed) in found.items():
        if given < needed:
            count = "1 image" if given == 1 else f"{given} images"
            raise DataError(
                f"{request.name}: {count} found in {place}, at least {needed} needed",
                hint=f"{_CALIBRATE} to calibrate and {_MEASURE} other to measure is the least; some 100 are sensible",
            )


def _visible_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _images_below(folder: Path) -> list[Path]:
    found = [path for path in folder.iterdir() if _is_image(path)]
    below = [child for child in _visible_folders(folder) if not child.is_symlink()]  # a link may lead back up
    return found + [image for child in below for image in _images_below(child)]


def _is_image(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix.lower() in SUFFIXES and path.is_file()
