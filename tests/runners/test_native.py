"""The C++ runner: the Python binding's outputs to the bit, its refusals in the same words, every ending told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mobilekit.bundle.etdump import read_etdump
from mobilekit.errors import RunnerError
from mobilekit.quiet import quiet
from mobilekit.runners import Effort, FedState, Feed, Worker, runner
from mobilekit.runners.base import OwnProgram
from mobilekit.runners.child import Child

pytestmark = pytest.mark.slow
BRIEF = Effort(warmup=2, min_runs=7, min_seconds=0, max_runs=7)
DTYPES = ["uint8", "int8", "int16", "int32", "int64", "float16", "float64", "bool", "uint16", "complex64"]


def outputs(name: str, path: Path, batches: list[tuple[np.ndarray, ...]], feed: Feed | None = None) -> list:
    with Worker(name, path, threads=1, timeout_s=60) as worker:
        return worker.run(batches, feed)


def same(one: list, other: list) -> bool:
    return [[(a.dtype, a.shape, a.tobytes()) for a in sample] for sample in one] == [
        [(a.dtype, a.shape, a.tobytes()) for a in sample] for sample in other
    ]


def test_outputs_equal_the_python_binding_to_the_bit(native: str, artifacts) -> None:
    samples = [(artifacts.sample * n,) for n in range(4)]
    assert same(outputs(native, artifacts["static.pte"], samples), outputs("pte", artifacts["static.pte"], samples))
    batches = [(np.concatenate([artifacts.sample] * n),) for n in (1, 5, 8, 2)]
    assert same(outputs(native, artifacts["dynamic.pte"], batches), outputs("pte", artifacts["dynamic.pte"], batches))


@pytest.mark.skipif(sys.platform != "linux", reason="reads the limits of a process in /proc")
def test_it_may_not_take_more_memory_than_there_is(
    native: str, artifacts, memory_limit: Callable[[int | None], int]
) -> None:
    with Worker(native, artifacts["static.pte"], threads=1) as worker:
        assert memory_limit(worker.pid) <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program outside of delegates: int64 and a piece of a sequence in; a state, int64 and bool out."""
    import torch
    from executorch.exir import to_edge_transform_and_lower

    class Mixed(torch.nn.Module):
        def forward(self, scale, piece, state):
            total = state + piece.sum(1)
            return total, scale * 3, total > 2.5

    path = tmp_path_factory.mktemp("mixed") / "mixed.pte"
    example = (torch.ones(3, dtype=torch.int64), torch.zeros(1, 2, 4), torch.zeros(1, 4))
    with quiet():
        path.write_bytes(to_edge_transform_and_lower(torch.export.export(Mixed(), example)).to_executorch().buffer)
    return path


def test_other_dtypes_and_a_stream_equal_the_python_binding(native: str, mixed: Path) -> None:
    scale = np.array([-1, 2, 1 << 40])
    piece = np.random.default_rng(0).standard_normal((1, 2, 4)).astype(np.float32)
    single = [(scale, piece, np.full((1, 4), 2.5, np.float32))]
    found = outputs(native, mixed, single)
    assert [one.dtype.name for one in found[0]] == ["float32", "int64", "bool"]
    assert same(found, outputs("pte", mixed, single))

    feed = Feed(sequence=1, axis=1, frames=2, states=(FedState(output=0, shape=(1, 4), dtype="float32", initial=0.5),))
    whole = [(scale, np.random.default_rng(1).standard_normal((1, 10, 4)).astype(np.float32))]
    fed = outputs(native, mixed, whole, feed)
    assert [one.shape for one in fed[0]] == [(5, 1, 4), (5, 3), (5, 1, 4)]
    assert same(fed, outputs("pte", mixed, whole, feed))
    with pytest.raises(RunnerError, match="9 frames cannot be fed in pieces of 2"):
        outputs(native, mixed, [(scale, whole[0][1][:, :9])], feed)


def test_an_array_in_fortran_order_arrives_as_it_is(native: str, artifacts) -> None:
    turned = np.asfortranarray(np.random.default_rng(2).standard_normal((1, 1, 8, 8)).astype(np.float32))
    turned = np.asfortranarray(turned.transpose(0, 1, 3, 2))
    assert same(
        outputs(native, artifacts["static.pte"], [(turned,)]), outputs("pte", artifacts["static.pte"], [(turned,)])
    )


MISFITS = {
    "dtype": (np.zeros((1, 1, 8, 8)),),
    "too large": (np.zeros((9, 1, 8, 8), np.float32),),
    "rank": (np.zeros((1, 8, 8), np.float32),),
    "none": (),
    "two": (np.zeros((1, 1, 8, 8), np.float32),) * 2,
}


def test_misfits_are_refused_in_the_python_runners_words(native: str, artifacts) -> None:
    said: dict[str, list[str]] = {}
    for name in (native, "pte"):
        with Worker(name, artifacts["dynamic.pte"], threads=1, timeout_s=60) as worker:
            for inputs in MISFITS.values():
                with pytest.raises(RunnerError, match="refused to run it") as caught:
                    worker.run([inputs])
                said.setdefault(name, []).append(caught.value.message)
                assert len(worker.run([(artifacts.sample,)])) == 1, "a refusal leaves it usable"
    assert said[native] == said["pte"]


def test_timing_and_memory(native: str, artifacts) -> None:
    with Worker(native, artifacts["static.pte"], threads=2, timeout_s=60) as worker:
        timing = worker.time((artifacts.sample,), BRIEF)
        assert worker.load_ms > 0
        assert (len(timing.nanoseconds), timing.warmup) == (7, 2)
        assert all(0 < one < 1e9 for one in timing.nanoseconds)
        memory = worker.peak_memory_bytes()
        with pytest.raises(RunnerError, match="counted by the emulator"):
            worker.count((artifacts.sample,), warmup=0, runs=1)
    if sys.platform == "linux":
        assert memory is not None
        assert 0 < memory < 100 << 20


def test_a_profile_is_of_every_run_and_tells_of_every_call(native: str) -> None:
    """The golden artifact: a convolution and a linear layer in delegates, a mean and a running sum outside."""
    path = Path(__file__).parents[1] / "golden" / "artifacts" / "tiny.pte"
    sample = (np.random.default_rng(0).standard_normal((2, 1, 8, 8)).astype(np.float32),)
    with Worker(native, path, threads=1, timeout_s=60) as worker:
        before = worker.run([sample])
        runs = read_etdump(worker.profile(sample, warmup=1, runs=3))
        assert len(runs) == 4
        for run in runs:
            assert [span.instruction for span in run if span.kind in ("kernel", "delegate")] == [0, 1, 2, 3]
            names = {span.name.partition(" (")[0] for span in run if span.kind == "inside"}
            assert names >= {"Convolution", "Fully Connected"}
            (whole,) = (span.nanoseconds for span in run if span.kind == "method")
            assert 0 < sum(span.nanoseconds for span in run if span.kind in ("kernel", "delegate")) <= whole
        assert len(read_etdump(worker.profile(sample, warmup=0, runs=1))) == 1, "nothing of the last one is left"
        assert same(worker.run([sample]), before), "what it runs otherwise is not traced and stays as it was"
        with pytest.raises(RunnerError, match=r"refused to profile it: .*given float64"):
            worker.profile((sample[0].astype(np.float64),), warmup=0, runs=1)


def test_a_file_that_is_damaged_before_it_is_profiled_is_refused(native: str, artifacts, tmp_path: Path) -> None:
    path = tmp_path / "model.pte"
    path.write_bytes(artifacts["static.pte"].read_bytes())
    with Worker(native, path, threads=1, timeout_s=60) as worker:
        path.unlink()  # what is loaded stays mapped
        path.write_bytes(artifacts["static.pte"].read_bytes()[:900])
        with pytest.raises(
            RunnerError, match=r"model\.pte: executorch refused to profile it: the program does not load"
        ):
            worker.profile((artifacts.sample,), warmup=0, runs=1)
        assert len(worker.run([(artifacts.sample,)])) == 1


@pytest.mark.parametrize("how", ["empty", "garbage", "cut to 40 bytes", "cut in half", "last byte gone"])
def test_damaged_files_are_refused(native: str, damaged: Callable[[str, str], Path], how: str) -> None:
    path = damaged("static.pte", how)
    with pytest.raises(RunnerError) as caught, Worker(native, path, threads=1, timeout_s=60):
        pass
    assert path.name in caught.value.message
    assert caught.value.hint


def test_flipped_bytes_never_reach_the_caller(native: str, artifacts, tmp_path: Path) -> None:
    """Such a file may load, be refused, or take its process down: the caller gets outputs or a RunnerError."""
    content, path = artifacts["static.pte"].read_bytes(), tmp_path / "flipped.pte"
    for seed in range(40):
        rng, flipped = np.random.default_rng(seed), bytearray(content)
        for position in rng.integers(0, 2000, 8):  # where the program's tables are
            flipped[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            with Worker(native, path, threads=1, timeout_s=20) as worker:
                worker.run([(artifacts.sample,)])
        except RunnerError as error:
            assert "flipped.pte" in error.message


def test_a_crash_and_a_hang_are_told(native: str, artifacts) -> None:
    with Worker(native, artifacts["static.pte"], threads=1, timeout_s=60) as worker:
        assert worker.pid
        os.kill(worker.pid, signal.SIGSEGV)
        with pytest.raises(RunnerError, match=r"crashed by signal 11 \(SIGSEGV\) when asked to run"):
            worker.run([(artifacts.sample,)])
    with Worker(native, artifacts["static.pte"], threads=1, timeout_s=60) as worker:
        assert worker.pid
        os.kill(worker.pid, signal.SIGSTOP)
        worker._timeout_s = 0.3
        with pytest.raises(RunnerError, match=r"did not run it within 0\.3 s and was stopped"):
            worker.run([(artifacts.sample,)])


CALLER = """
import sys, time
from pathlib import Path
from mobilekit.runners import Worker
with Worker("native", Path(sys.argv[1]), threads=1) as worker:
    print(worker.pid, flush=True)
    time.sleep(60)
"""


def test_it_ends_with_its_caller(native: str, artifacts) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CALLER, str(artifacts["static.pte"])], stdout=subprocess.PIPE, text=True
    ) as caller:
        assert caller.stdout
        pid = int(caller.stdout.readline())
        os.kill(pid, 0)
        caller.kill()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and alive(pid):
        time.sleep(0.05)
    assert not alive(pid)


def alive(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.strip().startswith("Z")


@pytest.fixture(scope="module")
def bare(native: str) -> Iterator[Child]:
    """The program with nothing loaded, to be sent anything."""
    chosen = runner(native)
    assert isinstance(chosen, OwnProgram)
    launch = chosen.launch(1)
    child = Child([*launch.command, "1"], launch.variables)
    assert json.loads(child.receive(30)) == {"kind": "ready"}
    yield child
    child.close()


def answer(child: Child, line: str) -> str:
    """Its refusal of a request."""
    child.send(line.encode() + b"\n")
    reply = json.loads(child.receive(30))
    assert reply["kind"] == "refused"
    return reply["message"]


many = settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"))  # U+0000 would end a C string
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@many
@given(text=texts, escaped=st.booleans())
def test_a_string_comes_through_its_reader_as_it_is(bare: Child, text: str, escaped: bool) -> None:
    assert answer(bare, json.dumps({"kind": text}, ensure_ascii=escaped)) in (
        f"unknown request {text}",
        # a kind that exists, without what belongs to it
        "request lacks artifact", "request lacks samples", "request lacks tensors",
    )  # fmt: skip


@many
@given(value=values, spaced=st.booleans())
def test_all_json_is_read_and_nothing_but_a_request_is_taken(bare: Child, value: object, spaced: bool) -> None:
    said = answer(bare, json.dumps(value, separators=(" , ", " : ") if spaced else (",", ":")))
    assert said.startswith(("request is not an object", "request lacks", "request.kind", "unknown request")) or (
        "too deep" in said
    )


@many
@given(line=st.text(st.sampled_from('{}[]",:\\ue+-.0123456789 nulltrfasdk')))
def test_what_python_does_not_read_as_json_it_does_not_either(bare: Child, line: str) -> None:
    said = answer(bare, line)
    try:
        json.loads(line)
    except ValueError:
        assert said.startswith("not JSON at byte")


def test_unknown_and_missing_fields(bare: Child) -> None:
    assert answer(bare, '{"kind":"memory","more":1}') == "request has an unknown field: more"
    assert answer(bare, '{"kind":"load","artifact":"x"}') == "request lacks threads"
    assert answer(bare, '{"kind":"load","artifact":"x","threads":"1"}') == "request.threads is of the wrong type"
    assert answer(bare, '{"kind":"load","artifact":"x","threads":0}') == "request.threads must be at least 1"
    assert answer(bare, '{"kind":"run","samples":1,"tensors":0,"feed":null}') == "no artifact is loaded"
    assert answer(bare, '{"kind":"profile","tensors":0,"warmup":0,"runs":0}') == "request.runs must be at least 1"
    assert answer(bare, '{"kind":"profile","tensors":0,"warmup":0,"runs":1}') == "no artifact is loaded"
    assert answer(bare, '{"kind":"a\\u0000b"}') == "not JSON at byte 16: U+0000 in a string"
    assert "beyond 18 digits" in answer(bare, '{"kind":1234567890123456789}')
    assert "twice" in answer(bare, '{"kind":"memory","kind":"memory"}')


@pytest.fixture(scope="module")
def loaded(native: str, artifacts) -> Iterator[Worker]:
    with Worker(native, artifacts["static.pte"], threads=1, timeout_s=60) as worker:
        yield worker


@many
@given(dtype=st.sampled_from(DTYPES), shape=st.lists(st.integers(0, 4), max_size=6))
def test_it_reads_what_numpy_writes(loaded: Worker, dtype: str, shape: list[int]) -> None:
    """What it was given, in its refusal: dtype and shape of any array."""
    with pytest.raises(RunnerError) as caught:
        loaded.run([(np.zeros(shape, dtype),)])
    given_as = {"uint16": "<u2", "complex64": "<c8"}.get(dtype, dtype)
    assert caught.value.message.endswith(f"given {given_as} {shape}")
