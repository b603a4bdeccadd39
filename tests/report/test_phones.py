"""What phones measured, beside the desk's figures: in the terminal and on the page."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mobilekit.bundle import Bundle
from mobilekit.bundle.device import DeviceBench, import_device_benches
from mobilekit.report import phone_rows, print_phones, report_html

GOLDEN = Path(__file__).parents[1] / "golden" / "bundle"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.load(shutil.copytree(GOLDEN, tmp_path / "bundle"))


@pytest.fixture
def bench(bundle: Bundle) -> DeviceBench:
    int8 = bundle.artifact("xnnpack", "int8")
    measured: dict[str, Any] = {
        "target": "xnnpack", "scheme": "int8", "file": int8.file, "sha256": int8.sha256, "threads": 4, "batch": 1,
        "warmup": 10, "n": 100, "median_ms": 1.5, "p90_ms": 2.0, "min_ms": 1.25, "iqr_ms": 0.25, "load_ms": 12.0,
        "peak_memory_bytes": 3_000_000,
    }  # fmt: skip
    raw = {
        "format": "mobilekit-device-bench",
        "version": 1,
        "device": {
            "maker": "Example", "model": "<b>1</b>", "system": "Android", "system_version": "16", "processor": "soc",
            "cores": 8, "memory_bytes": 8_000_000_000,
        },
        "app": {"runtime": "executorch", "runtime_version": "1.5.1", "app_version": "1.0"},
        "bundle": {"model": "tiny", "created": bundle.manifest.created, "bundle_sha256": "0" * 64},
        "results": [measured],
        "taken": "2026-11-22T15:00:00Z",
    }  # fmt: skip
    return DeviceBench.model_validate_json(json.dumps(raw))


def test_the_desk_stands_above_the_phone(bundle: Bundle, bench: DeviceBench) -> None:
    rows = phone_rows(bundle.manifest, [bench])
    assert {row.precision for row in rows} == {"int8"}, "an artifact that no phone ran has no row"
    desk, *others, phone = rows
    benchmark = bundle.artifact("xnnpack", "int8").benchmark
    assert benchmark is not None and benchmark.latency is not None
    assert (desk.phone, desk.median_ms) == (False, benchmark.latency.median_ms) and desk.where.startswith("desk: ")
    assert (phone.phone, phone.median_ms, phone.where) == (True, 1.5, "Example <b>1</b>, Android 16")
    assert all(not row.phone for row in others)


def test_the_terminals_table(bundle: Bundle, bench: DeviceBench) -> None:
    out = io.StringIO()
    print_phones(bundle.manifest, [bench], Console(file=out, width=60))
    lines = out.getvalue().splitlines()
    assert lines[0].split()[:2] == ["artifact", "where"]
    (line,) = [line for line in lines if "Android 16  " in line]
    assert line.split()[-8:] == ["4", "1", "1.50", "2.00", "1.25", "12.0", "3.00", "100"]
    assert lines[-1].endswith("soc, 8 cores, 8.0 GB; executorch 1.5.1, app 1.0; taken 2026-11-22T15:00:00Z")


def test_the_page_has_the_section_only_where_there_is_something(bundle: Bundle, bench: DeviceBench) -> None:
    assert "On phones" not in report_html(bundle.path, bundle.manifest)
    source = bundle.path.parent / "phone.json"
    source.write_text(bench.text())
    import_device_benches(bundle, [source])
    page = report_html(bundle.path, bundle.manifest)
    assert "<h2>On phones</h2>" in page and "Example &lt;b&gt;1&lt;/b&gt;, Android 16" in page
    (bundle.path / "device" / "x.json").write_text("{}")
    assert "device/x.json is left out" in report_html(bundle.path, bundle.manifest)
