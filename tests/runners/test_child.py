"""A child's end, silence and chatter, each as what it is; and nothing of it outlives its caller."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mobilekit.runners.child import Child, ChildEndedError, ChildSilentError, python

START = "import os, sys, time, signal, ctypes\nrequests, replies = int(sys.argv[-5]), int(sys.argv[-4])\n"


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Callable[[str], Child]]:
    """Start a child that runs this code."""
    open_ones: list[Child] = []

    def start(code: str) -> Child:
        (tmp_path / "fake_child.py").write_text(START + code)
        open_ones.append(Child(python("fake_child"), {"PYTHONPATH": str(tmp_path)}))
        return open_ones[-1]

    yield start
    for one in open_ones:
        one.close()


def test_lines_come_one_by_one(child) -> None:
    one = child("os.write(replies, b'first\\nsec'); os.write(replies, b'ond\\n'); time.sleep(60)")
    assert one.receive(30) == b"first"
    assert one.receive(30) == b"second"


def test_echo(child) -> None:
    one = child("while line := os.read(requests, 100): os.write(replies, line.upper())")
    one.send(b"hello\n")
    assert one.receive(30) == b"HELLO"


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed by signal 11 (SIGSEGV)"),
        ("os.abort()", "crashed by signal 6 (SIGABRT)"),
        ("sys.exit(3)", "ended by itself (exit code 3)"),
    ],
)
def test_an_end_is_told(child, code: str, ending: str) -> None:
    with pytest.raises(ChildEndedError) as caught:
        child(code).receive(30)
    assert str(caught.value) == ending


def test_a_request_to_a_dead_child_is_no_broken_pipe(child) -> None:
    one = child("os._exit(0)")
    with pytest.raises(ChildEndedError):
        one.receive(30)
    one.send(b"hello\n")
    with pytest.raises(ChildEndedError):
        one.receive(30)


def test_silence(child) -> None:
    one = child("time.sleep(60)")
    before = time.monotonic()
    with pytest.raises(ChildSilentError):
        one.receive(0.2)
    assert time.monotonic() - before < 5


def test_chatter_on_both_streams_is_kept_from_the_screen(child, capfd) -> None:
    one = child("print('to stdout', flush=True); os.write(2, b'to stderr\\n'); os.write(replies, b'x\\n')")
    one.receive(30)
    assert one.log_tail() == "to stdout\nto stderr"
    assert capfd.readouterr() == ("", "")


def test_the_log_tail_is_of_the_last_request(child) -> None:
    one = child(
        "os.write(2, b'old\\n'); os.write(replies, b'a\\n'); os.read(requests, 9)\n"
        "os.write(2, b'new\\n'); os.write(replies, b'b\\n')"
    )
    one.receive(30)
    one.send(b"go\n")
    one.receive(30)
    assert one.log_tail() == "new"


def test_closing_ends_it_and_what_it_started(child) -> None:
    one = child("pid = os.fork() or time.sleep(60); os.write(replies, b'%d\\n' % pid); time.sleep(60)")
    grandchild = int(one.receive(30))
    one.close()
    one.close()
    assert gone(one.pid)
    assert gone(grandchild)


CALLER = """
import sys, time
from pathlib import Path
from mobilekit.runners import Worker
with Worker("onnx", Path(sys.argv[1]), threads=1) as worker:
    print(worker.pid, flush=True)
    time.sleep(60)
"""


def test_a_killed_caller_leaves_nothing(tiny_onnx: Path, tmp_path: Path) -> None:
    variables = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", CALLER, str(tiny_onnx)], stdout=subprocess.PIPE, text=True, env=variables
    ) as caller:
        assert caller.stdout
        worker = int(caller.stdout.readline())
        assert not gone(worker, seconds=0)
        caller.kill()
    assert gone(worker)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere only a thread watches, which needs the interpreter's lock"
)
def test_it_ends_with_its_caller_even_while_c_code_holds_the_lock(child) -> None:
    one = child(
        "from mobilekit.runners.worker import end_with_caller\n"
        "end_with_caller(int(sys.argv[-3]))\n"
        "os.write(replies, b'asleep\\n')\n"
        "ctypes.PyDLL(None).sleep(60)\n"  # PyDLL keeps the lock
    )
    assert one.receive(60) == b"asleep"
    time.sleep(0.2)
    with Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), one._lifeline)  # closes the pipe's end and leaves close() a number to close
    assert one._process.wait(10) == -signal.SIGIO


def test_ctrl_c_reaches_only_the_caller(tiny_onnx: Path) -> None:
    code = CALLER.replace(
        "    print(worker.pid, flush=True)\n    time.sleep(60)",
        "    try: print(worker.pid, flush=True); time.sleep(60)\n"
        "    except KeyboardInterrupt: print(len(worker.run([])))",
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tiny_onnx)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a test run in the background has Ctrl-C ignored, and hands that on
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    ) as caller:
        assert caller.stdout
        worker = int(caller.stdout.readline())
        os.killpg(caller.pid, signal.SIGINT)
        out, err = caller.communicate(timeout=30)
    assert (out.strip(), err, caller.returncode) == ("0", "", 0)
    assert gone(worker)


def gone(pid: int, seconds: float = 10) -> bool:
    """Whether the process ended (or is a zombie that waits for its parent) within this time."""
    deadline = time.monotonic() + seconds
    while True:
        state = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout
        if not state.strip() or state.strip().startswith("Z"):
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)
