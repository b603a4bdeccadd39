"""Workers: results, timings and turns; and every way in which a runtime can fail is a RunnerError here."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mobilekit.errors import RunnerError, UnknownName
from mobilekit.runners import Effort, Worker
from mobilekit.runners import process as process_module
from mobilekit.runners.protocol import Profiled

X = np.arange(4, dtype=np.float32).reshape(1, 4)
BRIEF = Effort(warmup=1, min_runs=5, min_seconds=0, max_runs=5)
KINDS = ["pt2", "pte", "onnx"]
RUNNER = {"pt2": "eager", "pte": "pte", "onnx": "onnx"}
DAMAGES = ["empty", "garbage", "cut to 40 bytes", "cut in half", "last byte gone"]


def worker_for(path: Path, **options) -> Worker:
    return Worker(RUNNER[path.suffix[1:]], path, **{"threads": 1, "timeout_s": 120, **options})


def test_outputs_in_order(tiny_onnx: Path) -> None:
    batches = [(X * n,) for n in range(5)]
    with worker_for(tiny_onnx) as worker:
        outputs = worker.run(iter(batches))
    assert len(outputs) == 5
    for n, (doubled, shifted) in enumerate(outputs):
        np.testing.assert_array_equal(doubled, 2 * n * X)
        np.testing.assert_array_equal(shifted, n * X + 1)


def test_many_batches_travel_in_chunks(tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "_CHUNK_BYTES", 3 * X.nbytes)
    with worker_for(tiny_onnx) as worker:
        outputs = worker.run((X + n,) for n in range(10))
        large = worker.run([(np.ones((1000, 4), np.float32),)])
        assert worker.run([]) == []
    assert [float(shifted[0, 0]) for _, shifted in outputs] == [n + 1 for n in range(10)]
    assert large[0][0].shape == (1000, 4)


def test_timing(tiny_onnx: Path) -> None:
    with worker_for(tiny_onnx) as worker:
        timing = worker.time((X,), BRIEF)
        assert worker.load_ms > 0
        assert (len(timing.nanoseconds), timing.warmup) == (5, 1)
        assert all(0 < one < 1e9 for one in timing.nanoseconds)
        memory = worker.peak_memory_bytes()
        assert memory is not None
        assert 0 < memory < 200 << 20


def test_two_workers_take_turns(tiny_onnx: Path) -> None:
    block = Effort(warmup=0, min_runs=3, min_seconds=0, max_runs=3)
    with worker_for(tiny_onnx) as one, worker_for(tiny_onnx) as other:
        assert one.pid != other.pid
        turns = [worker.time((X,), block) for _ in range(3) for worker in (one, other)]
    assert [len(turn.nanoseconds) for turn in turns] == [3] * 6


def test_a_worker_may_be_started_by_a_thread_that_ends(tiny_onnx: Path) -> None:
    workers: list[Worker] = []
    starter = threading.Thread(target=lambda: workers.append(worker_for(tiny_onnx).__enter__()))
    starter.start()
    starter.join()
    time.sleep(0.3)
    try:
        assert len(workers[0].run([(X,)])) == 1
    finally:
        workers[0].close()
    assert workers[0].pid is None


def test_a_misfit_is_refused_and_the_worker_lives_on(tiny_onnx: Path) -> None:
    with worker_for(tiny_onnx) as worker:
        with pytest.raises(
            RunnerError, match=r"tiny\.onnx: onnxruntime refused .*expected x float32 \[any, 4\], given float64"
        ):
            worker.run([(X.astype(np.float64),)])
        with pytest.raises(RunnerError, match=r"takes 1 input\(s\) .*, given 2"):
            worker.time((X, X), BRIEF)
        with pytest.raises(RunnerError, match="not a plain array"):
            worker.run([(np.array([object()]),)])
        assert len(worker.run([(X,)])) == 1


def test_another_artifact_takes_its_place(tiny_onnx: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(tiny_onnx.read_bytes()[:100])
    with Worker("onnx", tiny_onnx, threads=1) as worker:
        before, pid = worker.run([(X,)]), worker.pid
        with pytest.raises(RunnerError, match=r"damaged\.onnx: onnxruntime refused to load it"):
            worker.load(damaged)
        with pytest.raises(RunnerError, match="no artifact is loaded"):
            worker.run([(X,)])
        worker.load(tiny_onnx)
        np.testing.assert_array_equal(worker.run([(X,)])[0][0], before[0][0])
        assert worker.pid == pid


def test_a_crash_is_told_and_final(tiny_onnx: Path) -> None:
    with worker_for(tiny_onnx) as worker:
        assert worker.pid
        os.kill(worker.pid, signal.SIGSEGV)
        with pytest.raises(
            RunnerError, match=r"tiny\.onnx: onnxruntime crashed by signal 11 \(SIGSEGV\) when asked to run"
        ):
            worker.run([(X,)])
        with pytest.raises(RunnerError, match="not running any more"):
            worker.run([(X,)])


def test_a_time_out_is_told_and_final(tiny_onnx: Path) -> None:
    with worker_for(tiny_onnx) as worker:
        assert worker.pid
        os.kill(worker.pid, signal.SIGSTOP)
        worker._timeout_s = 0.3
        with pytest.raises(RunnerError, match=r"did not run it within 0\.3 s and was stopped"):
            worker.run([(X,)])
        assert worker.pid is None


def test_nonsense_is_told(tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with worker_for(tiny_onnx) as worker:
        child = worker._child
        assert child
        child._unread = b"printed by a library\n"
        with pytest.raises(RunnerError, match=r"answered nonsense when asked to run it: b'printed by a library'"):
            worker.run([(X,)])
        assert worker.pid is None


def test_a_profile_is_for_cpp_and_is_as_long_as_it_says(tiny_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with worker_for(tiny_onnx) as worker:
        with pytest.raises(RunnerError, match=r"refused to profile it: only the C\+\+ runners write a profile"):
            worker.profile((X,), warmup=0, runs=1)
        assert len(worker.run([(X,)])) == 1
        monkeypatch.setattr(worker, "_ask", lambda *asked: Profiled(bytes=1 << 20))
        with pytest.raises(RunnerError, match="bytes in a profile of 1048576"):
            worker.profile((X,), warmup=0, runs=1)
        assert worker.pid is None


def test_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'pte'"):
        Worker("pt", tmp_path / "m.pte", threads=1)
    with pytest.raises(RunnerError, match=r"no such artifact: .*missing\.onnx"), worker_for(tmp_path / "missing.onnx"):
        pass
    if os.uname().sysname != "Darwin":
        with pytest.raises(RunnerError, match="cannot be executed here: Core ML runs on macOS only"):
            Worker("coreml", tmp_path, threads=1).__enter__()


def test_a_file_of_the_same_name_as_a_package_is_not_imported(
    tiny_onnx: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise RuntimeError('imported from the working folder')")
    monkeypatch.chdir(tmp_path)
    with worker_for(tiny_onnx) as worker:
        assert len(worker.run([(X,)])) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads the limits of a process in /proc")
def test_a_worker_may_not_take_more_memory_than_there_is(
    tiny_onnx: Path, memory_limit: Callable[[int | None], int]
) -> None:
    with worker_for(tiny_onnx) as worker:
        assert memory_limit(worker.pid) <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_onnx(tiny_onnx: Path, tmp_path: Path, how: str) -> None:
    content = tiny_onnx.read_bytes()
    new = {"empty": b"", "garbage": b"\xff" * 999, "cut to 40 bytes": content[:40], "last byte gone": content[:-1]}
    path = tmp_path / "damaged.onnx"
    path.write_bytes(new.get(how, content[: len(content) // 2]))
    refused(path)


def refused(path: Path) -> None:
    with pytest.raises(RunnerError) as caught, worker_for(path):
        pass
    assert path.name in caught.value.message
    assert "Traceback" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.slow
@pytest.mark.parametrize("how", ["garbage", "cut in half", "last byte gone"])
@pytest.mark.parametrize("kind", ["pt2", "pte"])
def test_damaged_files_are_refused(damaged: Callable[[str, str], Path], kind: str, how: str) -> None:
    refused(damaged(f"static.{kind}", how))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_parity_with_torch(artifacts, kind: str) -> None:
    with worker_for(artifacts[f"static.{kind}"], threads=2) as worker:
        ((output,),) = worker.run([(artifacts.sample,)])
        assert len(worker.time((artifacts.sample,), BRIEF).nanoseconds) == 5
        assert worker.peak_memory_bytes() is not None
    assert output.dtype == np.float32
    # one convolution and one matrix product of 256 terms: a few units in the last place
    np.testing.assert_allclose(output, artifacts.reference, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_dynamic_batch(artifacts, kind: str) -> None:
    five = np.concatenate([artifacts.sample] * 5)
    with worker_for(artifacts[f"dynamic.{kind}"]) as worker:
        outputs = worker.run([(artifacts.sample,), (five,), (artifacts.sample,)])
        if kind != "onnx":  # ONNX files carry no bounds
            with pytest.raises(RunnerError, match=r"given float32 \[9, 1, 8, 8\]"):
                worker.run([(np.zeros((9, 1, 8, 8), np.float32),)])
    assert [one.shape for (one,) in outputs] == [(1, 10), (5, 10), (1, 10)]
    np.testing.assert_allclose(outputs[1][0], np.repeat(artifacts.reference, 5, axis=0), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_missing_input_is_not_answered_with_the_last_output(artifacts) -> None:
    """Which is what the bare ExecuTorch runtime does."""
    with worker_for(artifacts["static.pte"]) as worker:
        worker.run([(artifacts.sample,)])
        with pytest.raises(RunnerError, match=r"takes 1 input\(s\) .*, given 0"):
            worker.run([()])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_flipped_bytes_in_a_pte_never_reach_the_caller(artifacts, tmp_path: Path, seed: int) -> None:
    """Such a file may load, be refused, or take its process down: the caller gets outputs or a RunnerError."""
    rng = np.random.default_rng(seed)
    content = bytearray(artifacts["static.pte"].read_bytes())
    for position in rng.integers(0, 2000, 8):  # where the program's tables are
        content[position] ^= 1 << int(rng.integers(8))
    path = tmp_path / "flipped.pte"
    path.write_bytes(content)
    try:
        with worker_for(path, timeout_s=60) as worker:
            worker.run([(artifacts.sample,)])
    except RunnerError as error:
        assert "flipped.pte" in error.message
        assert "Traceback" not in str(error)
