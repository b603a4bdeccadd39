"""Instruction counts: against float of the same target and core, at any width, and nothing where none were counted."""

from __future__ import annotations

import pytest

from mobilekit.bundle import Manifest
from mobilekit.bundle.measured import Instructions
from mobilekit.report.instructions import instructions_text


def counted(manifest: Manifest, **counts: int | None) -> Manifest:
    """The manifest with these counts for its XNNPACK artifacts, by scheme."""
    artifacts = []
    for one in manifest.artifacts:
        count = counts.get(one.scheme) if one.target == "xnnpack" else None
        found = Instructions(cpu="cortex-a53", per_inference=count, spread=3, n=5) if count else None
        benchmark = one.benchmark and one.benchmark.model_copy(update={"instructions": found})
        artifacts.append(one.model_copy(update={"benchmark": benchmark}))
    return manifest.model_copy(update={"artifacts": tuple(artifacts)})


def test_nothing_where_nothing_was_counted(manifest: Manifest) -> None:
    assert instructions_text(counted(manifest)) is None


def test_int8_against_float(manifest: Manifest) -> None:
    text = instructions_text(counted(manifest, fp32=2_000_000, int8=500_000))
    assert text
    assert [line.split() for line in text.splitlines()[2:]] == [
        ["xnnpack", "fp32", "cortex-a53", "2,000,000", "3", "1.00x"],
        ["xnnpack", "int8", "cortex-a53", "500,000", "3", "0.25x"],
    ]
    alone = instructions_text(counted(manifest, int8=500_000))
    assert alone
    assert alone.splitlines()[-1].split()[-1] == "-"


@pytest.mark.parametrize("width", [40, 70])
def test_a_narrow_screen_gets_sentences(manifest: Manifest, width: int) -> None:
    text = instructions_text(counted(manifest, fp32=2_000_000, int8=500_000), width)
    assert text
    assert "xnnpack int8 on cortex-a53: 500,000 instructions per inference (spread 3, 0.25x of fp32)" in text
