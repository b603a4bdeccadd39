"""Registry: a plain dict, opened to other packages by entry points. A lookup raises or returns, never None."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TypeVar

from mobilekit.errors import UnknownName

T = TypeVar("T")


def lookup(kind: str, name: str, registry: Mapping[str, T]) -> T:
    """The entry called `name`; raises UnknownName with the choices, the closest first."""
    try:
        return registry[name]
    except KeyError:
        raise UnknownName(kind, name, list(registry)) from None


def with_plugins(group: str, builtin: Mapping[str, T]) -> dict[str, T]:
    """`builtin` plus what installed packages offer under the entry point group `mobilekit.<group>`.

    A built-in name cannot be taken over by a plug-in: the built-in one stays.
    """
    found: dict[str, T] = {point.name: point.load() for point in entry_points(group=f"mobilekit.{group}")}
    return {**found, **builtin}
