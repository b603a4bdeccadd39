"""Content: what of a bundle goes into an app, and the bundle.json that is true of just that.

Only whole artifacts, and never one for another platform. The eager reference and the reports stay on the desk.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mobilekit import files
from mobilekit.bundle import MANIFEST_FILE, Artifact, Bundle, Manifest
from mobilekit.bundle.write import manifest_text
from mobilekit.embed import android
from mobilekit.embed.apps import App
from mobilekit.errors import Problem, SpecError, UsageError

_RUNTIMES = {"android": ("executorch", "onnxruntime"), "apple": ("executorch", "coreml")}


@dataclass(frozen=True)
class Choice:
    """The artifacts that go along, and why the others of the bundle do not."""

    taken: tuple[Artifact, ...]
    left: tuple[tuple[Artifact, str], ...]


def choose(bundle: Bundle, app: App, named: Sequence[str]) -> Choice:
    """The artifacts called `named` (`xnnpack:int8`), or all that this app can run and that passed verification.

    Raises SpecError and UnknownName for names, UsageError where one does not fit, or none does.
    """
    if named:
        asked = [bundle.artifact(*pair) for pair in _pairs(named)]
        wrong = [(one, why) for one in asked if (why := _unfit(one, app, explicit=True)) is not None]
        if wrong:
            words = "; ".join(f"{one.target} {one.scheme}: {why}" for one, why in wrong)
            raise UsageError(f"this does not fit the app: {words}", hint="leave --artifact out to take all that fit")
        kept = tuple(one for one in bundle.manifest.artifacts if one in asked)
        return Choice(kept, tuple((one, "not asked for") for one in bundle.shipped if one not in asked))
    judged = [(one, _unfit(one, app, explicit=False)) for one in bundle.shipped]
    taken = tuple(one for one, why in judged if why is None)
    left = tuple((one, why) for one, why in judged if why is not None)
    if not taken:
        have = "; ".join(f"{one.target} {one.scheme}: {why}" for one, why in left) or "no artifact is meant for phones"
        raise UsageError(
            f"{bundle.path}: nothing in it fits this app: {have}", hint="export it with -t xnnpack, for Android and iOS"
        )
    return Choice(taken, left)


def _pairs(named: Sequence[str]) -> list[tuple[str, str]]:
    pairs = [tuple(text.split(":")) for text in named]
    problems = [
        Problem("--artifact", text, "must be TARGET:SCHEME, for example xnnpack:int8")
        for text, pair in zip(named, pairs, strict=True)
        if len(pair) != 2 or not all(pair)
    ]
    if problems:
        raise SpecError("command line", problems)
    return [(pair[0], pair[1]) for pair in pairs]


def _unfit(artifact: Artifact, app: App, *, explicit: bool) -> str | None:
    """Why the artifact does not go into this app; None when it does."""
    if not artifact.ship:
        return "it stays on the desk"
    if artifact.runtime not in _RUNTIMES[app.platform]:
        return f"{artifact.runtime} is not for {'Android' if app.platform == 'android' else 'iOS'}"
    if explicit:
        return None
    if artifact.runtime == "onnxruntime" and not android.pins(app, android.ONNXRUNTIME):
        return f"the app does not depend on {':'.join(android.ONNXRUNTIME)}"
    if artifact.verification is not None and artifact.verification.passed is False:
        return "it failed verification"
    return None


def manifest_of(manifest: Manifest, taken: Sequence[Artifact], *, golden: bool = True) -> Manifest:
    """The bundle.json of the embedded bundle: these artifacts, their golden outputs, no reports; the rest as it is."""
    pairs = {(one.target, one.scheme) for one in taken}
    samples = tuple(
        sample.model_copy(update={"outputs": tuple(one for one in sample.outputs if (one.target, one.scheme) in pairs)})
        for sample in (manifest.golden if golden else ())
    )
    return manifest.model_copy(update={"artifacts": tuple(taken), "golden": samples, "reports": ()})


@dataclass(frozen=True)
class Content:
    """The files of the embedded bundle: bundle.json's text, and the others by their path in it, each with its hash."""

    manifest: str
    copied: dict[str, str]
    bytes: int

    def hashes(self) -> dict[str, str]:
        """Every file's SHA-256, bundle.json's too."""
        return dict(sorted({**self.copied, MANIFEST_FILE: hashlib.sha256(self.manifest.encode()).hexdigest()}.items()))


def content_of(bundle: Bundle, taken: Sequence[Artifact], *, golden: bool = True) -> Content:
    """What the embedded bundle will hold. The bundle has been checked, so its own hashes are believed."""
    manifest = manifest_of(bundle.manifest, taken, golden=golden)
    copied: dict[str, str] = {}
    for entry in manifest.files():
        source = bundle.path / entry.file
        if source.is_dir():
            for file in files.files_below(source):
                copied[file.relative_to(bundle.path).as_posix()] = files.sha256(file)
        else:
            copied[entry.file] = entry.sha256
    text = manifest_text(manifest)
    total = sum((bundle.path / name).stat().st_size for name in copied) + len(text.encode())
    return Content(text, copied, total)


def write_content(bundle: Path, content: Content, folder: Path) -> None:
    """Copy it into `folder`, bundle.json last."""
    for name in content.copied:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle / name, folder / name)
    files.write_atomically(folder / MANIFEST_FILE, content.manifest)
