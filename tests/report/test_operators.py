"""Bars and table of time by operator: eager first, one scale, fallbacks apart from the rest of their kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mobilekit.bundle import Manifest
from mobilekit.inspection import Inspection, inspect_artifact
from mobilekit.inspection.costs import Profile, operator_times
from mobilekit.inspection.kinds import kind_names
from mobilekit.report.operators import BETWEEN, LETTERS, time_by_operator

PTE = Path(__file__).parents[1] / "golden" / "artifacts" / "tiny.pte"


@pytest.fixture
def timed() -> Callable[..., Inspection]:
    """An inspection with a profile of these operators: name, fallback, microseconds."""
    found = inspect_artifact(PTE)

    def make(*times: tuple[str, bool, float], between: float = 0, runtime: str = "torch 2") -> Inspection:
        operators = operator_times([(name, fallback, 1, taken) for name, fallback, taken in times], between)
        profile = Profile(
            n=9,
            warmup=5,
            threads=2,
            microseconds=between + sum(taken for *_, taken in times),
            operators=operators,
            between=between,
            processor="one",
            runtime=runtime,
        )
        return found.model_copy(update={"profile": profile})

    return make


def test_every_kind_has_a_letter_of_its_own() -> None:
    assert tuple(LETTERS) == kind_names()
    assert len(set(LETTERS.values())) == len(LETTERS)


def test_nothing_measured_is_no_section(manifest: Manifest) -> None:
    assert time_by_operator(manifest, {}) is None
    assert time_by_operator(manifest, {manifest.artifacts[1].file: inspect_artifact(PTE)}) is None


def test_bars_are_on_one_scale_and_fallbacks_apart(manifest: Manifest, timed: Callable[..., Inspection]) -> None:
    reference, fp32, int8, *_ = manifest.artifacts
    # Eager comes first wherever it stands in the bundle.
    found = time_by_operator(
        manifest.model_copy(update={"artifacts": (fp32, reference, int8)}),
        {
            fp32.file: timed(
                ("Mean (ND)", False, 10),
                ("aten::mean.out", True, 20),
                ("Add (ND)", False, 2),
                between=18,
                runtime="E 1",
            ),
            reference.file: timed(("aten.mean.dim", False, 150), ("aten.topk.default", False, 50)),
        },
    )
    assert found is not None
    assert [(bar.label, bar.text) for bar in found.bars] == [("eager fp32", "200 us"), ("xnnpack fp32", "50.0 us")]
    eager, other = (
        [(piece.title, piece.letter, piece.percent, piece.fallback) for piece in bar.pieces] for bar in found.bars
    )
    assert eager == [
        ("pooling and reductions: 150 us, 75%", "P", 75, False),
        ("other: 50.0 us, 25%", "O", 25, False),
    ]
    assert other == [
        ("arithmetic: 2.0 us, 4%", "", 1, False),  # too narrow for a letter
        ("pooling and reductions: 10.0 us, 20%", "P", 5, False),
        ("pooling and reductions, outside the delegates: 20.0 us, 40%", "P", 10, True),
        (f"{BETWEEN}: 18.0 us, 36%", "", 9, False),
    ]
    assert [(row.name, row.cells) for row in found.rows] == [
        ("arithmetic", (("-", "", False), ("2.0", "4%", False))),
        ("pooling and reductions", (("150", "75%", False), ("30.0", "60%", True))),
        ("other", (("50.0", "25%", False), ("-", "", False))),
        (BETWEEN, (("-", "", False), ("18.0", "36%", False))),
    ]
    assert found.fallbacks == ("xnnpack fp32 20.0 us (40%)",)
    assert found.missing == ("xnnpack int8",)
    assert "2 thread(s)" in found.evidence[0] and "torch 2, E 1" in found.evidence[0]
