"""Terminal: the result table on a screen; plain aligned text where there is none. ASCII only, whatever the encoding.

rich draws the table and honours NO_COLOR. A table that does not fit is stacked (ratios below their figures, statuses
wrapped), and on a very narrow screen becomes one sentence per artifact: no figure and no status is ever cut off.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mobilekit.bundle.manifest import Manifest
from mobilekit.report.caveats import caveats
from mobilekit.report.instructions import instructions_text
from mobilekit.report.table import Row, batch_of, figure, percent, plain_table, points, ratio, result_rows, sqnr
from mobilekit.report.verdict import verdicts

COLUMNS = ("target", "precision", "top-1 % (change)", "SQNR dB", "median ms (ratio)", "MB (ratio)", "status")
_LEFT = frozenset({0, 1, 6})
_NARROWEST_STATUS = 14
_USUAL_RUNNERS = {"eager", "pte", "onnx", "coreml"}
_JUDGED = {"pays": "green", "failed": "bold red", "does not pay": "bold red"}
_STYLES = {"passed": "green", "failed": "bold red", "reference": "dim"}


def print_results(manifest: Manifest, console: Console) -> None:
    """The result table, whether each artifact is worth shipping, what the figures rest on, and the caveats."""
    rows = result_rows(manifest)
    if console.is_terminal:
        console.print(results_table(rows, console.width))
    else:
        cells = [_cells(row) for row in rows]
        _plain(console, plain_table(COLUMNS, cells, left=_LEFT) + "\n")
    counted = instructions_text(manifest, console.width if console.is_terminal else None)
    if counted is not None:
        _plain(console, counted + "\n")
    for one in verdicts(manifest):
        if one.kind != "reference":
            kind = (one.kind, _JUDGED.get(one.kind, "yellow"))
            text = Text.assemble(f"{one.target} {one.precision}: ", kind, f". {one.words}")
            console.print(text, soft_wrap=not console.is_terminal)
    _plain(console, "\n" + evidence(manifest))
    for caveat in caveats(manifest):
        console.print(Text.assemble(("warning: ", "bold yellow"), caveat), soft_wrap=not console.is_terminal)


def results_table(rows: tuple[Row, ...], width: int) -> Table | Text:
    """The rows as they fit into `width` columns."""
    cells = [_cells(row) for row in rows]
    gaps = 2 * (len(COLUMNS) - 1)
    if _width(COLUMNS, *cells) + gaps <= width:
        return _table(COLUMNS, cells, rows)
    headers, stacked = _stacked(COLUMNS), [_stacked(one[:-1]) for one in cells]
    if _width(headers[:-1], *stacked) + gaps + _NARROWEST_STATUS <= width:
        texts = [(*one, row.status) for one, row in zip(stacked, rows, strict=True)]
        return _table(headers, texts, rows)
    return Text("\n").join(_sentence(row) for row in rows)


def _table(headers: Sequence[str], cells: Sequence[Sequence[str]], rows: Sequence[Row]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False, expand=False)
    for index, header in enumerate(headers):
        table.add_column(
            header,
            justify="left" if index in _LEFT else "right",
            no_wrap=header != "status",
            overflow="fold",
        )
    for texts, row in zip(cells, rows, strict=True):
        style = _STYLES.get(row.outcome, "yellow")
        table.add_row(*(Text(text) for text in texts[:-1]), Text(texts[-1], style=style))
    return table


def _width(*lines: Sequence[str]) -> int:
    """Columns that all lines need together, without gaps."""
    return sum(max(len(part) for cell in column for part in cell.split("\n")) for column in zip(*lines, strict=True))


def _stacked(cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(cell.replace(" (", "\n(") for cell in cells)


def _sentence(row: Row) -> Text:
    """`xnnpack int8: passed; top-1 % 97.22 (-0.28), SQNR dB 31.3, ...`, without what was not measured."""
    names = [column.split(" (")[0] for column in COLUMNS[2:-1]]
    figures = ", ".join(f"{name} {cell}" for name, cell in zip(names, _cells(row)[2:-1], strict=True) if cell != "-")
    text = Text(f"{row.target} {row.precision}: ")
    return text + Text(row.status, style=_STYLES.get(row.outcome, "yellow")) + Text(f"; {figures}")


def evidence(manifest: Manifest) -> str:
    """One line: how much was measured, how, and where."""
    parts = []
    if manifest.test_data:
        data = manifest.test_data
        parts.append(f"{data.samples} {'random' if data.generated else f'{data.source} {data.split}'} samples")
    latencies = [one.benchmark.latency for one in manifest.artifacts if one.benchmark and one.benchmark.latency]
    if latencies:
        runs = sorted({latency.n for latency in latencies})
        threads = sorted({latency.threads for latency in latencies})
        span = f"{runs[0]} to {runs[-1]}" if len(runs) > 1 else str(runs[0])
        parts.append(
            f"median of {span} runs at batch {batch_of(manifest)}, {'/'.join(map(str, threads))} thread(s), "
            "a process for each"
        )
    taken = (one for artifact in manifest.artifacts for one in (artifact.verification, artifact.benchmark) if one)
    unusual = sorted({one.runner for one in taken if one.runner} - _USUAL_RUNNERS)
    if unusual:
        parts.append(f"ExecuTorch run by {', '.join(unusual)}")
    machine = manifest.environment.machine
    parts.append(f"{machine.processor}, {machine.system}")
    return "Ratios are to eager PyTorch. " + "; ".join(parts) + "."


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.target,
        row.precision,
        _with(percent(row.top1_percent), points(row.top1_change_points)),
        sqnr(row),
        _with(figure(row.median_ms), ratio(row.latency_ratio)),
        _with(figure(row.megabytes), ratio(row.size_ratio)),
        row.status,
    )


def _with(value: str, aside: str) -> str:
    """`4.81 (0.24x)`, without the aside when there is none."""
    return value if aside == "-" else f"{value} ({aside})"


def _plain(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=not console.is_terminal)
