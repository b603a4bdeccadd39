"""Check: can the runtimes that an app pins load these artifacts? Reads and compares; what is not known is said so.

ExecuTorch promises that a program is loaded by the release that wrote it and by the next major or minor one, and
promises nothing for older ones (runtime/COMPATIBILITY.md of its repository). `minimum_runtime` of a .pte is the
release that wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.version import InvalidVersion, Version

from mobilekit.bundle import Artifact
from mobilekit.embed import android, apple
from mobilekit.embed.aar import read_aar, united
from mobilekit.embed.apps import App, Pin
from mobilekit.embed.runtimes import Kit, known
from mobilekit.errors import UsageError

Level = Literal["passed", "unknown", "failed"]
_SHOWN = 6


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `unknown`: it could not be told, so it is no pass."""

    level: Level
    words: str
    hint: str | None = None
    about: str = ""
    """`xnnpack int8`; empty where it is about all artifacts of a runtime."""


def check(app: App, artifacts: Sequence[Artifact], aar: Path | None = None) -> tuple[Finding, ...]:
    """What was found out about each runtime that the artifacts need. Raises UsageError for an AAR that is none."""
    findings: list[Finding] = []
    by_runtime: dict[str, list[Artifact]] = {}
    for artifact in artifacts:
        by_runtime.setdefault(artifact.runtime, []).append(artifact)
    for runtime, mine in by_runtime.items():
        if runtime == "coreml":
            findings += [_system(app, one) for one in mine]
        elif runtime == "onnxruntime":
            findings += _onnxruntime(app, mine)
        elif app.platform == "android":
            findings += _android(app, mine, aar)
        else:
            findings += _apple(app, mine)
    return tuple(dict.fromkeys(findings))


def _android(app: App, artifacts: Sequence[Artifact], aar: Path | None) -> list[Finding]:
    pins = android.pins(app, android.EXECUTORCH)
    name = ":".join(android.EXECUTORCH)
    wanted = _newest(artifacts)
    if not pins and aar is None:
        line = f'implementation("{name}:{wanted}")'
        return [Finding("unknown", f"the app does not depend on {name}, which runs these artifacts", f"add it: {line}")]
    pin = _only(pins, name)
    findings = [pin] if isinstance(pin, Finding) else _versions(artifacts, pin, f"in {pin.where}: {name}:{wanted}")
    library = _library(pin if isinstance(pin, Pin) else None, aar)
    if library is not None:
        try:
            kit, source = read_aar(library), f"read from {library.name}"
        except UsageError as error:
            if aar is not None:
                raise
            return [*findings, Finding("unknown", error.message, "let Gradle download it again, or name it with --aar")]
    else:
        version = pin.version if isinstance(pin, Pin) and not pin.flavour else None
        table = known("android").get(version or "")
        if table is None:
            what = f"{name}{pin.flavour} {pin.version}" if isinstance(pin, Pin) and pin.version else "it"
            cure = "let Gradle download it first (./gradlew assemble), or name it with --aar FILE"
            return [*findings, Finding("unknown", f"which operators and backends {what} has is not known here", cure)]
        kit, source = united(table.products.values()), table.source
    return [*findings, *_registers(artifacts, kit, source, "use an AAR that is built with them")]


def _library(pin: Pin | None, aar: Path | None) -> Path | None:
    """The AAR to read: the one that was named, that lies in the app, or that Gradle or Maven downloaded."""
    if aar is not None or pin is None:
        return aar
    return pin.library or (android.downloaded(pin.version, pin.flavour) if pin.version else None)


def _only(pins: Sequence[Pin], name: str) -> Pin | Finding:
    """The one version that is pinned, or what stands against saying so."""
    if not pins:
        return Finding("unknown", f"the app does not say which version of {name} it uses")
    versions = {pin.version for pin in pins if pin.version}
    if len(versions) > 1:
        places = ", ".join(f"{pin.version} in {pin.where}" for pin in pins if pin.version)
        return Finding("unknown", f"the app names several versions of {name}: {places}", "name one")
    return next((pin for pin in pins if pin.version), pins[0])


def _versions(artifacts: Sequence[Artifact], pin: Pin, pinning: str) -> list[Finding]:
    """The pinned version held against the minimum of each of the artifacts, which are of one runtime."""
    if pin.version is None:
        return [Finding("unknown", f"{pin.where} does not say which version it is")]
    found = []
    for artifact in artifacts:
        label = f"{artifact.target} {artifact.scheme}"
        try:
            pinned, minimum = Version(pin.version), Version(artifact.minimum_runtime)
        except InvalidVersion:
            words = f"{label} asks for {artifact.runtime} {artifact.minimum_runtime}, {pin.where} has {pin.version!r}"
            found.append(Finding("unknown", f"{words}: these cannot be compared", about=label))
            continue
        if pinned < minimum:
            words = f"{label} needs {artifact.runtime} {minimum} or later; the app has {pinned} ({pin.where})"
            found.append(Finding("failed", words, f"raise it {pinning}", label))
        elif artifact.runtime == "executorch" and not _promised(minimum, pinned):
            words = f"{label} was made for ExecuTorch {minimum}; that {pinned} still loads it is not promised"
            found.append(Finding("unknown", words, "export it again with the ExecuTorch release of the app", label))
        else:
            found.append(Finding("passed", f"{label}: {artifact.runtime} {pinned} loads it", about=label))
    return [Finding("passed", f"{artifacts[0].runtime} {pin.version}, as {pin.where} pins it"), *found]


def _promised(made: Version, runs: Version) -> bool:
    """Whether `runs` is the release that made the program, a patch of it, or the minor or major one after it."""
    if runs.major == made.major:
        return runs.minor - made.minor <= 1
    return runs.major == made.major + 1 and runs.minor == 0


def _registers(artifacts: Sequence[Artifact], kit: Kit, source: str, cure: str) -> list[Finding]:
    found = [Finding("passed", f"its operators and backends: {source}")]
    for artifact in artifacts:
        label = f"{artifact.target} {artifact.scheme}"
        lacking = [
            f"{kind} {', '.join(missing[:_SHOWN])}" + (f" and {len(missing) - _SHOWN} more" if missing[_SHOWN:] else "")
            for kind, needed, has in (
                ("backend", artifact.backends, kit.backends),
                ("operator", artifact.operators, kit.operators),
            )
            if (missing := [one for one in needed if one not in has])
        ]
        if lacking:
            words = f"{label} needs {' and '.join(lacking)}, which the app's runtime has not ({source})"
            found.append(Finding("failed", words, cure, label))
        else:
            needs = len(artifact.backends) + len(artifact.operators)
            words = f"{label}: the {needs} backends and operators that it needs are there"
            found.append(Finding("passed", words, about=label))
    return found


def _apple(app: App, artifacts: Sequence[Artifact]) -> list[Finding]:
    pins, wanted = apple.pins(app), _newest(artifacts)
    package = "github.com/pytorch/executorch"
    if not pins:
        hint = f"add the Swift package {package}, branch swiftpm-{wanted}, and its products for these artifacts"
        return [Finding("unknown", "the app does not name ExecuTorch's Swift package, which runs .pte files", hint)]
    pin = _only(pins, "ExecuTorch's Swift package")
    findings = (
        [pin] if isinstance(pin, Finding) else _versions(artifacts, pin, f"in {pin.where}: branch swiftpm-{wanted}")
    )
    table = known("apple").get(pin.version or "") if isinstance(pin, Pin) else None
    if table is None:
        cure = f"pin a release that is known here ({', '.join(known('apple'))})"
        findings.append(Finding("unknown", "which operators and backends its products have is not known here", cure))
    else:
        linked = apple.products(app)
        kit = united(kit for name, kit in table.products.items() if name in linked)
        needed = {name for one in artifacts for name in (*one.backends, *one.operators)}
        lacking = needed - {*kit.backends, *kit.operators}
        adding = [name for name, one in table.products.items() if lacking & {*one.backends, *one.operators}]
        cure = f"link the product {' and '.join(adding)}" if adding else "no known product of ExecuTorch has them"
        source = f"of its products {', '.join(sorted(linked)) or '(none)'}: {table.source}"
        findings += _registers(artifacts, kit, source, cure)
    if not apple.forces_load(app):
        words = "no linker flag was found that keeps backends and kernels, which only register themselves"
        findings.append(Finding("unknown", words, "add -all_load to OTHER_LDFLAGS"))
    return findings


def _system(app: App, artifact: Artifact) -> Finding:
    label = f"{artifact.target} {artifact.scheme}"
    needed = re.fullmatch(r"iOS(\d+)", artifact.minimum_runtime)
    oldest = apple.oldest_system(app)
    if needed is None or oldest is None:
        words = f"{label} needs {artifact.minimum_runtime}; the oldest system that the app runs on was not found"
        return Finding("unknown", words, "set the deployment target in the project", label)
    if oldest < int(needed.group(1)):
        words = f"{label} needs {artifact.minimum_runtime}; the app runs on iOS {oldest} too"
        return Finding("failed", words, f"raise the deployment target to {needed.group(1)}.0", label)
    return Finding("passed", f"{label}: iOS {oldest} and later load it", about=label)


def _onnxruntime(app: App, artifacts: Sequence[Artifact]) -> list[Finding]:
    name = ":".join(android.ONNXRUNTIME)
    pins = android.pins(app, android.ONNXRUNTIME) if app.platform == "android" else []
    if not pins:
        wanted = _newest(artifacts)
        published = wanted if wanted.count(".") != 1 else f"{wanted}.0"  # releases have three numbers
        hint = f'add it: implementation("{name}:{published}")'
        return [Finding("unknown", f"the app does not depend on {name}, which runs .onnx files", hint)]
    pin = _only(pins, name)
    return [pin] if isinstance(pin, Finding) else _versions(artifacts, pin, f"in {pin.where}")


def _newest(artifacts: Sequence[Artifact]) -> str:
    """The version that all of them can be loaded by."""

    def key(text: str) -> Version:
        try:
            return Version(text)
        except InvalidVersion:
            return Version("0")

    return max((one.minimum_runtime for one in artifacts), key=key)
