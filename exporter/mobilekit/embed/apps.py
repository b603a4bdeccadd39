"""Apps: which Android or iOS app lies in a folder, by the files that are there. Refuses to choose between several."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from mobilekit.embed.runtimes import Platform
from mobilekit.errors import StorageError, UsageError

_NOT_SEARCHED = frozenset(
    {"build", "node_modules", "Pods", "Carthage", "DerivedData", "src", "gradle", "Tests", "venv", "__pycache__"}
)
_XCODE = (".xcodeproj", ".xcworkspace")
_DEEPEST = 3
LARGEST_TEXT = 20_000_000  # bytes; a project.pbxproj of thousands of files has a few million
Texts = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Pin:
    """A runtime that the app depends on."""

    version: str | None
    """None: the app names the runtime, but not which version."""
    where: str
    """The file that says so, or the file that is the library, relative to the project."""
    library: Path | None = None
    """An AAR that lies in the app itself."""
    flavour: str = ""
    """What stands behind `executorch-android`: `-vulkan`."""


@dataclass(frozen=True)
class App:
    """An app's module or project, and what it says about the runtimes that it links."""

    platform: Platform
    root: Path
    """The Gradle or Xcode project."""
    folder: Path
    """The folder that the bundles' folder is in: assets of the module, or Resources."""
    texts: Texts
    """The project's own files, by their path, without comments."""


def listed(path: Path) -> list[Path]:
    """What is in a folder, sorted; nothing where it cannot be listed."""
    try:
        return sorted(path.iterdir())
    except OSError:
        return []


def text_of(path: Path) -> str:
    """A project file's text; empty where there is none. Raises StorageError where it cannot be read."""
    try:
        if not path.is_file():
            return ""
        if path.stat().st_size > LARGEST_TEXT:
            raise StorageError(f"{path}: too large to be a project's file", hint="is this the app's own folder?")
        return path.read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}", hint="check its permissions") from error


def folders(top: Path, deepest: int = _DEEPEST) -> Iterable[Path]:
    """`top` and the folders below it in which a project or a module may lie, the nearest first."""
    level = [top]
    for _ in range(deepest + 1):
        yield from level
        level = [
            one
            for folder in level
            for one in listed(folder)
            if one.is_dir()
            and not one.is_symlink()
            and not one.name.startswith((".", "cmake-out"))
            and one.name not in _NOT_SEARCHED
            and one.suffix not in (*_XCODE, ".xcassets")
        ]


_Search = Callable[[Path], list[App]]


def find_app(path: Path) -> App:
    """The one app in `path`, or the one that `path` lies in. Raises UsageError where there is none, or several."""
    from mobilekit.embed import android, apple

    if not path.is_dir():
        what = "is a file, not an app's folder" if path.exists() else "no such folder"
        raise UsageError(f"{path}: {what}", hint="name the folder of an Android (Gradle) or iOS (Xcode) project")
    here = Path(os.path.abspath(path))
    if here.suffix in _XCODE:  # in Xcode the project itself; the app lies beside it
        here = here.parent
    inside: tuple[_Search, ...] = (android.apps_in, apple.apps_in)
    around: tuple[_Search, ...] = (android.app_around, apple.app_around)
    try:
        found = [app for search in inside for app in search(here)]
        found = found or [app for search in around for app in search(here)]
    except OSError as error:
        raise StorageError(
            f"{error.filename or path}: cannot be read: {error.strerror}", hint="check its permissions"
        ) from error
    if not found:
        raise UsageError(
            f"{path}: no app was found here",
            hint="an Android app has settings.gradle(.kts) and a module with the plugin com.android.application; "
            "an iOS app has project.yml, an .xcodeproj or Package.swift",
        )
    if len(found) > 1:
        lines = "".join(f"\n  {os.path.relpath(app.folder)} ({app.platform})" for app in found)
        first = os.path.relpath(_naming(found[0]))
        raise UsageError(
            f"{path}: {len(found)} places for a bundle were found{lines}", hint=f"name one of them: {first}"
        )
    return found[0]


def _naming(app: App) -> Path:
    """A folder that is there, and by which `find_app` finds just this app."""
    from mobilekit.embed import android

    if app.platform == "android" and android.module_of(app) != app.root:
        return android.module_of(app)
    return next(one for one in (app.folder, *app.folder.parents) if one.is_dir())
