"""Place: puts a bundle into an app whole or not at all, and takes it out again without a trace.

Refuses to write over, or to remove, what it did not write itself, or what was changed since.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mobilekit import files
from mobilekit.bundle import MANIFEST_FILE, Artifact, Bundle
from mobilekit.embed.apps import App, find_app
from mobilekit.embed.check import Finding, check
from mobilekit.embed.content import Content, choose, content_of, write_content
from mobilekit.embed.receipt import RECEIPT_FILE, Receipt, read_receipt, refuse_foreign
from mobilekit.errors import Incompatible, Inconclusive, MobilekitError, UsageError

FOLDER = "mobilekit"
Outcome = Literal["embedded", "replaced", "unchanged", "would be embedded", "would be replaced"]


@dataclass(frozen=True)
class Embedded:
    """What was put where, and what is known of whether the app can run it."""

    name: str
    platform: str
    place: Path
    outcome: Outcome
    artifacts: tuple[Artifact, ...]
    left_out: tuple[tuple[Artifact, str], ...]
    golden_samples: int
    files: int
    bytes: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Removed:
    """What was taken out."""

    name: str
    place: Path
    files: int


def embed(
    bundle: Bundle | str | os.PathLike[str],
    app: str | os.PathLike[str],
    *,
    artifacts: Sequence[str] = (),
    name: str | None = None,
    golden: bool = True,
    aar: str | os.PathLike[str] | None = None,
    strict: bool = False,
    force: bool = False,
    dry_run: bool = False,
) -> Embedded:
    """Put `bundle` into the Android or iOS project `app`; returns what was put where.

    `artifacts`: which ones, as "xnnpack:int8"; all that fit when empty. `name`: of its folder, the model's when None.
    `golden` false leaves the golden samples out: for a release.
    `aar`: the runtime's AAR, where it is not the one that the project names. `strict`: what could not be checked is
    refused; `force`: what the app cannot run is embedded nevertheless. `dry_run`: only says what would be done.

    Raises UsageError (no app, several, nothing that fits), BundleError, Incompatible (the app's runtime cannot run
    it), Inconclusive (`strict`), OutputExists (what is there is not embed's own), StorageError: nothing
    is written then.
    """
    found = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)
    target = find_app(Path(app))
    if aar is not None and target.platform != "android":
        raise UsageError(f"an AAR is for Android, and {app} is an iOS app")
    choice = choose(found, target, artifacts)
    findings = check(target, choice.taken, None if aar is None else Path(aar))
    _judge(findings, strict=strict, force=force)
    chosen = _named(name or found.manifest.model.name)
    place = target.folder / FOLDER / chosen
    with _said_for_embed(place), files.one_at_a_time(target.root):
        outcome, content = _put(found, choice.taken, place, golden=golden, dry_run=dry_run)
    return Embedded(
        name=chosen,
        platform=target.platform,
        place=place,
        outcome=outcome,
        artifacts=choice.taken,
        left_out=choice.left,
        golden_samples=len(found.manifest.golden) if golden else 0,
        files=len(content.copied) + 1,
        bytes=content.bytes,
        findings=findings,
    )


def _judge(findings: Sequence[Finding], *, strict: bool, force: bool) -> None:
    failed = [one for one in findings if one.level == "failed"]
    unknown = [one for one in findings if one.level == "unknown"]
    if failed and not force:
        raise Incompatible(_told("the app cannot run this; nothing was written", failed), hint=_cures(failed))
    if unknown and strict:
        raise Inconclusive(_told("this could not be checked; nothing was written", unknown), hint=_cures(unknown))


def _told(head: str, findings: Sequence[Finding]) -> str:
    return "\n  ".join([head, *(one.words for one in findings)])


def _cures(findings: Sequence[Finding]) -> str | None:
    return "; ".join(dict.fromkeys(one.hint for one in findings if one.hint)) or None


def _named(name: str) -> str:
    # Android's packager skips names that begin with a dot or an underscore.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise UsageError(
            f"{name!r} cannot name a folder in an app",
            hint="give --name: letters, digits, '.', '_', '-'; a letter first",
        )
    return name


def _put(
    bundle: Bundle, taken: Sequence[Artifact], place: Path, *, golden: bool, dry_run: bool
) -> tuple[Outcome, Content]:
    made = _parents_made(place)  # before sweeping: what a killed run left says which folders it made
    if not dry_run:
        files.mend_stale(place.parent)
    there = refuse_foreign(place)
    content = content_of(bundle, taken, golden=golden)
    receipt = Receipt(
        model=bundle.manifest.model.name,
        bundle_sha256=files.sha256(bundle.path / MANIFEST_FILE),
        parents_made=made if there is None else there.parents_made,
        files=content.hashes(),
    )
    if there == receipt and all((place / name).is_file() for name in receipt.files):
        return "unchanged", content
    if dry_run:
        return "would be embedded" if there is None else "would be replaced", content
    files.check_removable(place)
    with files.staged_folder(place, force=there is not None) as staging:
        # First, so that what a killed run leaves still says which folders were made for it.
        files.write_atomically(staging / RECEIPT_FILE, receipt.text())
        write_content(bundle.path, content, staging)
        Bundle.load(staging)  # what is put in is read back: a bundle that an app would refuse never gets there
    return "embedded" if there is None else "replaced", content


def _parents_made(place: Path) -> int:
    """How many folders above `place` are there for embedded bundles only: to be made now, or made for another."""
    missing = sum(1 for folder in place.parents if not folder.exists())
    return missing or max(
        (receipt.parents_made for receipt in _receipts(place.parent) if receipt is not None), default=0
    )


def _receipts(folder: Path) -> Iterator[Receipt | None]:
    """Of every bundle in `folder`, and of what killed runs left there; those that are damaged are not spoken of."""
    for path in folder.glob(f"*/{RECEIPT_FILE}"):
        with contextlib.suppress(MobilekitError):
            yield read_receipt(path.parent)


def remove(app: str | os.PathLike[str], name: str | None = None) -> Removed:
    """Take out what `embed` put into `app` under `name`, or the only bundle that is embedded there.

    Raises UsageError where nothing is embedded, or several are and none is named; OutputExists for what was changed
    since, StorageError. Nothing is removed then.
    """
    target = find_app(Path(app))
    kept = target.folder / FOLDER
    with _said_for_embed(kept), files.one_at_a_time(target.root), _parents_left(kept):
        files.mend_stale(kept)
        place = kept / (_named(name) if name is not None else _only_one(target))
        receipt = refuse_foreign(place)
        if receipt is None:
            raise UsageError(f"{place}: nothing is embedded there", hint=_have(target))
        files.remove_at_once(place)  # an app that is built meanwhile has it whole, or not at all
    return Removed(place.name, place, len(receipt.files) + 1)


@contextlib.contextmanager
def _parents_left(folder: Path) -> Iterator[None]:
    """Remove `folder` and those above it, as far as they were made for embedded bundles, once nothing is in them."""
    made = _parents_made(folder / "any")  # before sweeping, as above
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # another bundle, or a file of the user's, is in it
            for one in [folder, *folder.parents][:made]:
                one.rmdir()


def _embedded(app: App) -> list[str]:
    return sorted(
        path.parent.name
        for path in (app.folder / FOLDER).glob(f"*/{RECEIPT_FILE}")
        if not path.parent.name.startswith(".")
    )


def _only_one(app: App) -> str:
    names = _embedded(app)
    if len(names) == 1:
        return names[0]
    what = "nothing is embedded there" if not names else f"{len(names)} bundles are embedded: {', '.join(names)}"
    raise UsageError(f"{app.folder / FOLDER}: {what}", hint="name one with --name" if names else _have(app))


def _have(app: App) -> str:
    names = _embedded(app)
    return f"embedded there: {', '.join(names)}" if names else "mobilekit embed BUNDLE APP puts a bundle there"


def _said_for_embed(place: Path) -> contextlib.AbstractContextManager[None]:
    """The place is the app's, so no other can be chosen: refusals of the system say what can be done here."""
    cure = f"{place} and what is above it must be folders that may be written to, with space left on their disk"
    return files.storage_errors(place, hint=cure)
