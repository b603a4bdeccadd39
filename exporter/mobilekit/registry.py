"""Registry: a plain dict, opened to other packages by entry points. A lookup raises or returns, never None."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from mobilekit.errors import SetupError, UnknownName

T = TypeVar("T")


def lookup(kind: str, name: str, registry: Mapping[str, T]) -> T:
    """The entry called `name`; raises UnknownName with the choices, the closest first."""
    try:
        return registry[name]
    except KeyError:
        raise UnknownName(kind, name, list(registry)) from None


def with_plugins(group: str, builtin: Mapping[str, T]) -> dict[str, T]:
    """`builtin` plus what installed packages offer under the entry point group `mobilekit.<group>`.

    A built-in name cannot be taken over by a plug-in: the built-in one stays. Raises SetupError naming the
    package when a plug-in does not load.
    """
    points = entry_points(group=f"mobilekit.{group}")
    found: dict[str, T] = {point.name: _load(point) for point in points if point.name not in builtin}
    return {**found, **builtin}


def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except Exception as error:
        package = point.dist.name if point.dist else point.value
        raise SetupError(
            f"the plug-in {point.name!r} of {package} does not load: {type(error).__name__}: {error}",
            hint=f"update it, or remove it: pip uninstall {package}",
        ) from error
