"""`mobilekit embed` and `mobilekit bench --import`: what they print and end with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def app(mobilekit: Any) -> Path:
    """An Android app that pins ExecuTorch 1.5.1."""
    root = Path(mobilekit.folder) / "app"
    for name, text in {
        "settings.gradle": "include ':phone'",
        "phone/build.gradle": "apply plugin: 'com.android.application'\n"
        "dependencies { implementation 'org.pytorch:executorch-android:1.5.1' }\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_in_and_out_again(mobilekit: Any, bundle: Path, app: Path) -> None:
    before = sorted(app.rglob("*"))
    ended = mobilekit("embed", "bundle", "app")
    assert ended.code == 0, ended.err
    assert [line.split()[:2] for line in ended.out.splitlines()[2:4]] == [["xnnpack", "fp32"], ["xnnpack", "int8"]]
    assert "fits" in ended.out and "left out: onnx int8, the app does not depend on" in ended.out
    assert "embedded: " in ended.out and "in app/phone/src/main/assets/mobilekit/tiny" in ended.out
    assert "to undo it: mobilekit embed app --name tiny --remove" in ended.err
    again = mobilekit("embed", "bundle", "app", "--json").json
    assert (again["outcome"], again["name"], again["platform"]) == ("unchanged", "tiny", "android")
    assert {one["level"] for one in again["findings"]} == {"passed"}
    gone = mobilekit("embed", "app", "--remove")
    assert gone.code == 0 and gone.out.startswith("removed tiny: ")
    assert sorted(app.rglob("*")) == before
    assert mobilekit("embed", "bundle", "app").code == 0
    assert mobilekit("embed", "bundle", "app", "--remove", "--json").json["outcome"] == "removed"


def test_what_it_ends_with(mobilekit: Any, bundle: Path, app: Path, refused: Callable[..., Any]) -> None:
    build = app / "phone/build.gradle"
    text = build.read_text()
    build.write_text(text.replace("1.5.1", "1.4.0"))
    refused(1, "embed", "bundle", "app", says=("needs executorch 1.5.1 or later; the app has 1.4.0", "hint: raise it"))
    forced = mobilekit("embed", "bundle", "app", "--force", "--dry-run")
    assert forced.code == 0 and "cannot run" in forced.out and "warning: xnnpack fp32 needs" in forced.err
    build.write_text(text.replace("1.5.1", "1.6.0"))
    refused(3, "embed", "bundle", "app", "--strict", says=("could not be checked", "--aar FILE"))
    warned = mobilekit("embed", "bundle", "app", "--dry-run")
    assert warned.code == 0 and "not known" in warned.out and "warning: which operators" in warned.err
    refused(2, "embed", "bundle", says=("APP is missing",))
    refused(2, "embed", "bundle", "bundle", says=("no app was found",))
    refused(2, "embed", "bundle", "app", "--remove", says=("nothing is embedded there",))
    refused(2, "embed", "bundle", "app", "--remove", "--force", says=("--remove goes with",))
    refused(6, "embed", "app", "app", says=("not a bundle",))
    build.write_text(text)
    place = app / "phone/src/main/assets/mobilekit/tiny"
    place.mkdir(parents=True)
    (place / "mine.txt").write_text("mine")
    refused(2, "embed", "bundle", "app", says=("embed did not write it", "--name"))
    assert [path.name for path in place.iterdir()] == ["mine.txt"]


def test_results_of_a_phone(mobilekit: Any, bundle: Path, refused: Callable[..., Any]) -> None:
    manifest = json.loads((bundle / "bundle.json").read_text())
    int8 = next(one for one in manifest["artifacts"] if (one["target"], one["scheme"]) == ("xnnpack", "int8"))
    measured = {
        "threads": 4, "batch": 1, "warmup": 10, "n": 100, "median_ms": 1.5, "p90_ms": 2.0, "min_ms": 1.25,
        "iqr_ms": 0.25, "load_ms": 12.0, "peak_memory_bytes": None,
    }  # fmt: skip
    raw = {
        "format": "mobilekit-device-bench",
        "version": 1,
        "device": {
            "maker": "Example", "model": "One", "system": "Android", "system_version": "16", "processor": "soc",
            "cores": 8, "memory_bytes": 8_000_000_000,
        },
        "app": {"runtime": "executorch", "runtime_version": "1.5.1", "app_version": "1.0"},
        "bundle": {"model": "tiny", "created": manifest["created"], "bundle_sha256": "0" * 64},
        "results": [{**{key: int8[key] for key in ("target", "scheme", "file", "sha256")}, **measured}],
        "taken": "2026-11-22T15:00:00Z",
    }  # fmt: skip
    phone = mobilekit.folder / "phone.json"
    phone.write_text(json.dumps(raw))
    ended = mobilekit("bench", "bundle", "--import", "phone.json")
    assert ended.code == 0, ended.err
    assert "xnnpack int8  Example One, Android 16" in ended.out and "desk: " in ended.out
    rows = mobilekit("bench", "bundle", "--import", "phone.json", "--json").json
    assert [row["phone"] for row in rows][-1] is True and len(list((bundle / "device").iterdir())) == 1
    assert mobilekit("report", "bundle", "-o", "page.html").code == 0
    assert "<h2>On phones</h2>" in (mobilekit.folder / "page.html").read_text()
    refused(2, "bench", "bundle", "--import", "phone.json", "--threads", "2", says=("--import measures nothing",))
    raw["results"][0]["sha256"] = "1" * 64  # type: ignore[index]
    phone.write_text(json.dumps(raw))
    refused(2, "bench", "bundle", "--import", "phone.json", says=("not of this bundle", "another SHA-256"))
