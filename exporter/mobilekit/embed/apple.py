"""Apple: an iOS app's project, and the ExecuTorch products that it links. Reads text, and never runs Xcode.

Understands XcodeGen's project.yml, project.pbxproj of an .xcodeproj, Package.swift and Package.resolved, as far as
they name the version of ExecuTorch's Swift package (branch `swiftpm-VERSION`), its products and the oldest system.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from mobilekit.embed.apps import App, Pin, Texts, folders, listed, text_of

PLACE = "Resources"
_PACKAGE = re.compile(r"github\.com[/:]pytorch/executorch(?:\.git)?(?![\w-])", flags=re.IGNORECASE)
_BRANCH = re.compile(r"\bswiftpm-(\d+\.\d+\.\d+)((?:[.-]\d+)?)(?![\w.-])")
_PRODUCT = re.compile(r"(?<![\w/.-])(executorch|executorch_llm|(?:backend|kernels)_[a-z]+)(?:_debug)?(?![\w/.-])")
_SYSTEM = re.compile(
    r"IPHONEOS_DEPLOYMENT_TARGET\s*[=:]\s*[\"']?(\d+)|\biOS[\"']?\s*:\s*[\"']?(\d+)|\.iOS\(\s*(?:\.v|\")(\d+)"
)
_FORCED = re.compile(r"-all_load\b|-force_load\b")


def apps_in(folder: Path) -> list[App]:
    """The iOS projects at `folder`, else in the folders below it, nearest first; a Swift package where no app is."""
    for deepest in (0, 1, 2):
        found = [one for one in folders(folder, deepest) if _is_project(one)]
        if found:
            return [app for root in found for app in _places(root)]
    return _places(folder) if (folder / "Package.swift").is_file() else []


def app_around(folder: Path) -> list[App]:
    """The project that `folder` lies in, with `folder` as the place that was named."""
    for root in folder.parents:
        if _is_project(root):
            named = folder if folder.name == PLACE else folder / PLACE
            return [App("apple", root, named, _texts(root))]
    return []


def _is_project(folder: Path) -> bool:
    return (folder / "project.yml").is_file() or bool(_xcode(folder))


def _xcode(folder: Path) -> list[Path]:
    return [one for one in listed(folder) if one.suffix == ".xcodeproj" and one.is_dir()]


def _places(root: Path) -> list[App]:
    """Where resources are kept: the folders called Resources, else one beside the app's sources."""
    texts = _texts(root)
    kept = [one for one in folders(root, 2) if one.name == PLACE and not _of_tests(one.relative_to(root))]
    if not kept:
        beside = [root / "app", *(root / one.stem for one in _xcode(root))]
        kept = [next((one for one in beside if one.is_dir()), root) / PLACE]
    return [App("apple", root, place, texts) for place in kept]


def _of_tests(path: Path) -> bool:
    """Whether it lies in a folder such as ShopTests or ShopUITests: what is there does not get into the app."""
    return any(part.endswith("Tests") for part in path.parts)


def _texts(root: Path) -> Texts:
    projects = _xcode(root)
    resolved = "project.xcworkspace/xcshareddata/swiftpm/Package.resolved"
    paths = [root / "project.yml", root / "Package.swift", root / "Package.resolved"]
    paths += [place / name for place in projects for name in ("project.pbxproj", resolved)]
    paths += [
        one / "xcshareddata" / "swiftpm" / "Package.resolved" for one in listed(root) if one.suffix == ".xcworkspace"
    ]
    return tuple(
        (path.relative_to(root).as_posix(), without_comments(path.name, text_of(path)))
        for path in paths
        if path.is_file()
    )


def without_comments(name: str, text: str) -> str:
    """The file's text without its comments; `://` of an address is none."""
    if name.endswith(".yml"):
        return re.sub(r"(?m)(?:^|(?<=\s))#.*$", "", text)
    if name.endswith(".swift"):
        return re.sub(r"(?<!:)//[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL)
    return text  # a pbxproj's comments repeat its names, and JSON has none


def pins(app: App) -> list[Pin]:
    """The versions of ExecuTorch's package that the project's files name; what was resolved comes first."""
    found = []
    for name, text in sorted(app.texts, key=lambda one: not one[0].endswith("Package.resolved")):
        if not _PACKAGE.search(text):
            continue
        if name.endswith("Package.resolved"):
            pinned = _BRANCH.findall(_resolved(text))
            found += [Pin(version, name) for version, nightly in pinned if not nightly]
            continue
        versions = [version for version, nightly in _BRANCH.findall(text) if not nightly]
        found += [Pin(version, name) for version in dict.fromkeys(versions)] or [Pin(None, name)]
    return found


def _resolved(text: str) -> str:
    """What Package.resolved pins ExecuTorch to, as text."""
    try:
        raw = json.loads(text)
        pinned = raw.get("pins") or raw["object"]["pins"]
        return "\n".join(json.dumps(one.get("state")) for one in pinned if _PACKAGE.search(json.dumps(one)))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return ""


def products(app: App) -> frozenset[str]:
    """The products of ExecuTorch that the project's files name."""
    return frozenset(
        name
        for file, text in app.texts
        if not file.endswith("Package.resolved") and _PACKAGE.search(text)
        for name in _PRODUCT.findall(_PACKAGE.sub("", text))
    )


def forces_load(app: App) -> bool:
    """Whether the linker is told to keep code that only registers itself: backends and kernels do."""
    return any(_FORCED.search(text) for _, text in app.texts)


def oldest_system(app: App) -> int | None:
    """The lowest iOS version that the project says it runs on; None where it does not say."""
    found = [
        int(next(filter(None, groups)))
        for file, text in app.texts
        if not file.endswith("Package.resolved")
        for groups in _SYSTEM.findall(text)
    ]
    return min(found, default=None)
