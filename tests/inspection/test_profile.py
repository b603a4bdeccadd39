"""A .pte is measured by ExecuTorch's own tracer in a process of its own; what goes wrong there is told in words."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mobilekit.bundle.contents import Call
from mobilekit.bundle.etdump import Span
from mobilekit.errors import RunnerError, UsageError
from mobilekit.inspection import inspect_artifact
from mobilekit.inspection.picture import partition_svg
from mobilekit.inspection.profile import _medians, measured, profile_pte
from mobilekit.inspection.summary import PteDetails
from mobilekit.inspection.tables import explanations, listings


@pytest.mark.slow
def test_every_call_of_a_program_is_timed(artifacts: Path) -> None:
    found = measured(inspect_artifact(artifacts / "tiny.pte"), threads=1)
    assert isinstance(found.details, PteDetails) and found.profile is not None
    profile, calls = found.profile, found.details.calls
    assert [step.call for step in profile.steps] == [0, 1, 2, 3]
    assert profile.n >= 10 and profile.threads == 1
    inside, outside = (profile.share_of(calls, delegates=which) for which in (True, False))
    assert inside > 0 and outside > 0 and inside + outside < 1.2
    assert {one.name.partition(" (")[0] for one in profile.inside} >= {"Convolution", "Fully Connected"}
    costs = {one.operator: cost for one, cost in explanations(found)}
    assert set(costs) == {"aten::mean.out", "aten::cumsum.out"}
    assert all(cost.endswith("% of the time") for cost in costs.values())
    titles = [listing.title for listing in listings(found)]
    assert titles[-2:] == ["Time by call", "Slowest operators inside delegates"]
    assert "of the time" in partition_svg(found)


@pytest.mark.slow
def test_a_file_that_the_runtime_refuses_is_told(artifacts: Path, tmp_path: Path) -> None:
    """Read as it is, and changed before it is run: what the tracer meets is not what was looked at."""
    path = Path(shutil.copy(artifacts / "tiny.pte", tmp_path / "model.pte"))
    found = inspect_artifact(path)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(RunnerError, match=r"^model\.pte: ExecuTorch "):
        profile_pte(found)


@pytest.mark.parametrize("kind", ["onnx", "pt2", "mlpackage"])
def test_only_a_pte_is_measured_and_drawn(artifacts: Path, kind: str) -> None:
    found = inspect_artifact(artifacts / f"tiny.{kind}")
    with pytest.raises(UsageError, match=r"only a \.pte can be measured"):
        profile_pte(found)
    with pytest.raises(UsageError, match=r"only a \.pte is divided"):
        partition_svg(found)


def test_medians_are_over_runs_and_a_loops_passes_belong_together() -> None:
    def call(instruction: int, delegate: int | None) -> Call:
        operator = None if delegate is not None else "aten::add.out"
        return Call(method="forward", chain=0, instruction=instruction, operator=operator, delegate=delegate)

    def span(kind: str, instruction: int, microseconds: int, name: str = "") -> Span:
        return Span.model_validate(
            {
                "kind": kind,
                "name": name,
                "chain": 0,
                "instruction": instruction,
                "start": 5,
                "end": 5 + 1000 * microseconds,
            }
        )

    def run(kernel: int, delegate: int, whole: int) -> list[Span]:
        return [
            span("kernel", 2, kernel),
            span("kernel", 2, kernel),
            span("inside", 4, 3, "Softmax"),
            span("delegate", 4, delegate),
            span("method", 0, whole),
            span("kernel", 99, 7),  # of another method
        ]

    total, steps, inside = _medians(
        [run(1, 10, 20), run(2, 30, 40), run(100, 20, 500)], [call(2, None), call(4, 0)], "forward"
    )
    assert total == 40
    assert [(step.call, step.microseconds, step.share) for step in steps] == [(0, 4, 0.1), (1, 20, 0.5)]
    assert [(one.call, one.name, one.microseconds) for one in inside] == [(1, "Softmax", 3)]
