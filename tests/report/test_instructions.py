"""Instruction counts: against float of the same target and core, at any width, and nothing where none were counted."""

from __future__ import annotations

import pytest

from mobilekit.bundle import Manifest
from mobilekit.bundle.measured import Instructions, OperatorInstructions
from mobilekit.report.instructions import instructions_text


def counted(manifest: Manifest, operators: tuple[OperatorInstructions, ...] = (), **counts: int | None) -> Manifest:
    """The manifest with these counts for its XNNPACK artifacts, by scheme."""
    artifacts = []
    for one in manifest.artifacts:
        count = counts.get(one.scheme) if one.target == "xnnpack" else None
        found = (
            Instructions(cpu="cortex-a53", per_inference=count, spread=3, n=5, operators=operators) if count else None
        )
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


def operator(name: str, calls: int, instructions: int) -> OperatorInstructions:
    return OperatorInstructions(name=name, calls=calls, instructions=instructions)


SEVEN = (
    operator("Convolution (NHWC, QC8) IGEMM", 21, 300_000), operator("Add (ND)", 9, 100_000),
    *(operator(f"small {index}", 1, 1000) for index in range(5)),
)  # fmt: skip


def test_the_table_by_operator_adds_up(manifest: Manifest) -> None:
    text = instructions_text(counted(manifest, SEVEN, int8=500_000))
    assert text
    whole, table = text.split("\n\n")
    assert whole == instructions_text(counted(manifest, int8=500_000))
    rows = [line.split("  ") for line in table.splitlines()[2:]]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells[0] == ["xnnpack", "int8", "Convolution (NHWC, QC8) IGEMM", "21", "300,000", "60.0%"]
    assert cells[-2:] == [
        ["xnnpack", "int8", "2 other kinds", "2", "2,000", "0.4%"],
        ["xnnpack", "int8", "between them", "95,000", "19.0%"],
    ]
    assert len(cells) == 7
    assert sum(int(row[-2].replace(",", "")) for row in cells) == 500_000
    six = instructions_text(counted(manifest, SEVEN[:6], int8=500_000))
    assert six and "small 3" in six and "other kind" not in six, "one that is left is named"


def test_a_narrow_screen_gets_operators_in_a_sentence(manifest: Manifest) -> None:
    text = instructions_text(counted(manifest, SEVEN, int8=500_000), 60)
    assert text
    assert "xnnpack int8: Convolution (NHWC, QC8) IGEMM 300,000 (60.0%), Add (ND) 100,000 (20.0%)" in text
    assert text.endswith("between them 95,000 (19.0%)")
