"""Libraries' chatter is held back whatever way it takes, handed over, and nothing stays redirected."""

from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import sys
import textwrap
import warnings

import pytest

from mobilekit.quiet import Chatter, quiet


def run(body: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run `body` with stdout and stderr as pipes, where C's stdio buffers."""
    code = "import ctypes, logging, os, subprocess, sys, warnings\nfrom mobilekit.quiet import quiet\n"
    return subprocess.run(
        [sys.executable, "-c", code + textwrap.dedent(body)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, **environ},
    )


def test_every_kind_of_chatter_is_held_back_and_handed_over() -> None:
    done = run(
        """
        print("before")
        with quiet() as chatter:
            print("python out")
            print("python err", file=sys.stderr)
            os.write(1, b"descriptor out\\n")
            os.write(2, b"descriptor err\\n")
            ctypes.CDLL(None).printf(b"C out\\n")
            subprocess.run([sys.executable, "-c", "print('child out')"])
            logging.getLogger("lib").error("log record")
            warnings.warn("a warning")
        print("after")
        print(sorted(chatter.text.splitlines()))
        """
    )
    kinds = ["C out", "child out", "descriptor err", "descriptor out", "python err", "python out"]
    assert done.stdout == f"before\nafter\n{kinds}\n"
    assert done.stderr == ""


def test_what_c_code_printed_before_stays_outside() -> None:
    done = run(
        """
        ctypes.CDLL(None).printf(b"early\\n")
        with quiet() as chatter:
            pass
        assert chatter.text == ""
        """
    )
    assert done.stdout == "early\n"


def test_verbose_lets_everything_through() -> None:
    done = run("with quiet():\n    print('shown')", MOBILEKIT_VERBOSE="1")
    assert done.stdout == "shown\n"


def test_after_an_error_nothing_stays_redirected(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError), quiet() as chatter:
        print("inside")
        raise RuntimeError
    print("outside")
    ctypes.CDLL(None).fflush(None)
    assert capfd.readouterr().out == "outside\n"
    assert chatter.text == "inside\n"


def test_logging_and_warnings_are_as_before(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet(), quiet():
        pass
    assert logging.root.manager.disable == logging.NOTSET
    with pytest.warns(UserWarning, match="still heard"):
        warnings.warn("still heard", stacklevel=1)


def test_a_handler_that_a_library_gives_the_root_ends_with_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """`logging.warning` makes one where there is none, and it would write to a sink that is closed."""
    monkeypatch.setattr(logging.root, "handlers", [])
    before = logging.root.level
    with quiet():
        logging.warning("consider this")
        logging.root.setLevel(logging.DEBUG)
        assert logging.root.handlers
    assert logging.root.handlers == [] and logging.root.level == before


def test_no_descriptor_is_left_open() -> None:
    with quiet():
        pass
    probe = os.open(os.devnull, os.O_RDONLY)
    os.close(probe)
    for _ in range(3):
        with quiet():
            print("x")
    again = os.open(os.devnull, os.O_RDONLY)
    os.close(again)
    assert again == probe


def test_the_tail_is_the_last_lines_that_say_something() -> None:
    assert Chatter("a\n\nb\n \nc\n").tail(2) == "b\nc"
    assert Chatter("").tail() == ""


def test_a_full_disk_for_chatter_does_not_fail_the_library() -> None:
    done = run(
        """
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        with quiet() as chatter:
            print("x" * 1000)
            print("y" * 1000)
        print("went on", len(chatter.text))
        """
    )
    assert done.stdout == "went on 100\n"
