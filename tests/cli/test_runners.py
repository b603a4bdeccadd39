"""`--runner` and `--instructions`: who ran what is in the result; what cannot be is refused before the long work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def by_target(report: dict, key: str) -> dict[str, dict]:
    return {one["row"]["target"]: one[key] for one in report["results"]}


def test_native_runs_what_it_takes_and_instructions_are_counted(native: str, arm64: str, mobilekit, net) -> None:
    net()
    made = mobilekit("export", "net.py:build", "-i", "1,4", "-q", "fp32", "-t", "xnnpack", "-t", "onnx", "--no-bench")
    assert made.code == 0, made.err

    ended = mobilekit("verify", "bundles/net", "--runner", "native", "--json")
    assert ended.code == 0, ended.err
    found = by_target(ended.json, "verification")
    assert {target: one["runner"] for target, one in found.items()} == {
        "eager": "eager",
        "xnnpack": "native",
        "onnx": "onnx",
    }
    assert all(one["executed"] for one in found.values())

    asked = ("--runner", "native", "--instructions", "cortex-a76", "--runs", "3", "--seconds", "0", "--json")
    ended = mobilekit("bench", "bundles/net", *asked)
    assert ended.code == 0, ended.err
    measured = by_target(ended.json, "benchmark")
    assert measured["xnnpack"]["runner"] == "native"
    assert measured["xnnpack"]["instructions"]["cpu"] == "cortex-a76"
    assert measured["xnnpack"]["instructions"]["per_inference"] > 100
    operators = measured["xnnpack"]["instructions"]["operators"]
    assert operators[0]["instructions"] >= operators[-1]["instructions"] > 0
    assert measured["onnx"]["instructions"] is None


def test_what_cannot_be_is_refused_at_once(refused: Callable, arm64: str, bundle: Path) -> None:
    refused(2, "bench", "bundle", "--runner", "arm64", says=("seconds say nothing", "--instructions"))
    refused(2, "bench", "bundle", "--instructions", "pentium", says=("unknown cpu 'pentium'", "cortex-a53"))
    refused(5, "verify", "bundle", "--runner", "native", env={"PATH": "/nowhere"}, says=("needs CMake", "apt"))
