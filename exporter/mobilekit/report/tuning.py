"""Tuning: what a search came to, for the terminal: the front, the finals and the winner in sentences. ASCII only."""

from __future__ import annotations

from rich.console import Console

from mobilekit.inspection.summary import size_text
from mobilekit.report.table import figure, plain_table
from mobilekit.report.tuned import Finalist, Trial, TuneResult

FRONT = ("trial", "candidate", "time", "ms", "size", "points lost", "top-1 %", "within budget")
FINALS = ("trial", "finalist", "ms", "against best plain [95 %]", "size", "points lost", "verdict")


def print_tuning(result: TuneResult, console: Console) -> None:
    """The Pareto front, the finalists, and the end in a few sentences."""
    on_front = [one for one in result.trials if one.number in result.front]
    cost = "size" if result.objective == "size" else "time"
    on_front.sort(key=lambda one: one.cost(result.objective) or 0.0)
    rows = [_front_cells(one, result.max_drop) for one in on_front]
    lines = [
        f"Pareto front of {cost} and accuracy, of {_counted(result)}:",
        plain_table(FRONT, rows, left=frozenset({1, 7})),
        "",
    ]
    if result.finalists:
        finals = [_final_cells(one) for one in result.finalists]
        lines += ["finals, all in turns on this machine:", plain_table(FINALS, finals, left=frozenset({1, 6})), ""]
    lines += [f"note: {note}" for note in result.notes]
    lines += [sentence(result)]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def sentence(result: TuneResult) -> str:
    """Who won, by how much, and what test data says of it."""
    won = result.winner
    if won is None:
        return f"{_counted(result)} in study {result.study}; nothing was chosen"
    budget = f"the budget of {result.max_drop:g} points"
    name = f"winner: {won.name}" if result.met else f"nothing meets {budget}; the most accurate is {won.name}"
    parts = [name, *_gain(result)]
    if won.loss is not None:
        parts.append(f"{_points(won.loss.drop_points)} on {won.loss.samples} held-back samples")
    if result.test is not None:
        parts.append(f"{_points(result.test.drop_points)} on {result.test.samples} test samples")
    return "; ".join(parts)


def over_budget(result: TuneResult) -> str | None:
    """Why the winner is not what was asked for; None when it is."""
    budget = f"the budget of {result.max_drop:g} points"
    if result.winner is None:
        return None
    if not result.met:
        return f"no candidate meets {budget} on the held-back samples"
    if result.test is not None and result.test.drop_points > result.max_drop + 1e-9:
        return (
            f"{budget} was met on {result.winner.loss.samples if result.winner.loss else 0} held-back samples, and "
            f"{result.test.drop_points:.2f} points are lost on {result.test.samples} test samples"
        )
    return None


def _gain(result: TuneResult) -> list[str]:
    mine = next((one for one in result.finalists if one.trial == result.winner), None)
    plain = [one for one in result.finalists if one.trial.plain and one.trial.within(result.max_drop)]
    if mine is None or result.objective == "size" or not plain:
        return []
    if mine.trial.plain:
        return ["nothing was surely faster"]
    if mine.against_plain is None:
        return []
    return [f"{1 / mine.against_plain:.2f} times as fast as the best plain one"]


def _points(drop: float) -> str:
    return f"loses {drop:.2f} points" if drop > 0 else f"gains {-drop:.2f} points" if drop < 0 else "loses nothing"


def _counted(result: TuneResult) -> str:
    failed = sum(one.error is not None for one in result.trials)
    text = f"{len(result.trials)} candidate{'s' if len(result.trials) != 1 else ''}"
    return text + (f" ({failed} could not be made or run)" if failed else "")


def _front_cells(one: Trial, max_drop: float) -> tuple[str, ...]:
    assert one.pace is not None and one.loss is not None
    return (
        "-" if one.number is None else str(one.number),
        one.name,
        f"{one.pace.ratio:.2f}x",
        figure(one.pace.median_ms),
        size_text(one.bytes or 0),
        f"{one.loss.drop_points:.2f}",
        "-" if one.loss.top1 is None else f"{100 * one.loss.top1:.2f}",
        "yes" if one.within(max_drop) else "no",
    )


def _final_cells(one: Finalist) -> tuple[str, ...]:
    against = "-"
    if one.against_plain is not None:
        ends = one.against_plain_ci
        against = f"{one.against_plain:.3f}x" + (f" [{ends.low:.3f}, {ends.high:.3f}]" if ends else " [?]")
    return (
        "-" if one.trial.number is None else str(one.trial.number),
        one.trial.name,
        figure(one.median_ms),
        against,
        size_text(one.trial.bytes or 0),
        "-" if one.trial.loss is None else f"{one.trial.loss.drop_points:.2f}",
        one.verdict,
    )
