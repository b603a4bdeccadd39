"""Key: everything that decides what a stage makes, as a value that can be read and hashed.

A stage's key is a class with a field for each thing, so that leaving one out is seen in review; code counts as one, by
the hash of its source, since a checkout changes without its version. Refuses nothing: whoever makes a key must know.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import mobilekit
from mobilekit.spec.base import Spec


class Key(Spec):
    """The base of all keys: which stage, and by which code."""

    stage: str
    code_sha256: str


def canonical(key: Key) -> str:
    """The one JSON text of a key: names sorted, so that the order of fields in a class does not matter."""
    return json.dumps(key.model_dump(mode="json"), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def digest(key: Key) -> str:
    """What a key's entry is called: the stage, and 128 bits of SHA-256."""
    return f"{key.stage}-{hashlib.sha256(canonical(key).encode()).hexdigest()[:32]}"


@cache
def code_sha256(*parts: str) -> str:
    """Hash of the source of `parts` of this package: folders with all that is in them (`lower`), or modules (`quiet`).

    Taken once: what has been imported does not change while a process lives.
    """
    package = Path(mobilekit.__file__).parent
    hashed = hashlib.sha256()
    for part in parts:
        one = package / f"{part}.py"
        for file in [one] if one.is_file() else sorted((package / part).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                name, content = file.relative_to(package).as_posix(), file.read_bytes()
                hashed.update(f"{name} {len(content)}\n".encode() + content)
    return hashed.hexdigest()
