"""What is said and drawn of a search."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console

from mobilekit.bundle.manifest import Interval
from mobilekit.environment import describe
from mobilekit.errors import UsageError
from mobilekit.report.front import write_front
from mobilekit.report.tuned import Finalist, Loss, Outcome, Pace, Trial, TuneResult, front
from mobilekit.report.tuning import over_budget, print_tuning, sentence


def trial(number: int, ratio: float, drop: float, *, size: int = 1000, plain: bool = False, failed: str = "") -> Trial:
    return Trial(
        number=number,
        name=f"onnx int8, no. {number}",
        target="onnx",
        scheme="int8",
        plain=plain,
        bytes=size,
        sha256="0" * 64,
        pace=Pace(median_ms=2 * ratio, iqr_ms=0.1, n=100, reference_ms=2.0, ratio=ratio, threads=1, machine="m"),
        loss=Loss(samples=200, drop_points=drop, top1=0.9, top1_eager=0.91, failed_checks=(failed,) if failed else ()),
    )


BROKEN = Trial(number=9, name="onnx mixed", target="onnx", scheme="mixed", plain=False, error="no int8 form")
PLAIN, FASTER, ACCURATE = trial(0, 1.0, 0.0, plain=True), trial(1, 0.5, 0.4), trial(2, 0.7, 0.0)


def result(**changes: object) -> TuneResult:
    trials = (PLAIN, FASTER, ACCURATE, BROKEN)
    base = TuneResult(
        model="net",
        study="net",
        storage="sqlite:///net.db",
        objective="latency",
        max_drop=0.5,
        trials=trials,
        front=tuple(one.number for one in front(trials, "latency")),
        finalists=(
            Finalist(
                trial=FASTER,
                median_ms=1.0,
                iqr_ms=0.1,
                against_plain=0.5,
                against_plain_ci=Interval(low=0.48, high=0.52),
                sessions=9,
                verdict="winner: surely faster than the best plain one",
            ),
            Finalist(trial=PLAIN, median_ms=2.0, iqr_ms=0.1, verdict="plain"),
        ),
        winner=FASTER,
        met=True,
        test=Outcome(samples=1000, top1=0.9, top1_eager=0.904, drop_points=0.4),
        seconds=1,
        environment=describe(),
    )
    return base.model_copy(update=changes)


def shown(one: TuneResult) -> str:
    stream = io.StringIO()
    print_tuning(one, Console(file=stream, width=80))
    return stream.getvalue()


def test_the_front_is_what_nothing_beats_in_both() -> None:
    assert front((PLAIN, FASTER, ACCURATE, BROKEN), "latency") == (FASTER, ACCURATE)
    large, small = trial(0, 1, 0.0, size=9), trial(1, 9, 1.0, size=3)
    assert front((large, small), "size") == (small, large)
    assert front((), "latency") == front((BROKEN,), "size") == ()


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_all_others_are_beaten_by_one_of_the_front(figures: list[tuple[int, int]]) -> None:
    trials = [trial(number, float(cost), float(drop)) for number, (cost, drop) in enumerate(figures)]
    best = front(trials, "latency")
    for one in trials:
        cost, drop = figures[one.number or 0]
        beaten = [figures[other.number or 0] for other in best if other != one]
        assert (one in best) == all(a > cost or b > drop for a, b in beaten if (a, b) != (cost, drop)) or any(
            pair == (cost, drop) for pair in beaten
        )


def test_the_end_is_told_with_its_figures() -> None:
    text = shown(result())
    assert "Pareto front of time and accuracy, of 4 candidates (1 could not be made or run):" in text
    assert "0.500x [0.480, 0.520]" in text
    assert text.splitlines()[-1] == (
        "winner: onnx int8, no. 1; 2.00 times as fast as the best plain one; loses 0.40 points on 200 held-back "
        "samples; loses 0.40 points on 1000 test samples"
    )
    assert text.isascii()
    assert over_budget(result()) is None


def test_a_budget_that_nothing_meets_is_said() -> None:
    missed = result(met=False, max_drop=0.1, winner=FASTER)
    assert sentence(missed).startswith("nothing meets the budget of 0.1 points; the most accurate is onnx int8, no. 1")
    assert over_budget(missed) == "no candidate meets the budget of 0.1 points on the held-back samples"


def test_a_budget_that_test_data_breaks_is_said() -> None:
    broken = result(test=Outcome(samples=50, top1=0.8, top1_eager=0.9, drop_points=10.0))
    assert over_budget(broken) == (
        "the budget of 0.5 points was met on 200 held-back samples, and 10.00 points are lost on 50 test samples"
    )


def test_plain_may_win_and_a_search_may_choose_nothing() -> None:
    plain = result(winner=PLAIN, test=None)
    assert "nothing was surely faster" in sentence(plain)
    nothing = result(winner=None, finalists=(), test=None)
    assert sentence(nothing).endswith("in study net; nothing was chosen")
    assert over_budget(nothing) is None


def test_a_failed_threshold_is_beyond_every_budget() -> None:
    assert FASTER.within(0.5)
    assert FASTER.within(0.4)
    assert not FASTER.within(0.3)
    assert not trial(3, 0.1, 0.0, failed="sqnr_db").within(100)
    assert not BROKEN.within(100)


@pytest.mark.parametrize("objective", ["latency", "size"])
def test_the_chart_is_drawn_and_the_same_every_time(tmp_path: Path, objective: str) -> None:
    one = result(objective=objective)
    write_front(one, tmp_path / "new" / "front.svg")
    first = (tmp_path / "new" / "front.svg").read_bytes()
    write_front(one, tmp_path / "new" / "front.svg")
    assert (tmp_path / "new" / "front.svg").read_bytes() == first
    text = "".join(ElementTree.fromstring(first).itertext())
    assert all(word in text for word in ("winner", "Pareto front", "budget 0.5", "onnx int8"))
    write_front(one, tmp_path / "front.png")
    with Image.open(tmp_path / "front.png") as image:
        assert image.size[0] > 600


def test_a_chart_of_nothing_is_drawn_too(tmp_path: Path) -> None:
    write_front(result(trials=(BROKEN,), front=(), winner=None), tmp_path / "front.svg")
    assert (tmp_path / "front.svg").stat().st_size > 0


def test_another_kind_of_chart_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"written as \.svg or \.png"):
        write_front(result(), tmp_path / "front.gif")
    assert list(tmp_path.iterdir()) == []
