"""Front: what a search tried as a chart: cost against accuracy, the Pareto front, the budget and the winner.

Refuses file kinds other than SVG and PNG.
"""

from __future__ import annotations

import io
from pathlib import Path

from mobilekit.errors import UsageError
from mobilekit.files import storage_errors, write_atomically
from mobilekit.quiet import quiet
from mobilekit.report.tuned import Trial, TuneResult

KINDS = (".svg", ".png")
_COLOURS = ("#1f6fb2", "#d1702b", "#3a8f4d", "#8a4fa3", "#666666")
_ROOM = 1.15


def check_kind(path: Path) -> None:
    """Raise UsageError for a file name that says no kind that is written."""
    if path.suffix.lower() not in KINDS:
        raise UsageError(f"{path}: a chart is written as {' or '.join(KINDS)}", hint="--plot front.svg")


def write_front(result: TuneResult, path: Path) -> None:
    """Draw it, replacing an older one. Raises UsageError and StorageError."""
    check_kind(path)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, _drawn(result, path.suffix.lower().removeprefix(".")))


def _drawn(result: TuneResult, kind: str) -> bytes:
    with quiet():
        import matplotlib as mpl
        from matplotlib.figure import Figure

        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "mobilekit"}):
            figure = Figure(figsize=(8, 5), layout="constrained")
            _fill(figure.subplots(), result)
            stream = io.BytesIO()
            figure.savefig(stream, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    return stream.getvalue()


def _fill(axes: object, result: TuneResult) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    shown = [(one, x, one.loss.drop_points) for one in result.trials if one.loss and (x := _across(one, result))]
    variants = list(dict.fromkeys(f"{one.target} {one.scheme}" for one, _, _ in shown))
    for index, variant in enumerate(variants):
        points = [(x, y, one.plain) for one, x, y in shown if f"{one.target} {one.scheme}" == variant]
        axes.scatter(
            [x for x, _, _ in points],
            [y for _, y, _ in points],
            s=[80 if plain else 36 for _, _, plain in points],
            color=_COLOURS[index % len(_COLOURS)],
            marker="os^Dv"[index // len(_COLOURS) % 5],
            alpha=0.75,
            label=variant,
        )
    best = [(x, y) for one, x, y in shown if one.number in result.front]
    if best:
        axes.step(*zip(*sorted(best), strict=True), where="post", color="#222222", linewidth=1, label="Pareto front")
    axes.axhline(result.max_drop, color="#b3261e", linestyle="--", linewidth=1, label=f"budget {result.max_drop:g}")
    if result.winner is not None and result.winner.loss and (x := _across(result.winner, result)):
        axes.scatter(
            [x], [result.winner.loss.drop_points], s=260, facecolors="none", edgecolors="#b3261e", linewidths=2
        )
        axes.annotate("winner", (x, result.winner.loss.drop_points), (8, 8), textcoords="offset points")
    worst = max([result.max_drop, *(y for _, _, y in shown)])
    if worst > 10 * max(1.0, result.max_drop):
        axes.set_yscale("symlog", linthresh=max(1.0, 2 * result.max_drop))
    axes.set_xlabel("megabytes" if result.objective == "size" else "time of a call, plain float = 1")
    axes.set_ylabel("points lost on held-back samples")
    axes.set_xlim(0, _ROOM * max((x for _, x, _ in shown), default=1.0))
    axes.set_title(f"{result.model}: {len(shown)} candidates measured", fontsize=11)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="upper right", ncols=2)


def _across(one: Trial, result: TuneResult) -> float | None:
    cost = one.cost(result.objective)
    return cost / 1e6 if cost is not None and result.objective == "size" else cost
