"""Runtimes: which operators and backends each known release of ExecuTorch registers. Guesses nothing of the others.

One JSON file beside this one for each release and platform; `python -m mobilekit.embed.table` makes them from the
real libraries, and each says in `source` what was read.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import Field

from mobilekit.spec.base import Spec

Platform = Literal["android", "apple"]


class Kit(Spec):
    """What a library registers when it is loaded."""

    backends: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()


class RuntimeTable(Spec):
    """A release of ExecuTorch on one platform: its parts, of which Android's prebuilt library has all."""

    runtime: Literal["executorch"] = "executorch"
    version: str
    platform: Platform
    source: str = Field(description="one sentence: what was read to know this")
    products: dict[str, Kit]


@cache
def known(platform: Platform) -> dict[str, RuntimeTable]:
    """The tables of `platform` by version, the oldest first."""
    from packaging.version import Version

    found = [
        RuntimeTable.model_validate_json(file.read_text(encoding="utf-8"))
        for file in files(__package__).iterdir()
        if file.name.startswith(f"{platform}-") and file.name.endswith(".json")
    ]
    return {table.version: table for table in sorted(found, key=lambda table: Version(table.version))}
