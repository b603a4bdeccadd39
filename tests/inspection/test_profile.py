"""An artifact is measured by its runtime's tracer in a process of its own; what goes wrong there is told in words."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from mobilekit.bundle.contents import Call
from mobilekit.bundle.etdump import Span
from mobilekit.errors import RunnerError, UsageError
from mobilekit.inspection import inspect_artifact
from mobilekit.inspection.picture import partition_svg
from mobilekit.inspection.profile import _RUNTIMES, _left_over, _medians, _of_runs, measured, profile_of
from mobilekit.inspection.summary import PteDetails
from mobilekit.inspection.tables import explanations, listings
from mobilekit.inspection.traces import Runs, Sizes, Traced


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
    assert titles[-3:] == ["Time by operator", "Time by call", "Slowest operators inside delegates"]
    assert {one.name for one in profile.operators if one.fallback} == set(costs)
    assert profile.sizes == ((8, 1, 8, 8),), "the largest that memory was planned for"
    assert "of the time" in partition_svg(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "sizes", "ran", "kinds"),
    [
        ("pt2", None, 8, {"aten.conv2d.default": "convolution", "aten.cumsum.default": "pooling and reductions"}),
        ("onnx", None, 1, {"Conv": "convolution", "Gemm": "matrix product"}),
        ("onnx", ((3, 1, 8, 8),), 3, {"CumSum": "pooling and reductions"}),
    ],
)
def test_every_operator_of_eager_and_onnx_is_timed(
    artifacts: Path, kind: str, sizes: Sizes | None, ran: int, kinds: dict[str, str]
) -> None:
    found = measured(inspect_artifact(artifacts / f"tiny.{kind}"), threads=1, sizes=sizes)
    profile = found.profile
    assert profile is not None and profile.n >= 10 and profile.threads == 1
    assert profile.sizes == ((ran, 1, 8, 8),)
    assert kinds.items() <= {one.name: one.kind for one in profile.operators}.items()
    assert not any(one.fallback for one in profile.operators) and profile.steps == profile.inside == ()
    assert 0 < sum(one.share for one in profile.operators) < 1.001
    assert profile.runtime.startswith({"pt2": "torch 2", "onnx": "ONNX Runtime 1"}[kind])
    assert [listing.title for listing in listings(found)][-1] == "Time by operator"


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "runtime"), [("pte", "ExecuTorch"), ("onnx", "ONNX Runtime"), ("pt2", "torch")])
def test_a_file_that_the_runtime_refuses_is_told(
    artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, runtime: str
) -> None:
    """Read as it is, and changed before it is run: what the tracer meets is not what was looked at."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))  # other tests use the system's meanwhile
    path = Path(shutil.copy(artifacts / f"tiny.{kind}", tmp_path / f"model.{kind}"))
    found = inspect_artifact(path)
    path.write_bytes(path.read_bytes()[:900])
    before = set(Path(tempfile.gettempdir()).glob("mobilekit-*"))
    with pytest.raises(RunnerError, match=rf"^model\.{kind}: {runtime} "):
        profile_of(found)
    assert set(Path(tempfile.gettempdir()).glob("mobilekit-*")) <= before, "the profile's folder is gone"


@pytest.mark.slow
def test_inputs_that_the_model_does_not_take_are_refused(artifacts: Path) -> None:
    with pytest.raises(RunnerError, match=r"ONNX Runtime refused to run it: it takes 1 inputs, and the bundle has 2"):
        profile_of(inspect_artifact(artifacts / "tiny.onnx"), sizes=((1, 1, 8, 8), (1,)))


def test_a_core_ml_package_is_not_measured(artifacts: Path) -> None:
    with pytest.raises(UsageError, match=r"only a \.pte, \.onnx or \.pt2 can be measured operator by operator"):
        profile_of(inspect_artifact(artifacts / "tiny.mlpackage"))


@pytest.mark.parametrize("kind", ["onnx", "pt2", "mlpackage"])
def test_only_a_pte_is_drawn(artifacts: Path, kind: str) -> None:
    with pytest.raises(UsageError, match=r"only a \.pte is divided"):
        partition_svg(inspect_artifact(artifacts / f"tiny.{kind}"))


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

    runs, calls = [run(1, 10, 20), run(2, 30, 40), run(100, 20, 500)], [call(2, None), call(4, 0)]
    total, steps, inside = _medians(runs, calls, "forward")
    assert total == 40
    assert [(step.call, step.microseconds, step.share) for step in steps] == [(0, 4, 0.1), (1, 20, 0.5)]
    assert [(one.call, one.name, one.microseconds) for one in inside] == [(1, "Softmax", 3)]
    # By run: 7, 27, 17 beyond the operator; 8, 6, 280 that no call took.
    assert _left_over(runs, calls, "forward") == ({1: 17}, 8)


def test_a_graph_without_operators_has_a_profile() -> None:
    """ONNX Runtime may have computed all of it beforehand."""
    runs = Runs(n=2, whole=(3000, 5000), operators=())
    profile = _of_runs(
        Path("m.onnx"), runs.model_dump_json().encode(), Traced(method="forward", warmup=5), 1, _RUNTIMES["onnx"]
    )
    assert (profile.microseconds, profile.between, profile.operators) == (4, 4, ())


def test_nonsense_from_the_tracer_is_told() -> None:
    with pytest.raises(RunnerError, match=r"^m\.pt2: the process that measures wrote nonsense"):
        _of_runs(Path("m.pt2"), b'{"n": 0}', Traced(method="forward", warmup=5), 1, _RUNTIMES["pt2"])
