"""Results of phones: the format, its schema, what belongs to a bundle, and what is kept."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.bundle import Bundle, device_schema
from mobilekit.bundle.device import (
    DeviceBench,
    import_device_benches,
    kept_device_benches,
    parse_device_bench,
    read_device_bench,
)
from mobilekit.errors import DataError, MobilekitError, SpecError, StorageError

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "bundle"


def results(**changes: Any) -> dict[str, Any]:
    """What a phone measured on the golden bundle's two .pte files."""
    manifest = json.loads((GOLDEN / "bundle.json").read_text())
    measured = {
        "threads": 4, "batch": 1, "warmup": 10, "n": 100, "median_ms": 1.5, "p90_ms": 2.0, "min_ms": 1.25,
        "iqr_ms": 0.25, "load_ms": 12.0, "peak_memory_bytes": None,
    }  # fmt: skip
    return {
        "format": "mobilekit-device-bench",
        "version": 1,
        "device": {
            "maker": "Example", "model": "Phone <1>", "system": "Android", "system_version": "16",
            "processor": "some soc", "cores": 8, "memory_bytes": 8_000_000_000,
        },
        "app": {"runtime": "executorch", "runtime_version": "1.5.1", "app_version": "1.0"},
        "bundle": {"model": "tiny", "created": manifest["created"], "bundle_sha256": "0" * 64},
        "results": [
            {**{key: one[key] for key in ("target", "scheme", "file", "sha256")}, **measured}
            for one in manifest["artifacts"]
            if one["runtime"] == "executorch"
        ],
        "taken": "2026-11-22T15:00:00Z",
        **changes,
    }  # fmt: skip


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.load(shutil.copytree(GOLDEN, tmp_path / "bundle"))


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str = "phone.json", **changes: Any) -> Path:
        path = tmp_path / name
        path.write_text(json.dumps(results(**changes)))
        return path

    return write


def test_the_published_copies_of_the_schema_are_those_of_the_code() -> None:
    text, cure = device_schema.schema_text(), "python -m mobilekit.bundle.device_schema > FILE"
    for place in (ROOT / "docs", ROOT / "exporter" / "mobilekit" / "bundle"):
        assert (place / device_schema.SCHEMA_FILE).read_text(encoding="utf-8") == text, cure
    assert device_schema.published_schema() == device_schema.device_schema()


def test_schema_and_reader_agree() -> None:
    schema = device_schema.published_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(results())
    assert parse_device_bench(json.dumps(results()).encode(), source="x").phone == "Example Phone <1>, Android 16"
    for one in (schema, *schema["$defs"].values()):
        assert set(one["required"]) == set(one["properties"]), "every field is always there"


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (["format"], "other", "format"),
        (["taken"], "yesterday", "taken"),
        (["taken"], "٢٠٢٦-11-22T15:00:00Z", "taken"),
        (["extra"], 1, "extra: no such field"),
        (["device", "cores"], "8", "device.cores: must be a whole number"),
        (["device", "model"], "", "device.model"),
        (["device", "model"], "a\u001b[2J", "device.model"),
        (["device", "model"], "a\u009b2J", "device.model"),
        (["results"], [], "results: must not be empty"),
        (["results", 0, "median_ms"], -1.0, "results[0].median_ms"),
        (["results", 0, "n"], 0, "results[0].n"),
        (["results", 0, "sha256"], "abc", "results[0].sha256"),
        (["results", 0, "file"], "../x", "results[0].file"),
    ],
)
def test_what_the_format_refuses(path: list[Any], value: Any, says: str) -> None:
    raw = results()
    inner: Any = raw
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value
    with pytest.raises(SpecError) as refused:
        parse_device_bench(json.dumps(raw).encode(), source="phone.json")
    assert str(refused.value).startswith("phone.json: ") and says in str(refused.value)
    assert "docs/phone.md" in str(refused.value.hint)
    assert not jsonschema.Draft202012Validator(device_schema.published_schema()).is_valid(raw)


@pytest.mark.parametrize("version", [2, 0, "1"])
def test_another_version_is_no_fault_of_the_fields(version: Any) -> None:
    raw = {**results(), "version": version, "newer": 1}
    with pytest.raises(SpecError, match=r"^x: 1 problem\n  version: must be 1") as refused:
        parse_device_bench(json.dumps(raw).encode(), source="x")
    assert "update mobilekit" in str(refused.value.hint)
    assert not jsonschema.Draft202012Validator(device_schema.published_schema()).is_valid(raw)


def test_what_is_told_of_a_file_does_not_steer_the_terminal() -> None:
    raw = {**results(), "\u001b[2J": 1, "version": 1, "taken": "\u009b2J \u202e"}
    with pytest.raises(SpecError) as refused:
        parse_device_bench(json.dumps(raw).encode(), source="x")
    assert refused.value.message.replace("\n", "").isprintable()
    assert '"\\u001b[2J": no such field' in refused.value.message and "\\u009b2J" in refused.value.message


def test_broken_json_is_told_without_its_bytes() -> None:
    with pytest.raises(SpecError, match="Invalid JSON") as refused:
        parse_device_bench(b'{"format": ', source="x")
    assert "b'" not in str(refused.value)


def test_figures_out_of_order_and_not_finite() -> None:
    raw = results()
    raw["results"][0].update(min_ms=3.0)
    with pytest.raises(SpecError, match="must be in this order"):
        parse_device_bench(json.dumps(raw).encode(), source="x")
    raw["results"][0].update(min_ms=1.0, p90_ms=float("nan"))
    with pytest.raises(SpecError):
        parse_device_bench(json.dumps(raw).encode(), source="x")


@given(st.binary(max_size=60) | st.sampled_from([b"[" * 5000, b"{}", b"null", b'"x"', b"\xff"]))
def test_any_bytes_end_in_an_error_of_ours(data: bytes) -> None:
    with pytest.raises(SpecError):
        parse_device_bench(data, source="x")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere.json"):
        with pytest.raises(DataError, match="cannot be read"):
            read_device_bench(path)


def test_files_that_are_too_large(tmp_path: Path) -> None:
    (tmp_path / "large.json").write_bytes(b" " * 10_000_001)
    for path in (tmp_path / "large.json", Path("/dev/zero")):
        with pytest.raises(DataError, match="too large") as refused:
            read_device_bench(path)
        assert refused.value.hint


def test_importing_keeps_and_importing_again_changes_nothing(bundle: Bundle, file: Callable[..., Path]) -> None:
    (bench,) = import_device_benches(bundle, [file(), file()])
    (kept,) = (bundle.path / "device").iterdir()
    assert kept.name.startswith("phone-1-20261122T150000Z-") and read_device_bench(kept) == bench
    before = kept.stat().st_mtime_ns
    import_device_benches(bundle, [file(), kept])
    assert [path.stat().st_mtime_ns for path in (bundle.path / "device").iterdir()] == [before]
    later = file("later.json", taken="2026-11-23T09:00:00Z")
    import_device_benches(bundle, [later])
    benches, left = kept_device_benches(bundle.path, bundle.manifest)
    assert [one.taken for one in benches] == ["2026-11-22T15:00:00Z", "2026-11-23T09:00:00Z"] and left == ()
    assert Bundle.load(bundle.path).manifest == bundle.manifest, "it is still the same bundle"


def test_results_of_another_bundle_are_refused_all_together(bundle: Bundle, file: Callable[..., Path]) -> None:
    raw = results()
    raw["results"][1]["sha256"] = "1" * 64
    raw["results"].append({**raw["results"][0], "target": "coreml", "scheme": "int4"})
    wrong = file("wrong.json", results=raw["results"])
    with pytest.raises(DataError) as refused:
        import_device_benches(bundle, [file(), wrong])
    assert "results[1]: xnnpack int8 has another SHA-256" in refused.value.message
    assert "results[2]: coreml int4 is not in the bundle" in refused.value.message
    assert not (bundle.path / "device").exists(), "nothing of the good one is kept either"


def test_what_lies_there_and_does_not_belong_is_named(bundle: Bundle, file: Callable[..., Path]) -> None:
    import_device_benches(bundle, [file()])
    (bundle.path / "device" / "a.json").write_text("{}")
    raw = results()
    raw["results"][0]["sha256"] = "1" * 64
    (bundle.path / "device" / "b.json").write_text(json.dumps(raw))
    benches, left = kept_device_benches(bundle.path, bundle.manifest)
    assert len(benches) == 1
    assert left[0].startswith("device/a.json is left out: ") and "other files" in left[1]


def test_a_bundle_that_cannot_be_written(bundle: Bundle, file: Callable[..., Path]) -> None:
    (bundle.path / "device").write_text("a file")
    with pytest.raises(MobilekitError, match="file, not a folder") as refused:
        import_device_benches(bundle, [file()])
    assert "device must be a folder" in str(refused.value.hint), "bench has no -o"


def test_a_kept_file_that_was_damaged_is_mended(bundle: Bundle, file: Callable[..., Path]) -> None:
    import_device_benches(bundle, [file()])
    (kept,) = (bundle.path / "device").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(b"\xff\xfe")
    import_device_benches(bundle, [file()])
    assert kept.read_bytes() == whole


@pytest.mark.parametrize("stop", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("there", [False, True])
def test_all_of_them_or_none(
    bundle: Bundle, file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, stop: BaseException, there: bool
) -> None:
    if there:
        import_device_benches(bundle, [file()])
    before = sorted(bundle.path.rglob("*"))
    calls: list[int] = []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise stop

    later = [file(f"{day}.json", taken=f"2026-11-{day}T09:00:00Z") for day in (23, 24)]
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises((StorageError, KeyboardInterrupt)):
        import_device_benches(bundle, later)
    assert sorted(bundle.path.rglob("*")) == before


def test_the_phone_is_named_once(file: Callable[..., Path]) -> None:
    device = {**results()["device"], "maker": "Apple", "model": "Apple iPhone 17", "system": "iOS"}
    assert DeviceBench.model_validate(results(device=device)).phone == "Apple iPhone 17, iOS 16"


def test_the_page_explains_every_field() -> None:
    schema = device_schema.device_schema()
    fields = {name for one in (schema, *schema["$defs"].values()) for name in one["properties"]}
    named = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "phone.md").read_text(encoding="utf-8")))
    assert sorted(fields - named) == []


def test_what_the_apps_write_is_read() -> None:
    """The examples that lie in the apps' own tests."""
    examples = sorted(ROOT.glob("*-demo/**/device-bench*.json"))
    if not examples:
        pytest.skip("no app in this checkout has an example of its results")
    validator = jsonschema.Draft202012Validator(device_schema.published_schema())
    for path in examples:
        validator.validate(json.loads(path.read_text(encoding="utf-8")))
        assert read_device_bench(path).results
