"""Device: what an app measured on a phone, as a file. Refuses results of other files than the bundle's.

The apps share one JSON file per run of their benchmark screen; docs/phone.md explains every field, and
device-bench.schema.json says the same for programs. Imported files are kept in the bundle's folder `device/`, which
bundle.json does not list: results come after the bundle, and do not change it.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from mobilekit import files
from mobilekit.bundle.manifest import Count, Manifest, RelativePath, Sha256, Timestamp
from mobilekit.bundle.store import Bundle
from mobilekit.errors import DataError, MobilekitError, Problem, SpecError
from mobilekit.spec.base import Spec
from mobilekit.spec.load import problems_of

FOLDER = "device"
_LARGEST = 10_000_000  # bytes: a result is some 500
Words = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
Positive = Annotated[int, Field(ge=1, le=10**9)]
Milliseconds = Annotated[float, Field(ge=0)]


class Device(Spec):
    """The phone."""

    maker: Words
    model: Words = Field(min_length=1)
    system: Words = Field(description="Android or iOS")
    system_version: Words
    processor: Words
    cores: Positive
    memory_bytes: Count


class MeasuringApp(Spec):
    """The app that measured, and the runtime in it."""

    runtime: Words
    runtime_version: Words
    app_version: Words


class MeasuredBundle(Spec):
    """The bundle in the app."""

    model: Words
    created: Timestamp = Field(description="of its bundle.json")
    bundle_sha256: Sha256 = Field(description="of the bundle.json in the app, as `mobilekit embed` wrote it")


class DeviceResult(Spec):
    """One artifact at one setting."""

    target: Words
    scheme: Words
    file: RelativePath
    sha256: Sha256 = Field(description="of the artifact that ran, as bundle.json has it")
    threads: Positive
    batch: Positive
    warmup: Count = Field(description="inferences before timing starts")
    n: Positive = Field(description="timed inferences")
    median_ms: Milliseconds
    p90_ms: Milliseconds
    min_ms: Milliseconds
    iqr_ms: Milliseconds
    load_ms: Milliseconds = Field(description="from the file to ready")
    peak_memory_bytes: Count | None = Field(description="above the level before loading; null: not measured")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.min_ms <= self.median_ms <= self.p90_ms:
            raise ValueError("min_ms, median_ms and p90_ms must be in this order")
        return self


class DeviceBench(Spec):
    """A file that an app shares."""

    format: Literal["mobilekit-device-bench"]
    version: Literal[1]
    device: Device
    app: MeasuringApp
    bundle: MeasuredBundle
    results: Annotated[tuple[DeviceResult, ...], Field(min_length=1, max_length=1000)]
    taken: Timestamp = Field(description="when, in UTC")

    @property
    def phone(self) -> str:
        """`Google Pixel 9, Android 16`."""
        named = self.device.model
        if self.device.maker and not named.lower().startswith(self.device.maker.lower()):
            named = f"{self.device.maker} {named}"
        return f"{named}, {self.device.system} {self.device.system_version}"

    def text(self) -> str:
        """Its canonical form: equal results are equal bytes."""
        return self.model_dump_json(indent=2) + "\n"


def parse_device_bench(data: bytes, *, source: str) -> DeviceBench:
    """Validate a file's content; `source` names it in errors. Raises SpecError with all problems."""
    hint = "docs/phone.md explains every field; share the results from the app's benchmark screen again"
    try:
        return DeviceBench.model_validate_json(data, strict=True)
    except ValidationError as error:
        problems = problems_of(error, DeviceBench)
        other = [one for one in problems if one.field == "version" and one.given != "missing"]
        if other:  # its fields would be held against those of this version
            hint = "it was shared by an app of another release: update mobilekit (pip install --upgrade) or the app"
        raise SpecError(source, other or problems, hint=hint) from error
    except RecursionError as error:
        raise SpecError(source, [Problem("file", "", "nested too deeply to be results")], hint=hint) from error


def read_device_bench(path: Path) -> DeviceBench:
    """Read a file of results. Raises DataError where it cannot be read, SpecError where it is something else."""
    cure = "name the file that the app shared"
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}", hint=cure) from error
    if len(data) > _LARGEST:
        raise DataError(f"{path}: too large to be results of a phone, which have some kilobytes", hint=cure)
    return parse_device_bench(data, source=str(path))


def foreign(bench: DeviceBench, manifest: Manifest) -> list[str]:
    """The results that were not measured on this bundle's files, in words."""
    known = {(one.target, one.scheme): one.sha256 for one in manifest.artifacts}
    return [
        f"results[{index}]: {one.target} {one.scheme} "
        + ("has another SHA-256" if (one.target, one.scheme) in known else "is not in the bundle")
        for index, one in enumerate(bench.results)
        if known.get((one.target, one.scheme)) != one.sha256
    ]


def import_device_benches(bundle: Bundle, paths: Sequence[Path]) -> tuple[DeviceBench, ...]:
    """Check that the files belong to `bundle`, and keep them in it; all of them, or none.

    A file that was imported before changes nothing. Raises DataError and SpecError, StorageError.
    """
    benches = []
    for path in paths:
        bench = read_device_bench(path)
        strange = foreign(bench, bundle.manifest)
        if strange:
            raise DataError(
                f"{path}: not of this bundle ({bundle.path})\n  " + "\n  ".join(strange[:5]),
                hint="name the bundle that was embedded into that app, or embed this one and measure again",
            )
        benches.append(bench)
    _keep(bundle.path / FOLDER, {_name(bench): bench.text().encode() for bench in benches})
    return tuple(dict.fromkeys(benches))


def _keep(folder: Path, texts: Mapping[str, bytes]) -> None:
    """Write into `folder` what is not there yet; after an error, what was written goes again."""
    cure = f"{folder} must be a folder that may be written to, with space left on its disk"
    written = []
    with files.storage_errors(folder, hint=cure), files.parents_of(folder / "any"):
        try:
            for place, text in ((folder / name, text) for name, text in texts.items()):
                if not place.is_file():
                    written.append(place)
                elif place.read_bytes() == text:
                    continue
                files.write_atomically(place, text)
        except BaseException:
            for place in written:
                with contextlib.suppress(OSError):
                    place.unlink()
            raise


def _name(bench: DeviceBench) -> str:
    """`pixel-9-20261122T150000Z-1a2b3c4d.json`."""
    model = re.sub(r"[^a-z0-9]+", "-", bench.device.model.lower()).strip("-")[:40] or "phone"
    digest = hashlib.sha256(bench.text().encode()).hexdigest()[:8]
    return f"{model}-{re.sub(r'[^0-9TZ]', '', bench.taken)}-{digest}.json"


def kept_device_benches(folder: Path, manifest: Manifest) -> tuple[tuple[DeviceBench, ...], tuple[str, ...]]:
    """What was imported into the bundle at `folder`, the oldest first, and why a file there is left out."""
    benches, left = [], []
    for path in sorted((folder / FOLDER).glob("*.json")):
        try:
            bench = read_device_bench(path)
        except MobilekitError as error:
            left.append(f"{FOLDER}/{path.name} is left out: {error.message.splitlines()[0]}")
            continue
        if foreign(bench, manifest):
            left.append(f"{FOLDER}/{path.name} is left out: it was measured on other files")
        else:
            benches.append(bench)
    return tuple(sorted(benches, key=lambda one: (one.taken, one.phone))), tuple(left)
