"""Android: the app module of a Gradle project, and the runtimes that it depends on. Reads, and never runs Gradle.

Understands version catalogs (gradle/libs.versions.toml), `org.pytorch:executorch-android:VERSION` in a build file,
with the version in it or in a variable of a build file or of gradle.properties, and AARs that lie in the module.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from mobilekit.embed.apps import App, Pin, Texts, folders, listed, text_of

EXECUTORCH = ("org.pytorch", "executorch-android")
ONNXRUNTIME = ("com.microsoft.onnxruntime", "onnxruntime-android")
CATALOG = "gradle/libs.versions.toml"
_SETTINGS = ("settings.gradle.kts", "settings.gradle")
_BUILDS = ("build.gradle.kts", "build.gradle")
_PLUGIN = "com.android.application"
_ASSIGNED = r"[\"']?\]?\)?\s*(?::\s*String\s*)?(?:by\s+extra\s*\(|[=,])\s*[\"']([^\"'$]+)[\"']"
"""`v = "1"`, `v: String = "1"`, `extra["v"] = "1"`, `set("v", "1")`, `v by extra("1")`, from behind the name."""
_PROJECT = re.compile(r"\bproject\s*\(\s*(?:path\s*[:=]\s*)?[\"']:([\w-]+(?::[\w-]+)*)[\"']")
_ASKED = re.compile(r"\b(?:withId|withPlugin|hasPlugin|findPlugin)\s*\(?\s*[\"'][^\"'\n]*[\"']")
"""A build file that asks whether the plugin is there, as a root's does for all modules, does not apply it."""
_COMMENT = re.compile(r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|//[^\n]*|/\*.*?\*/", flags=re.DOTALL)


def apps_in(folder: Path) -> list[App]:
    """The app modules of the Gradle projects at `folder`, or in the folders right below it."""
    roots = [one for one in folders(folder, 0) if _is_root(one)] or [one for one in folders(folder, 1) if _is_root(one)]
    return [app for root in roots for app in _modules(root)]


def app_around(folder: Path) -> list[App]:
    """The app module that `folder` is, or lies in, of a Gradle project above it."""
    for root in folder.parents:
        if _is_root(root):
            around = [app for app in _modules(root) if module_of(app) in (folder, *folder.parents)]
            return sorted(around, key=lambda app: len(module_of(app).parts))[-1:]  # of one in another, the inner one
    return []


def module_of(app: App) -> Path:
    """The module's folder."""
    return app.folder.parents[2]  # MODULE/src/main/assets


def _is_root(folder: Path) -> bool:
    return any((folder / name).is_file() for name in _SETTINGS)


def _modules(root: Path) -> list[App]:
    names = _plugin_names(text_of(root / CATALOG))
    builds = [
        build
        for folder in folders(root)
        if (folder == root or not _is_root(folder)) and (build := _build_of(folder)) is not None
    ]
    found = [build for build in builds if _applies(without_comments(text_of(build)), names)]
    found = found or [build for build in builds if _is_launched(build.parent)]
    return [App("android", root, build.parent / "src" / "main" / "assets", _texts(root, build)) for build in found]


def _is_launched(module: Path) -> bool:
    """Whether it has what a launcher starts: an app, whose plugin comes by a plugin of the project's own."""
    return '"android.intent.category.LAUNCHER"' in text_of(module / "src" / "main" / "AndroidManifest.xml")


def _build_of(module: Path) -> Path | None:
    return next((module / name for name in _BUILDS if (module / name).is_file()), None)


def _with_projects(root: Path, build: Path) -> list[Path]:
    """The build file, and those of the project's other modules that it depends on, and so on."""
    found = [build]
    for file in found:
        named = _PROJECT.findall(without_comments(text_of(file)))
        others = [_build_of(root.joinpath(*name.split(":"))) for name in named]
        found += dict.fromkeys(one for one in others if one is not None and one not in found)
    return found


def _texts(root: Path, build: Path) -> Texts:
    paths = [*_with_projects(root, build), *(root / name for name in (CATALOG, *_BUILDS, "gradle.properties"))]
    paths = [path for path in dict.fromkeys(paths) if path.is_file()]
    return tuple(
        (
            path.relative_to(root).as_posix(),
            text_of(path) if path.suffix in (".toml", ".properties") else without_comments(text_of(path)),
        )
        for path in paths
    )


def without_comments(text: str) -> str:
    """Kotlin or Groovy without comments; text in quotes stays, `//` of an address in it too."""
    return _COMMENT.sub(lambda found: found.group() if found.group()[0] in "\"'" else " ", text)


def _plugin_names(catalog: str) -> frozenset[str]:
    """How build files call the application plugin: its id, and the catalog's accessors for it."""
    names = {_PLUGIN}
    for alias, entry in _table(catalog, "plugins").items():
        given = entry.get("id") if isinstance(entry, dict) else entry
        if isinstance(given, str) and given.partition(":")[0] == _PLUGIN:
            names.add("libs.plugins." + accessor(alias))
    return frozenset(names)


def _applies(build: str, names: frozenset[str]) -> bool:
    """Whether a line names the plugin and does not end in `apply false`, as a root project's does."""
    wanted = re.compile("|".join(rf"(?<![\w.]){re.escape(name)}(?![\w.])" for name in sorted(names)))
    return any(
        wanted.search(line) and not re.search(r"\bapply[\s(]+false\b", line)
        for line in re.split(r"[\n;]", _ASKED.sub("", build))
    )


def accessor(alias: str) -> str:
    """`executorch-android` as Gradle's scripts write it: `executorch.android`."""
    return re.sub(r"[-_]", ".", alias)


def pins(app: App, dependency: tuple[str, str]) -> list[Pin]:
    """Where the app depends on `group:name` (or a flavour `group:name-flavour`), and in which version."""
    texts = dict(app.texts)
    builds = {name: text for name, text in app.texts if not name.endswith((".toml", ".properties"))}
    used = "\n".join(builds.values())
    found = [pin for name, text in builds.items() for pin in _written_out(name, text, texts, dependency)]
    found += _of_catalog(texts.get(CATALOG, ""), used, dependency)
    if dependency == EXECUTORCH:
        found += _lying_there(app)
    return list(dict.fromkeys(found))


def _written_out(name: str, text: str, texts: dict[str, str], dependency: tuple[str, str]) -> list[Pin]:
    group, artifact = map(re.escape, dependency)
    pattern = rf"[\"']{group}:{artifact}(-[a-z]+)?(?::([^\"'@:]+))?(?:[:@][^\"']*)?[\"']"
    named = rf"group\s*[:=]\s*[\"']{group}[\"']\s*,\s*name\s*[:=]\s*[\"']{artifact}(-[a-z]+)?[\"']"
    named += r"(?:\s*,\s*version\s*[:=]\s*[\"']?([^\"'\s,)]+))?"
    return [
        Pin(_resolved(version, texts) if version else None, name, flavour=flavour)
        for flavour, version in (*re.findall(pattern, text), *re.findall(named, text))
    ]


def _resolved(version: str, texts: dict[str, str]) -> str | None:
    """The version itself, or what the variable in it stands for; None when that is not found."""
    of_catalog = re.fullmatch(r"\$\{libs\.versions\.([\w.]+)\.get\(\)\}", version.strip())
    if of_catalog is not None:
        versions = {accessor(key): value for key, value in _table(texts.get(CATALOG, ""), "versions").items()}
        return _version(versions.get(of_catalog.group(1)))
    variable = re.fullmatch(r"\$\{?(?:rootProject\.|project\.)?(?:ext\.|extra\.)?(\w+)\}?", version.strip())
    if variable is None:
        return None if "$" in version else version.strip()
    name = re.escape(variable.group(1))
    for file, text in texts.items():
        if file.endswith(".properties"):
            found = re.search(rf"^[ \t]*{name}[ \t]*[=:][ \t]*(\S+)", text, flags=re.MULTILINE)
        else:
            found = re.search(rf"\b{name}\b{_ASSIGNED}", text)
        if found:
            return found.group(1)
    return None


def _of_catalog(catalog: str, used: str, dependency: tuple[str, str]) -> list[Pin]:
    """The catalog's entries for the dependency that a build file uses, by themselves or in a bundle."""
    versions = _table(catalog, "versions")
    bundles = {f"bundles.{name}": aliases for name, aliases in _table(catalog, "bundles").items()}
    found = []
    for alias, entry in _table(catalog, "libraries").items():
        group, name, version = _coordinates(entry, versions)
        if group != dependency[0] or not (name == dependency[1] or name.startswith(dependency[1] + "-")):
            continue
        through = [name for name, aliases in bundles.items() if isinstance(aliases, list) and alias in aliases]
        if any(re.search(rf"\blibs\.{re.escape(accessor(one))}(?![\w.]*\w)", used) for one in (alias, *through)):
            found.append(Pin(version, CATALOG, flavour=name.removeprefix(dependency[1])))
    return found


def _coordinates(entry: Any, versions: dict[str, Any]) -> tuple[str, str, str | None]:
    if isinstance(entry, str):
        group, name, version = [*entry.split(":"), "", "", ""][:3]
        return group, name, version or None
    if not isinstance(entry, dict):
        return "", "", None
    module = entry.get("module")
    if isinstance(module, str):
        group, _, name = module.partition(":")
    else:
        group, name = str(entry.get("group", "")), str(entry.get("name", ""))
    given = entry.get("version")
    if isinstance(given, dict) and isinstance(given.get("ref"), str):
        given = versions.get(given["ref"])
    return group, name, _version(given)


def _version(given: Any) -> str | None:
    """A version, or the one that a rich version asks for."""
    if isinstance(given, dict):
        given = next((given[key] for key in ("strictly", "require", "prefer") if key in given), None)
    return given if isinstance(given, str) and given else None


def _table(catalog: str, name: str) -> dict[str, Any]:
    try:
        table = tomllib.loads(catalog).get(name)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}  # Gradle will say so; to embed, no version is known then
    return table if isinstance(table, dict) else {}


def _lying_there(app: App) -> list[Pin]:
    """AARs with ExecuTorch's name in the folders that modules keep libraries in."""
    module = module_of(app)
    places = dict.fromkeys((module / "libs", module / "aars", app.root / "libs"))
    return [
        Pin(None, file.relative_to(app.root).as_posix(), library=file)
        for place in places
        for file in listed(place)
        if file.suffix == ".aar" and "executorch" in file.name.lower()
    ]


def downloaded(version: str, flavour: str = "") -> Path | None:
    """The AAR of `version` in Gradle's or Maven's own folder on this machine, if it was downloaded."""
    name = EXECUTORCH[1] + flavour
    home = Path.home()
    if not re.fullmatch(r"[\w.+-]+", version):
        return None
    gradle = home / ".gradle" / "caches" / "modules-2" / "files-2.1" / EXECUTORCH[0] / name / version
    maven = home / ".m2" / "repository" / "org" / "pytorch" / name / version
    for pattern, place in (("*/*.aar", gradle), ("*.aar", maven)):
        for file in sorted(place.glob(pattern)):
            return file
    return None
