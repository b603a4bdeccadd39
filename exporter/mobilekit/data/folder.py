"""imagefolder:PATH and wavfolder:PATH: files by class or flat. Refuses empty folders, empty classes, mixed layouts.

    PATH/train/<class>/**  PATH/test/<class>/**    the splits as they stand (val/ serves when there is no test/)
    PATH/<class>/**                                split by seed, 20 % of each class for test
    PATH/*.jpg                                     unlabelled, split by seed

Images are .jpg .jpeg .png .bmp .webp, sounds .wav, in any case; hidden files and folders are passed over. Classes are
numbered in the order of their names, or by the model's labels where these are known. No speaker of sounds is on both
sides (speakers.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mobilekit.data.base import Dataset, Kind, Labels, Request, Sample, TwoSplits, View
from mobilekit.data.sampling import TEST_FRACTION, held_out
from mobilekit.data.speakers import held_out_speakers, refuse_shared
from mobilekit.errors import DataError

MOST_BYTES = 2**30
"""No photo and no clip is larger; reading one that is would fill the memory."""
_CALIBRATE, _MEASURE = 2, 1


@dataclass(frozen=True)
class FileKind:
    """What is looked for in a folder. Folders called as in `passed_over` are left alone."""

    kind: Kind
    noun: str
    suffixes: tuple[str, ...]
    passed_over: tuple[str, ...] = ()

    @property
    def layouts(self) -> str:
        return (
            f"expected PATH/train/<class>/… and PATH/test/<class>/…, PATH/<class>/…, or a flat folder of {self.noun}s"
        )

    def is_one(self, path: Path) -> bool:
        return not path.name.startswith(".") and path.suffix.lower() in self.suffixes and path.is_file()

    def folders(self, folder: Path) -> list[Path]:
        """The visible folders in `folder`, sorted."""
        found = (path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
        return sorted(path for path in found if path.name not in self.passed_over)

    def below(self, folder: Path) -> list[Path]:
        """All files of this kind below `folder`."""
        found = [path for path in folder.iterdir() if self.is_one(path)]
        below = [child for child in self.folders(folder) if not child.is_symlink()]  # a link may lead back up
        return found + [file for child in below for file in self.below(child)]


IMAGES = FileKind("image", "image", (".jpg", ".jpeg", ".png", ".bmp", ".webp"))
SOUNDS = FileKind("audio", "WAV file", (".wav",), passed_over=("_background_noise_",))  # Speech Commands has such


@dataclass(frozen=True, eq=False)
class Files:
    """Files below `folder`, read when they are asked for; ids are their paths relative to `folder`."""

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
            if path.stat().st_size > MOST_BYTES:
                raise DataError(f"{path} is larger than {MOST_BYTES:,} bytes", hint="cut it, or leave it out")
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
    return open_folder(request, Path(request.argument).expanduser(), IMAGES)


def open_wavfolder(request: Request) -> Dataset:
    """The WAV files below the path. Raises DataError as open_imagefolder does, and for speakers in both splits."""
    return open_folder(request, Path(request.argument).expanduser(), SOUNDS)


def open_folder(request: Request, folder: Path, kind: FileKind) -> Dataset:
    """The files of `kind` below `folder` as a data set."""
    try:
        if not folder.is_dir():
            what = "is a file, not a folder" if folder.exists() else "does not exist"
            raise DataError(f"{request.name}: {folder} {what}", hint=kind.layouts)
        return _Folder(request, folder, kind).open()
    except OSError as error:
        raise DataError(f"{request.name}: {error.filename or folder} cannot be read: {error.strerror}") from error


@dataclass(frozen=True)
class _Folder:
    """One folder under one request."""

    request: Request
    folder: Path
    kind: FileKind

    def open(self) -> Dataset:
        parts = self._split_folders()
        labels = self._class_names([self.folder / part for part in parts] or [self.folder])
        if len(parts) == 2:
            train, test = (
                self._scan(part, which, labels) for part, which in zip(parts, ("train", "test"), strict=True)
            )
            self._check_enough({parts[0]: (len(train), _CALIBRATE), parts[1]: (len(test), _MEASURE)})
            if self.kind is SOUNDS:
                refuse_shared(self.request.name, train.files, test.files)
            return TwoSplits(self.request.name, labels, self.kind.kind, train, test)
        whole = self._scan(parts[0] if parts else "", "all", labels)
        self._check_enough({str(self.folder): (len(whole), _CALIBRATE + _MEASURE)})
        return self._split_by_seed(whole, labels)

    def _split_by_seed(self, whole: Files, labels: tuple[str, ...] | None) -> TwoSplits:
        seed = self.request.seed
        if self.kind is SOUNDS:
            parts = held_out_speakers(whole.files, whole.labels, TEST_FRACTION, seed, "wavfolder test split")
        else:
            parts = held_out(len(whole), whole.labels, TEST_FRACTION, seed, "imagefolder test split")
        train, test = (
            View(whole, tuple(part.tolist()), name) for part, name in zip(parts, ("train", "test"), strict=True)
        )
        return TwoSplits(self.request.name, labels, self.kind.kind, train, test)

    def _split_folders(self) -> tuple[str, ...]:
        """("train", "test" or "val") when both are there, the one that is there alone, or () for the other layouts."""
        names = {path.name for path in self.kind.folders(self.folder)}
        test = "test" if "test" in names else "val"
        if {"train", test} <= names:
            return ("train", test)
        alone = names & {"train", test}
        return tuple(alone) if alone and alone == names else ()

    def _class_names(self, places: Sequence[Path]) -> tuple[str, ...] | None:
        """Names of the class folders in all `places`; None when the files lie flat. Raises DataError for a mixture."""
        classes: set[str] = set()
        flat = []
        for place in places:
            filled = self._filled(place)
            classes |= filled
            flat.append(not filled)
        if any(flat) != all(flat):
            raise DataError(
                f"{self.request.name}: one split has class folders and the other has none", hint=self.kind.layouts
            )
        return None if flat[0] else self._numbered(classes)

    def _filled(self, place: Path) -> set[str]:
        """The class folders of `place`; none where its files lie flat."""
        name, noun = self.request.name, self.kind.noun
        folders = self.kind.folders(place)
        filled = {path.name for path in folders if self.kind.below(path)}
        loose = any(self.kind.is_one(path) for path in place.iterdir())
        if loose and filled:
            raise DataError(
                f"{name}: {place} holds {noun}s beside folders of {noun}s ({', '.join(sorted(filled)[:5])})",
                hint=self.kind.layouts,
            )
        if not loose and not filled:
            raise DataError(f"{name}: no {noun} in {place} ({', '.join(self.kind.suffixes)})", hint=self.kind.layouts)
        empty = sorted({path.name for path in folders} - filled)
        if filled and empty:
            raise DataError(
                f"{name}: no {noun} in class folder(s) {', '.join(empty[:10])} of {place}",
                hint=f"add {noun}s, or remove the folder",
            )
        return filled

    def _numbered(self, classes: set[str]) -> tuple[str, ...]:
        """The label order: the model's labels when every folder is one of them, else the sorted folder names."""
        labels = self.request.labels
        if labels is None:
            return tuple(sorted(classes))
        strange = sorted(classes - set(labels))
        if strange:
            raise DataError(
                f"{self.request.name}: class folder(s) {', '.join(strange[:10])} are not among the model's labels "
                f"({', '.join(list(labels)[:10])}{', …' if len(labels) > 10 else ''})",
                hint=f"name the folders as the labels, or put the {self.kind.noun}s into one flat folder to use them "
                "unlabelled",
            )
        return tuple(labels)

    def _scan(self, part: str, name: str, classes: tuple[str, ...] | None) -> Files:
        """The files of one split, sorted by path; ids are relative to the folder so that they name the split too."""
        place, source = self.folder / part, self.request.name
        if classes is None:
            flat = sorted(self._relative(path) for path in place.iterdir() if self.kind.is_one(path))
            return Files(source, name, self.folder, tuple(flat), None)
        number = {label: index for index, label in enumerate(classes)}
        found = sorted(
            (self._relative(path), number[child.name])
            for child in self.kind.folders(place)
            for path in self.kind.below(child)
        )
        labels = np.array([label for _, label in found], dtype=np.int64)
        return Files(source, name, self.folder, tuple(file for file, _ in found), labels)

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _check_enough(self, found: dict[str, tuple[int, int]]) -> None:
        for place, (given, needed) in found.items():
            if given < needed:
                raise DataError(
                    f"{self.request.name}: {given} {self.kind.noun}{'' if given == 1 else 's'} found in {place}, "
                    f"at least {needed} needed",
                    hint=f"{_CALIBRATE} to calibrate and {_MEASURE} other to measure is the least; some 100 are better",
                )
