"""Data sets by name: `digits`, `wavfolder:PATH`, `package.module:function` ... to a Dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mobilekit.data.base import Dataset, Request
from mobilekit.data.digits import open_digits
from mobilekit.data.folder import open_imagefolder, open_wavfolder
from mobilekit.data.function import open_function
from mobilekit.data.npz import open_npz
from mobilekit.data.speech_commands import open_speech_commands
from mobilekit.data.spoken_words import open_spoken_words
from mobilekit.data.torchvision_sets import PUBLISHED, open_published
from mobilekit.errors import DataError, UnknownName
from mobilekit.progress import SILENT, Progress
from mobilekit.registry import with_plugins
from mobilekit.usercode import is_module

Factory = Callable[[Request], Dataset]

BY_NAME: dict[str, Factory] = {
    "digits": open_digits,
    **dict.fromkeys(PUBLISHED, open_published),
    "speech-commands": open_speech_commands,
    "speech-commands-35": open_speech_commands,
    "spoken-words": open_spoken_words,
}
BY_PATH: dict[str, Factory] = {"imagefolder": open_imagefolder, "npz": open_npz, "wavfolder": open_wavfolder}
_FORMS = "a data set is one of these names, imagefolder:PATH, wavfolder:PATH, npz:PATH, or package.module:function"


def dataset_names() -> tuple[str, ...]:
    """What can be asked for by name, sorted; those that need a path end in `:PATH`."""
    plugins = set(with_plugins("datasets", {})) - set(BY_NAME) - set(BY_PATH)
    return tuple(sorted([*BY_NAME, *plugins, *(f"{name}:PATH" for name in BY_PATH)]))


def open_dataset(
    name: str,
    *,
    root: Path | None = None,
    seed: int = 0,
    labels: Sequence[str] | None = None,
    progress: Progress = SILENT,
) -> Dataset:
    """The data set called `name`.

    `root` is where downloads are kept ($MOBILEKIT_DATA or ~/.cache/mobilekit/data); `seed` divides the data sets
    that come without splits; `labels`, the model's, number the class folders of an imagefolder or wavfolder;
    `progress` hears of what is made or fetched on first use. Paths are relative to the current folder. Raises
    UnknownName, DataError, SetupError (DownloadError, StorageError).
    """
    place, colon, argument = name.partition(":")
    request = Request(name, argument, root, seed, labels, progress)
    registry = with_plugins("datasets", {**BY_NAME, **BY_PATH})
    if place in registry:
        _check_argument(place, bool(colon), argument)
        return registry[place](request)
    if colon and argument.isidentifier() and is_module(place):
        return open_function(request)
    if colon and argument.isidentifier() and "." in place:
        raise DataError(f"no Python module {place!r} for the data set {name!r}", hint=_START_THERE)
    raise UnknownName("data set", place, list(registry), hint=_FORMS)


_START_THERE = "install it, or start mobilekit from the folder that holds it"


def _check_argument(place: str, colon: bool, argument: str) -> None:
    if place in BY_PATH and not argument:
        raise DataError(f"data set {place!r} needs a path", hint=f"{place}:PATH")
    if place in BY_NAME and colon:
        raise DataError(f"data set {place!r} takes nothing after its name, given {argument!r}", hint=place)
