"""A run's report: report.md and the curves of its epochs as curves.png, from what the run folder itself says."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from mobilekit.files import write_atomically
from mobilekit.model.run import RunCard, load_run_card
from mobilekit.spec.train import TrainSpec
from mobilekit.train.metrics import EpochMetrics, read_metrics

CURVES, REPORT = "curves.png", "report.md"


def write_run_report(run: Path) -> None:
    """Write both into `run`. Raises UsageError when it is no run, DataError for damaged metrics, StorageError."""
    card, epochs = load_run_card(run), read_metrics(run)
    if epochs:
        write_atomically(run / CURVES, curves_png(epochs))
    write_atomically(run / REPORT, run_markdown(card, epochs))


def curves_png(epochs: Sequence[EpochMetrics]) -> bytes:
    """Loss, top-1 and learning rate over the epochs, side by side, as a PNG file."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure = Figure(figsize=(12, 3.6), layout="constrained")
    loss, top1, rate = figure.subplots(1, 3)
    at = [one.epoch for one in epochs]
    marker = "." if len(epochs) < 4 else None  # a line of one point is not seen
    loss.plot(at, [one.train_loss for one in epochs], label="train", marker=marker)
    loss.plot(at, [one.val_loss for one in epochs], label="validation", marker=marker)
    top1.plot(at, [one.train_top1 for one in epochs], label="train", marker=marker)
    top1.plot(at, [one.val_top1 for one in epochs], label="validation", marker=marker)
    rate.plot(at, [one.lr for one in epochs], color="tab:green", marker=marker)
    loss.set_title("loss")
    top1.set_title("top-1")
    loss.legend(frameon=False)
    top1.legend(frameon=False)
    rate.set_title("learning rate, last step of the epoch")
    loss.set_ylabel("cross-entropy (nats)")
    top1.yaxis.set_major_formatter(PercentFormatter(1.0))
    for drawn in (loss, top1, rate):
        drawn.set_xlabel("epoch")
        drawn.xaxis.set_major_locator(MaxNLocator(integer=True))
        drawn.grid(alpha=0.3)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100, metadata={"Software": None})
    return stream.getvalue()


def run_markdown(card: RunCard, epochs: Sequence[EpochMetrics]) -> str:
    """What was trained, what it reached and how, in Markdown."""
    lines = [f"# {card.recipe_name}, trained on {card.data}", "", *_figures(card, epochs), ""]
    if epochs:
        lines += [f"![loss, top-1 and learning rate over the epochs]({CURVES})", ""]
    if card.train is not None:
        lines += ["## Options that differ from the defaults", "", *_options(card.train), ""]
    machine, packages = card.environment.machine, card.environment.packages
    lines += [
        "## Evidence",
        "",
        f"- {machine.processor}, {machine.cores} cores, {machine.system}; device {card.device}, "
        f"{card.processes} process(es)",
        f"- Python {card.environment.python}, mobilekit {card.environment.mobilekit}, "
        f"torch {packages.get('torch', '?')}",
        f"- begun {card.created}, taken up again {card.resumed} time(s)",
    ]
    return "\n".join(lines) + "\n"


def _figures(card: RunCard, epochs: Sequence[EpochMetrics]) -> list[str]:
    rows = [
        ("status", card.status),
        ("epochs", f"{card.epochs_done} of {card.epochs_planned}"),
        ("best epoch", "-" if card.best_epoch is None else str(card.best_epoch)),
        ("validation top-1", _share(card.val_top1, card.val_samples)),
        ("test top-1 (best weights, measured once)", _share(card.test_top1, card.test_samples)),
        ("training samples", f"{card.train_samples:,}" if card.train_samples else "-"),
        ("time", "-" if card.seconds is None else f"{card.seconds:,.0f} s"),
        ("samples per second (median of epochs)", _median([one.images_per_second for one in epochs])),
        ("seed", str(card.seed)),
    ]
    return ["| | |", "|-|-|", *(f"| {name} | {value} |" for name, value in rows)]


def _share(top1: float | None, samples: int | None) -> str:
    return "not measured" if top1 is None else f"{top1:.2%} of {samples:,}"


def _median(values: Sequence[float]) -> str:
    return f"{sorted(values)[len(values) // 2]:,.0f}" if values else "-"


def _options(spec: TrainSpec) -> list[str]:
    given = spec.model_dump(exclude_defaults=True)
    augment = given.pop("augment", {})
    pairs = [*given.items(), *((f"augment.{name}", value) for name, value in augment.items())]
    return [f"- `{name} = {value}`" for name, value in pairs] or ["- none"]
