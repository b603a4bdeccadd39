"""Two artifacts in turns: figures with their evidence; a reference that is gone is no finding about a candidate."""

from __future__ import annotations

import os
import signal

import pytest

from mobilekit.errors import RunnerError, SetupError
from mobilekit.pipeline.tuning.clock import ROUNDS, Clock
from mobilekit.runners import Worker

pytestmark = pytest.mark.slow  # each starts runtimes in processes of their own


def test_a_pace_has_its_evidence(made) -> None:
    path = made.folder / made.onnx.file
    with Clock(path, made.samples[0], threads=1) as clock, Worker("onnx", path, threads=1) as worker:
        pace = clock.pace(worker)
    assert pace.n >= ROUNDS
    assert min(pace.median_ms, pace.reference_ms, pace.ratio) > 0
    assert pace.ratio_ci95 is not None
    assert pace.ratio_ci95.low <= pace.ratio <= pace.ratio_ci95.high
    assert (pace.threads, "cores" in pace.machine) == (1, True)


@pytest.mark.parametrize(("gone", "error"), [("reference", SetupError), ("candidate", RunnerError)])
def test_it_is_told_which_of_the_two_failed(made, gone: str, error: type[Exception]) -> None:
    path = made.folder / made.onnx.file
    with Clock(path, made.samples[0], threads=1) as clock, Worker("onnx", path, threads=1) as worker:
        process = clock._worker.pid if gone == "reference" else worker.pid
        assert process is not None
        os.kill(process, signal.SIGKILL)
        with pytest.raises(error):
            clock.pace(worker)
