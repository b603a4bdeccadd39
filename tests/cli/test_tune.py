"""`mobilekit tune`: a small search from the command line, gone on with, refused, and stopped half-way."""

from __future__ import annotations

import re
import signal
import time

import pytest

from mobilekit import Bundle
from mobilekit.cli.tune import _fail
from mobilekit.environment import describe
from mobilekit.errors import VerificationFailed
from mobilekit.report.tuned import Trial, TuneResult

OUR_LINES = re.compile(r"(warning: .*|[^:]+(: [^:]+)?: \d+\.\d s(  .*)?)\Z")
SMALL = (
    *("tune", "digits_cnn", "-t", "onnx", "-q", "fp32", "-q", "int8", "--max-drop", "5", "--trials", "2"),
    *("--samples", "40", "--calibration-samples", "32", "--test-samples", "40", "--final-seconds", "0.1"),
)


@pytest.mark.slow
def test_a_search_ends_in_a_bundle_and_goes_on_when_it_is_asked_to(mobilekit) -> None:
    first = mobilekit(*SMALL, "--json", "-o", "out")
    assert first.code == 0, first.err
    assert [line for line in first.err.splitlines() if not OUR_LINES.match(line)] == []
    assert (first.json["format"], first.json["version"], first.json["met"]) == ("mobilekit-tune", 1, True)
    assert [one["scheme"] for one in first.json["trials"]] == ["fp32", "int8"]
    assert Bundle.load(mobilekit.folder / "out").manifest.artifacts[1].target == "onnx"
    found = {path.relative_to(mobilekit.folder).as_posix() for path in mobilekit.folder.glob("*/*")}
    assert {"tuning/digits_cnn.db", "tuning/digits_cnn.svg", "out/bundle.json"} <= found

    kept = mobilekit(*SMALL, "-o", "out")
    assert (kept.code, kept.out) == (2, "")
    assert "exists already" in kept.err
    other = mobilekit(*SMALL, "-o", "other", "--max-drop", "6")
    assert (other.code, other.out) == (2, "")
    assert "max drop was 5, now 6" in other.err
    again = mobilekit(*SMALL, "-o", "out", "--force")
    assert again.code == 0, again.err
    assert "trial " not in again.err, "both are there already"
    assert "Pareto front of time and accuracy, of 2 candidates:" in again.out
    assert "winner: onnx " in again.out
    assert again.out.isascii()


@pytest.mark.slow
def test_a_search_that_is_stopped_leaves_its_study_and_nothing_else(mobilekit) -> None:
    process = mobilekit.start(*SMALL, "--trials", "50")
    study = mobilekit.folder / "tuning" / "digits_cnn.db"
    deadline = time.monotonic() + 150
    while not (study.exists() and study.stat().st_size > 50_000) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    ended = mobilekit.end(process)
    assert (ended.code, ended.out) == (143, "")
    left = [path for path in mobilekit.folder.rglob("*") if path.is_file()]
    assert [path.name.partition("-")[0] for path in left] == ["digits_cnn.db"] * len(left), "with SQLite's own journal"


@pytest.mark.parametrize(
    ("code", "words", "says"),
    [
        (2, ("-t", "onnx", "-q", "palettize-4"), "nearest is int4-weight-only"),
        (2, ("--max-drop", "200"), "--max-drop"),
        (2, ("--objective", "speed"), "--objective"),
        (2, ("--plot", "front.gif"), "written as .svg or .png"),
        (2, ("--storage", "nosuch://h/d"), "no such kind of database"),
        (5, ("--storage", "postgresql://me:secret@127.0.0.1:1/d"), "***@127.0.0.1"),
        (2, ("--set", "observer=best"), "observer"),
        (2, ("-t", "onnx", "-q", "int8-qat"), "not trained for int8"),
    ],
)
def test_what_is_wrong_is_told_before_anything_takes_long(
    refused, code: int, words: tuple[str, ...], says: str
) -> None:
    ended = refused(code, "tune", "digits_cnn", *words, says=(says,))
    assert "secret" not in ended.err


def test_a_winner_beyond_the_budget_ends_with_1() -> None:
    trial = Trial(number=0, name="onnx int8", target="onnx", scheme="int8", plain=True)
    result = TuneResult(
        model="net",
        study="net",
        storage="s",
        objective="latency",
        max_drop=0.5,
        trials=(trial,),
        front=(),
        winner=trial,
        seconds=1,
        environment=describe(),
    )
    with pytest.raises(VerificationFailed, match=r"no candidate meets the budget of 0\.5 points"):
        _fail(result)
    _fail(result.model_copy(update={"winner": None}))
