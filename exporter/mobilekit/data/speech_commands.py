"""speech-commands: Speech Commands v0.02 by torchvision's download utilities, which check its MD5.

Real people's words (Warden, 2018), one second each at 16 kHz, in the official test split (testing_list.txt). The
official validation clips are in train, since training holds back a part of its own. `speech-commands` is the ten
keywords of the paper, `speech-commands-35` all words. Refuses damaged files; says where to put them by hand.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mobilekit.data.base import Dataset, Request, TwoSplits
from mobilekit.data.folder import SOUNDS, Files
from mobilekit.data.torchvision_sets import data_root, download_errors
from mobilekit.errors import DataError, OutputExists
from mobilekit.files import staged_folder
from mobilekit.quiet import quiet

URL = "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz"
MD5 = "6b74f3901214cb2c2934e98196829835"
ARCHIVE = URL.rpartition("/")[2]
FOLDER = "speech_commands_v0.02"
TEST_LIST = "testing_list.txt"
KEYWORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")


def open_speech_commands(request: Request) -> Dataset:
    """The clips in their official split; downloads 2.3 GB the first time.

    Raises DownloadError when it cannot be fetched, DataError when the files are damaged, StorageError when the folder
    cannot be written.
    """
    root = request.root or data_root()
    folder = root / FOLDER
    if not (folder / TEST_LIST).is_file():
        with request.progress.task(f"downloading and unpacking {ARCHIVE} (2.3 GB), once"):
            _fetch(request.name, root, folder)
    return read_speech_commands(request, folder)


def read_speech_commands(request: Request, folder: Path) -> Dataset:
    """The unpacked archive at `folder` as a data set. Raises DataError for one that is not whole."""
    try:
        listed = frozenset((folder / TEST_LIST).read_text(encoding="utf-8").split())
        words = tuple(path.name for path in SOUNDS.folders(folder))
        chosen = words if request.name.endswith("-35") else KEYWORDS
        files = {
            word: sorted(f"{word}/{path.name}" for path in (folder / word).iterdir() if SOUNDS.is_one(path))
            for word in chosen
        }
    except OSError as error:
        raise DataError(
            f"{request.name}: {error.filename or folder} cannot be read: {error.strerror}", hint=_hint(folder)
        ) from error
    number = {word: index for index, word in enumerate(request.labels_over(chosen))}
    found = sorted((file, number[word]) for word, own in files.items() for file in own)
    train, test = (
        _split(request.name, which, folder, [one for one in found if (one[0] in listed) == (which == "test")])
        for which in ("train", "test")
    )
    absent = sorted(word for word, own in files.items() if listed.isdisjoint(own) or listed.issuperset(own))
    if absent or not found:
        raise DataError(
            f"{request.name}: {folder} is not whole: {', '.join(absent) or 'no word'} is not in both splits",
            hint=_hint(folder),
        )
    return TwoSplits(request.name, request.labels_over(chosen), "audio", train, test)


def _split(name: str, which: str, folder: Path, found: list[tuple[str, int]]) -> Files:
    labels = np.array([label for _, label in found], dtype=np.int64)
    return Files(name, which, folder, tuple(file for file, _ in found), labels)


def _fetch(name: str, root: Path, folder: Path) -> None:
    """Download what is not there, check it, and unpack it beside its place; the folder appears whole."""
    from torchvision.datasets.utils import download_url, extract_archive

    with download_errors(name, root, (ARCHIVE,)):
        root.mkdir(parents=True, exist_ok=True)
        with quiet():
            download_url(URL, str(root), filename=ARCHIVE, md5=MD5)
        try:
            with staged_folder(folder) as staging, quiet():
                extract_archive(str(root / ARCHIVE), str(staging))
        except OutputExists:
            if not (folder / TEST_LIST).is_file():  # else another process has unpacked it meanwhile
                raise


def _hint(folder: Path) -> str:
    return f"delete {folder}; the next run unpacks it again"
