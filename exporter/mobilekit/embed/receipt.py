"""The receipt: what embed wrote into an app, file by file. What it does not list, or lists otherwise, is never touched.

It lies beside bundle.json, holds no date and no path of a machine, and the same bundle gives the same bytes.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field, ValidationError

from mobilekit import files
from mobilekit.bundle.manifest import Count, RelativePath, Sha256
from mobilekit.errors import OutputExists
from mobilekit.spec.base import Spec

RECEIPT_FILE = "mobilekit-embed.json"
_CLUTTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_SHOWN = 5


class Receipt(Spec):
    """mobilekit-embed.json."""

    format: Literal["mobilekit-embed"] = "mobilekit-embed"
    version: Literal[1] = 1
    note: str = "made by mobilekit embed: it lists what it wrote here, so that it can replace and remove just that"
    model: str
    bundle_sha256: Sha256 = Field(description="of the bundle.json that was embedded from")
    parents_made: Count = Field(description="how many folders above this one were made for it; --remove takes them too")
    files: dict[RelativePath, Sha256]

    def text(self) -> str:
        return self.model_dump_json(indent=2) + "\n"


def read_receipt(folder: Path) -> Receipt | None:
    """The receipt in `folder`; None where there is none. Raises OutputExists for one that cannot be understood."""
    path = folder / RECEIPT_FILE
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _not_ours(folder, f"{path.name} cannot be read: {error.strerror}") from error
    try:
        return Receipt.model_validate_json(data, strict=True)
    except (ValidationError, RecursionError) as error:
        raise _not_ours(folder, f"{path.name} is damaged, so what embed wrote is not known") from error


def refuse_foreign(folder: Path) -> Receipt | None:
    """The receipt of what embed wrote in `folder`, untouched since; None where nothing is.

    A file of ours that is gone is no loss, and passes. Raises OutputExists, naming every file that is another's or was
    changed.
    """
    if not os.path.lexists(folder):
        return None
    if folder.is_symlink() or not folder.is_dir():
        raise _not_ours(folder, "it is no folder that embed made")
    receipt = read_receipt(folder)
    if receipt is None:
        raise _not_ours(folder, f"it has no {RECEIPT_FILE}, so embed did not write it")
    problems = _differences(folder, receipt)
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise _not_ours(folder, "; ".join([*problems[:_SHOWN], *more]))
    return receipt


def _differences(folder: Path, receipt: Receipt) -> list[str]:
    problems = []
    made = {parent.as_posix() for name in receipt.files for parent in PurePosixPath(name).parents}
    for parent, inner, names in os.walk(folder):
        for name in sorted([*inner, *names]):
            path = Path(parent, name)
            listed = path.relative_to(folder).as_posix()
            if path.is_symlink():
                problems.append(f"{listed} is a link")
            elif name in _CLUTTER or listed in (RECEIPT_FILE, ".lock") or (path.is_dir() and listed in made):
                continue
            elif listed not in receipt.files:
                problems.append(f"{listed} was not written by embed")
            elif files.sha256(path) != receipt.files[listed]:
                problems.append(f"{listed} was changed since embed wrote it")
    return problems


def _not_ours(folder: Path, why: str) -> OutputExists:
    return OutputExists(
        f"{folder}: nothing was changed here: {why}",
        hint="move or delete what is named (embed writes its own files again), or embed under another --name",
    )
