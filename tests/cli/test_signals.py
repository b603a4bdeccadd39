"""Ctrl-C, SIGTERM and kill -9 at several moments: no half bundle, no trace, no process left."""

from __future__ import annotations

import os
import signal
import subprocess
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow
EXPORT = ("export", "net.py:build", "-i", "1,4", "-t", "onnx", "-q", "fp32", "--no-bench", "-o", "out")
WAITS = """
    import time
    from pathlib import Path
    from torch import nn

    def build():
        Path("building").touch()
        while not Path("go").exists():
            time.sleep(0.05)
        return nn.Linear(4, 3)
"""
SWALLOWS = """
    import time
    from pathlib import Path
    from torch import nn

    def build():
        Path("building").touch()
        try:
            time.sleep(60)
        except:
            pass
        return nn.Linear(4, 3)
"""

IN_TEXT = """
    from torch import nn

    def build():
        exec("import pathlib, time; pathlib.Path('building').touch(); time.sleep(60)")
        return nn.Linear(4, 3)
"""


def until(happened: Callable[[], object], process: subprocess.Popen[str], seconds: float = 90) -> None:
    """Wait for something that the running command does."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def workers(process: subprocess.Popen[str], module: str = "mobilekit.runners.worker") -> list[psutil.Process]:
    """The processes that run artifacts for `process`."""
    try:
        children = psutil.Process(process.pid).children(recursive=True)
        return [child for child in children if module in child.cmdline()]
    except psutil.Error:
        return []


def staging(folder: Path) -> Iterator[Path]:
    return folder.glob(".out.partial-*")


def stop(process: subprocess.Popen[str], number: signal.Signals) -> None:
    os.killpg(process.pid, number)  # as a terminal does


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, ""), (signal.SIGHUP, 143, "")],
)
def test_while_the_users_code_runs(mobilekit, net, number: signal.Signals, code: int, said: str) -> None:
    net(WAITS)
    process = mobilekit.start(*EXPORT)
    until((mobilekit.folder / "building").exists, process)
    assert list(staging(mobilekit.folder))
    stop(process, number)
    ended = mobilekit.end(process, timeout=30)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err
    assert sorted(path.name for path in mobilekit.folder.iterdir() if path.name != "__pycache__") == [
        "building",
        "net.py",
    ]


def interrupted_while_building(mobilekit, delay: float):
    """How an export ends that is interrupted `delay` seconds after its model has begun to be built, and may go on."""
    process = mobilekit.start(*EXPORT)
    until((mobilekit.folder / "building").exists, process)
    (mobilekit.folder / "go").touch()
    time.sleep(delay)
    stop(process, signal.SIGINT)
    return mobilekit.end(process, timeout=60)


def test_a_library_that_swallows_it_does_not_win(mobilekit, net) -> None:
    net(SWALLOWS)
    ended = interrupted_while_building(mobilekit, 0.5)
    assert ended.code == 130
    assert not (mobilekit.folder / "out").exists()


def test_while_a_text_is_executed_as_libraries_do(mobilekit, net) -> None:
    net(IN_TEXT)
    ended = interrupted_while_building(mobilekit, 0.5)
    assert (ended.code, ended.out) == (130, ""), ended.err


@pytest.mark.parametrize("delay", [0.5, 2.5])
def test_while_torch_and_the_lowering_run(mobilekit, net, delay: float) -> None:
    """From the moment that torch is there, at different distances: in capture, in lowering, between them."""
    net(WAITS)
    ended = interrupted_while_building(mobilekit, delay)
    assert (ended.code, ended.out) == (130, ""), ended.err
    assert not (mobilekit.folder / "out").exists()


def test_while_a_worker_runs(mobilekit, net) -> None:
    net()
    process = mobilekit.start(*EXPORT)
    until(lambda: workers(process), process)
    children = workers(process)
    time.sleep(1)
    stop(process, signal.SIGINT)
    ended = mobilekit.end(process, timeout=30)
    assert ended.code == 130
    assert not (mobilekit.folder / "out").exists()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


def test_killed_it_leaves_no_bundle_and_no_process_and_the_next_export_sweeps(mobilekit, net) -> None:
    net()
    process = mobilekit.start(*EXPORT)
    until(lambda: workers(process), process)
    children = workers(process)
    process.kill()
    process.communicate()
    assert not (mobilekit.folder / "out").exists()
    assert len(list(staging(mobilekit.folder))) == 1
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
    ended = mobilekit(*EXPORT)
    assert ended.code == 0, ended.err
    assert (mobilekit.folder / "out" / "bundle.json").exists()
    assert list(staging(mobilekit.folder)) == []


def test_of_two_exports_to_one_output_one_wins(mobilekit, net) -> None:
    net(WAITS)
    first, second = mobilekit.start(*EXPORT), mobilekit.start(*EXPORT)
    until(lambda: len(list(staging(mobilekit.folder))) == 2, second)
    (mobilekit.folder / "go").touch()
    printed = [process.communicate(timeout=200) for process in (first, second)]
    assert sorted((first.returncode, second.returncode)) == [0, 2], printed
    loser = printed[0 if first.returncode else 1]
    assert "out exists already; nothing was written" in loser[1]
    assert loser[0] == ""
    assert list(staging(mobilekit.folder)) == []
    assert mobilekit("verify", "out").code == 0


def test_forced_it_replaces_only_when_it_is_complete(mobilekit, net) -> None:
    net(WAITS)
    old = mobilekit.folder / "out"
    old.mkdir()
    (old / "old.txt").write_text("old")
    process = mobilekit.start(*EXPORT, "--force")
    until((mobilekit.folder / "building").exists, process)
    assert (old / "old.txt").exists()
    stop(process, signal.SIGINT)
    assert mobilekit.end(process).code == 130
    assert (old / "old.txt").read_text() == "old"
    (mobilekit.folder / "go").touch()
    assert mobilekit(*EXPORT, "--force").code == 0
    assert not (old / "old.txt").exists()
    assert (old / "bundle.json").exists()


def test_ctrl_c_in_training_leaves_a_run_that_exports(mobilekit) -> None:
    process = mobilekit.start("train", "mlp", "--epochs", "100000", "-o", "run")
    metrics = mobilekit.folder / "run" / "metrics.jsonl"
    until(lambda: metrics.exists() and metrics.read_text().count("\n") > 3, process)
    stop(process, signal.SIGINT)
    ended = mobilekit.end(process, timeout=30)
    assert (ended.code, ended.out) == (130, "")
    assert "are kept: mobilekit export ./run" in ended.err
    exported = mobilekit("export", "run", "-t", "onnx", "-q", "fp32", "--no-bench", "-o", "out", "--json")
    assert exported.code == 0, exported.err
    assert exported.json["model"]["trained"] is True
    assert exported.json["results"][0]["row"]["top1_percent"] is not None


def test_quiet_gives_the_screen_back(tmp_path: Path) -> None:
    """Ctrl-C in the middle of a library's chatter: what is printed afterwards is seen."""
    code = textwrap.dedent("""
        import os, signal
        from mobilekit.cli import signals
        from mobilekit.quiet import quiet
        signals.listen()
        try:
            with quiet():
                print("chatter")
                os.write(2, b"more chatter")
                os.kill(os.getpid(), signal.SIGINT)
                print("never")
        except KeyboardInterrupt:
            print("seen")
            os.write(2, b"seen too")
    """)
    import sys

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert (done.stdout, done.stderr) == ("seen\n", "seen too")


def test_while_an_artifact_is_measured(mobilekit) -> None:
    """The tracer's process and the folder that it may write to go with the command."""
    artifact = Path(__file__).parents[1] / "golden" / "artifacts" / "tiny.pt2"
    process = mobilekit.start("inspect", str(artifact), "--measure")
    until(lambda: workers(process, "mobilekit.inspection.tracer"), process)
    tracers = workers(process, "mobilekit.inspection.tracer")
    stop(process, signal.SIGINT)
    ended = mobilekit.end(process, timeout=30)
    assert (ended.code, ended.out) == (130, "")
    assert tracers and not any(one.is_running() for one in tracers)
