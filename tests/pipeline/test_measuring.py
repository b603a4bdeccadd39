"""An artifact is verified and benched in its own process; what means nothing is not judged."""

from __future__ import annotations

from importlib import import_module

import pytest

from mobilekit.errors import BundleError
from mobilekit.pipeline import measuring
from mobilekit.pipeline.measuring import eager_of, verify_all

pytestmark = pytest.mark.slow  # each starts runtimes in processes of their own


def names(artifact) -> list[str]:
    return [check.name for check in artifact.verification.checks]


def test_float_agrees_with_eager_and_its_batch_with_single_samples(made) -> None:
    (eager, onnx), outputs = verify_all(
        made.folder, [made.eager, made.onnx], made.samples, labels=[0, 1, 2, 0, 1, 2], judged=True, threads=1
    )
    assert eager.verification.checks == ()
    assert eager.verification.metrics.sqnr_db is None
    assert onnx.verification.passed
    assert names(onnx)[:2] == ["nonfinite_values", "sqnr_db"]
    assert "batch_5_against_1_sqnr_db" in names(onnx)
    assert "top1_drop_points" in names(onnx)
    assert set(outputs) == {("eager", "fp32"), ("onnx", "fp32")}
    assert [len(rows) for rows in outputs.values()] == [6, 6]


def test_int8_of_random_weights_is_shown_and_not_judged(made) -> None:
    int8 = made.onnx.model_copy(update={"scheme": "int8"})
    (_, onnx), _ = verify_all(made.folder, [made.eager, int8], made.samples, labels=None, judged=False, threads=1)
    assert onnx.verification.metrics.sqnr_db > 100
    assert names(onnx) == ["nonfinite_values", "batch_5_against_1_sqnr_db", "batch_8_against_1_sqnr_db"]


def test_one_process_for_each_artifact(made, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    class Counted(measuring.Worker):
        def __enter__(self):
            started.append(self._artifact.name)
            return super().__enter__()

    for module in ("pipeline.measuring", "verify.artifact", "verify.dynamic"):
        monkeypatch.setattr(import_module(f"mobilekit.{module}"), "Worker", Counted)
    verify_all(made.folder, [made.eager, made.onnx], made.samples, labels=None, judged=True, threads=1)
    assert started == ["net.eager.fp32.pt2", "net.onnx.fp32.onnx"]


def test_a_reference_is_needed(made) -> None:
    with pytest.raises(BundleError, match="no eager reference"):
        eager_of([made.onnx])
