"""Thousands of damaged files of each kind: each is read, or refused in words. Nothing else ever comes out."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mobilekit.bundle.etdump import read_etdump
from mobilekit.bundle.flatbuffer import FlatBufferError
from mobilekit.errors import BundleError, UsageError
from mobilekit.inspection import Inspection, inspect_artifact
from mobilekit.inspection.picture import partition_svg
from mobilekit.inspection.tables import explanations, listings

GOLDEN = Path(__file__).parents[1] / "golden" / "artifacts"
MODEL = Path("Data") / "com.apple.CoreML" / "model.mlmodel"
TIMES = int(os.environ.get("MOBILEKIT_TEST_DAMAGE", "400"))  # 2,000 take half a minute
# Sizes and offsets that readers trip over, as little-endian bytes.
NASTY = (b"\xff" * 4, b"\xff\xff\xff\x7f", b"\x00" * 8, b"\x00\x00\x00\x80", b"\xff" * 8, b"\x80" * 10)


def bent(data: bytes, chance: random.Random) -> bytes:
    """A copy with a few bytes changed, a nasty number put in, a piece cut out or doubled, or the end missing."""
    found = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(found)) if found else 0
        match chance.randrange(6):
            case 0 | 1:
                found[at : at + 1] = bytes([chance.randrange(256)])
            case 2:
                nasty = chance.choice(NASTY)
                found[at : at + len(nasty)] = nasty
            case 3:
                del found[at : at + chance.randint(1, 40)]
            case 4:
                found[at:at] = found[at : at + chance.randint(1, 40)]
            case 5:
                found[at] = found[at] ^ (1 << chance.randrange(8)) if found else 0
    if chance.random() < 0.15:
        del found[chance.randrange(len(found) + 1) :]
    return bytes(found)


def bent_value(value: Any, chance: random.Random) -> Any:
    """A JSON value with one of its parts replaced by something of another kind."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(sorted(value))
        changed = {**value, key: bent_value(value[key], chance)}
        if chance.random() < 0.1:
            del changed[key]
        return changed
    if isinstance(value, list) and value and chance.random() < 0.9:
        index = chance.randrange(len(value))
        return [*value[:index], bent_value(value[index], chance), *value[index + 1 :]]
    return chance.choice([None, -1, 10**30, "", "x", [], {}, [[]], True, 1.5, {"as_int": -3}, {"as_expr": {}}])


def damaged_pt2(data: bytes, chance: random.Random) -> bytes:
    """Half of the time the archive's bytes, else the JSON within, so that checksums do not stop it."""
    if chance.random() < 0.3:
        return bent(data, chance)
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(stream, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename.endswith(("model.json", "weights_config.json")):
                if chance.random() < 0.2:
                    content = bent(content, chance)
                else:
                    content = json.dumps(bent_value(json.loads(content), chance)).encode()
            target.writestr(entry.filename, content)
    return stream.getvalue()


def shown(found: Inspection) -> None:
    """Everything that the command prints of it."""
    assert found.lines()
    assert all(listing.rows for listing in listings(found))
    assert all(one.why and one.cure for one, _ in explanations(found))
    if found.kind == "pte":
        assert partition_svg(found).endswith("</svg>\n")
    assert Inspection.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(("kind", "damage"), [("pte", bent), ("onnx", bent), ("mlpackage", bent), ("pt2", damaged_pt2)])
def test_thousands_of_damaged_files(tmp_path: Path, kind: str, damage: Callable[[bytes, random.Random], bytes]) -> None:
    source, path = GOLDEN / f"tiny.{kind}", tmp_path / f"tiny.{kind}"
    shutil.copytree(source, path) if source.is_dir() else shutil.copy(source, path)
    part = path / MODEL if kind == "mlpackage" else path
    data = part.read_bytes()
    read = refused = 0
    for seed in range(TIMES):
        part.write_bytes(damage(data, random.Random(seed)))
        try:
            found = inspect_artifact(path)
        except (BundleError, UsageError) as error:
            assert str(path) in str(error), seed
            refused += 1
        else:
            shown(found)
            read += 1
    assert read > 0 and refused > TIMES / 20, "the damage is neither harmless nor always noticed at once"


def test_thousands_of_damaged_profiles() -> None:
    data = (GOLDEN / "tiny.etdp").read_bytes()
    refused = 0
    for seed in range(TIMES):
        try:
            runs = read_etdump(bent(data, random.Random(seed)))
        except FlatBufferError:
            refused += 1
        else:
            assert all(span.nanoseconds >= 0 for run in runs for span in run)
    assert refused > TIMES / 20
