"""Tables of times: one artifact by operator, a bundle by kind with eager first and fallbacks marked."""

from __future__ import annotations

from mobilekit.inspection.costs import Profile, operator_times
from mobilekit.inspection.summary import BundledArtifact, BundleDetails, Inspection
from mobilekit.inspection.tables import listings


def profile(*times: tuple[str, bool, int, float], total: float, between: float = 0) -> Profile:
    return Profile(
        n=7,
        warmup=5,
        threads=2,
        sizes=((1, 3), ()),
        microseconds=total,
        operators=operator_times(times, between),
        between=between,
        processor="a processor",
        runtime="a runtime 1",
    )


def artifact(target: str, found: Profile | None, reason: str | None = None) -> BundledArtifact:
    return BundledArtifact(
        target=target, scheme="fp32", file=f"m.{target}", bytes=1, runtime="r", minimum_runtime="1",
        profile=found, not_measured=reason,
    )  # fmt: skip


def bundle(*artifacts: BundledArtifact) -> Inspection:
    details = BundleDetails(
        model="m", schema_version=1, created="today", artifacts=artifacts, files=1, golden_samples=0, warnings=()
    )
    return Inspection(path="m", bytes=1, inputs=(), outputs=(), operators=(), details=details)


def test_a_bundle_has_a_row_for_each_kind_and_a_column_for_each_artifact() -> None:
    found = bundle(
        artifact(
            "xnnpack", profile(("Mean (ND)", False, 1, 1.0), ("aten::mean.out", True, 1, 4.0), total=10, between=5)
        ),
        artifact("coreml", None, "it cannot"),
        artifact("eager", profile(("aten.linear.default", False, 1, 80.0), total=80)),
    )
    (table,) = listings(found)
    assert table.columns == ("kind", "eager fp32", "xnnpack fp32")
    assert [tuple(" ".join(cell.split()) for cell in row) for row in table.rows] == [
        ("matrix product", "80.0 100%", "-"),
        ("pooling and reductions", "-", "5.0 50% *"),
        ("between operators", "-", "5.0 50%"),
        ("whole inference", "80.0", "10.0"),
    ]
    assert len({len(row[2]) - row[2].find("%") for row in table.rows if "%" in row[2]}) == 1, "shares are aligned"
    assert table.notes[0].endswith("which take: xnnpack fp32 4.0 us (40.0%)")
    assert "medians of 7 traced runs after 5, 2 thread(s), random input of 1 x 3, one value" in table.notes[1]
    assert table.notes[-1] == "m.coreml: not measured: it cannot"


def test_a_bundle_that_was_not_measured_has_no_table() -> None:
    assert list(listings(bundle(artifact("eager", None)))) == []


def test_operators_are_listed_the_slowest_first_and_not_without_end() -> None:
    times = [(f"aten::x{place}.out", place == 3, 2, float(place)) for place in range(30)]
    found = bundle().model_copy(update={"profile": profile(*times, total=900)})
    (table,) = listings(found)
    assert len(table.rows) == 20 and table.rows[0] == ("aten::x29.out", "other", "2", "29.0", "6.7")
    assert table.notes[0] == "10 that took less are in --json"
    assert not any(note.startswith("*") for note in table.notes), "the one outside is not among them"
    assert table.notes[-1] == "disturbed: parts add up to 48% of the whole; measure again on an idle machine"
