"""Jobs are done here or beside: the same artifact, a typed error as it is, and a lost process costs only time."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import Future
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit import errors
from mobilekit.files import sha256
from mobilekit.pipeline import lowering
from mobilekit.pipeline.lowering import Failed, Job, LostError, Made, Team, error_of, failed, finished, processes_beside

GIGABYTE = 1_000_000_000


@pytest.fixture
def job(made, tmp_path: Path) -> Job:
    """The linear layer of conftest.py, to ONNX."""
    return Job(
        target="onnx",
        scheme="fp32",
        program=str(made.folder / made.eager.file),
        path=str(tmp_path / "net.onnx"),
        inputs=made.eager.inputs,
        outputs=made.eager.outputs,
    )


def program_of(path: Path):
    from mobilekit.model.pt2 import load_pt2

    return load_pt2(path)


def all_of(work, progress) -> dict[str, Made]:
    return {Path(job.path).name: made for job, made in finished(work, program_of, progress)}


def beside(*jobs: Job, progress, scratch: Path, kill: bool = False) -> dict[str, Made]:
    """All jobs in one process beside, which may be killed while it works."""
    with Team(1, 1, scratch) as team:
        work = [(job, team.submit(job)) for job in jobs]
        while not all(future.running() or future.done() for _, future in work[:1]):
            time.sleep(0.01)
        if kill:
            while not team._children:
                time.sleep(0.01)
            os.killpg(team._children[0].pid, signal.SIGKILL)
        return all_of(work, progress)


@pytest.mark.slow
def test_here_and_beside_make_the_same(job: Job, progress, tmp_path: Path) -> None:
    other = job.model_copy(update={"path": str(tmp_path / "other.onnx")})
    here = all_of([(job, Future())], progress)["net.onnx"]
    found = beside(other, progress=progress, scratch=tmp_path / "scratch")["other.onnx"]
    assert found.model_copy(update={"seconds": 0}) == here.model_copy(update={"seconds": 0})
    assert sha256(Path(job.path)) == sha256(Path(other.path))
    assert progress.titles == ["lowering to onnx fp32"] * 2


@pytest.mark.slow
def test_an_error_of_the_target_is_raised_as_it_is(job: Job, progress, tmp_path: Path) -> None:
    reserved = tuple(spec.model_copy(update={"name": "state"}) for spec in job.inputs)
    wrong = job.model_copy(update={"target": "coreml", "path": str(tmp_path / "net.mlpackage"), "inputs": reserved})
    with pytest.raises(errors.LowerError, match="a tensor cannot be called 'state'") as caught:
        beside(wrong, progress=progress, scratch=tmp_path / "scratch")
    assert caught.value.hint == "call it state_0 or the like in the recipe or with -i"
    assert caught.value.exit_code == errors.ExitCode.MODEL


@pytest.mark.slow
def test_a_process_that_is_killed_costs_nothing_but_time(job: Job, progress, tmp_path: Path) -> None:
    found = beside(job, progress=progress, scratch=tmp_path / "scratch", kill=True)
    assert found["net.onnx"].operators == ("ai.onnx::Gemm",)
    assert Path(job.path).is_file()


@pytest.mark.slow
def test_leaving_ends_the_processes_beside(job: Job, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Team(1, 1, tmp_path / "scratch") as team:
        waiting = team.submit(job), team.submit(job)
        while not team._children:
            time.sleep(0.01)
        raise KeyboardInterrupt
    with pytest.raises(ProcessLookupError):
        os.kill(team._children[0].pid, 0)
    assert isinstance(waiting[0].exception(), LostError)
    assert waiting[1].cancelled()


def test_the_last_are_done_here_and_a_failure_beside_is_told_before_the_rest(job: Job, progress) -> None:
    """The first is taken by a process beside, which fails while the third is done here."""
    first, order = Future(), []
    first.set_running_or_notify_cancel()
    jobs = [job.model_copy(update={"path": f"{job.path}.{number}"}) for number in range(3)]

    def program(path: Path):
        order.append(path)
        first.set_exception(errors.LowerError("beside"))
        return program_of(path)

    with pytest.raises(errors.LowerError, match="beside"):
        list(finished([(jobs[0], first), (jobs[1], Future()), (jobs[2], Future())], program, progress))
    assert len(order) == 1
    assert [Path(one.path).exists() for one in jobs] == [False, False, True]


def test_a_lost_job_is_done_again_here(job: Job, progress) -> None:
    lost = Future()
    lost.set_running_or_notify_cancel()
    lost.set_exception(LostError("killed for memory"))
    Path(job.path).mkdir()  # half of a package
    (Path(job.path) / "half").write_text("")
    assert all_of([(job, lost)], progress).keys() == {"net.onnx"}
    assert Path(job.path).is_file()


KINDS = [errors.LowerError, errors.QuantizeError, errors.StorageError, errors.UnknownName, errors.SpecError]


@given(
    st.sampled_from(KINDS),
    st.text(),
    st.none() | st.text(),
)
def test_errors_travel(kind: type[errors.MobilekitError], message: str, hint: str | None) -> None:
    found = error_of(Failed.model_validate_json(failed(_made(kind, message, hint)).model_dump_json()))
    assert (type(found), found.message, found.hint) == (kind, message, hint)
    assert str(found) == (f"{message}\nhint: {hint}" if hint else message)


def _made(kind: type[errors.MobilekitError], message: str, hint: str | None) -> errors.MobilekitError:
    error = kind.__new__(kind)
    errors.MobilekitError.__init__(error, message, hint=hint)
    return error


@pytest.mark.parametrize(
    ("jobs", "nodes", "cores", "gigabytes", "expected"),
    [
        (6, 150, 2, 20, 1),
        (6, 150, 8, 50, 5),
        (6, 150, 8, 9, 4),
        (6, 150, 2, 2, 0),
        (6, 150, 1, 20, 0),
        (1, 5000, 8, 50, 0),
        (6, 20, 8, 50, 0),
        (2, 5000, 8, 50, 1),
    ],
)
def test_processes_beside_where_there_is_work_a_core_and_memory(
    monkeypatch: pytest.MonkeyPatch, jobs: int, nodes: int, cores: int, gigabytes: int, expected: int
) -> None:
    monkeypatch.setattr(lowering, "usable_cores", lambda: cores)
    monkeypatch.setattr(lowering, "available_memory_bytes", lambda: gigabytes * GIGABYTE)
    assert processes_beside(jobs, nodes, 14_000_000) == expected
