"""Charts: accuracy against latency as inline SVG, and the lengths of bars. Colours come from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from mobilekit.bundle.manifest import Artifact, Manifest
from mobilekit.inspection.summary import size_text
from mobilekit.report.table import REFERENCE, figure, is_quantized
from mobilekit.report.verdict import share_interval

_PALETTE = 5
"""Colours in the style sheet, .c0 to .c4; c0 is eager's."""
_LETTER = 6.6


@dataclass(frozen=True)
class Point:
    """One artifact on the chart, with its bars of uncertainty: low, value, high."""

    label: str
    colour: int
    quantized: bool
    x: tuple[float, float, float]
    y: tuple[float, float, float]


@dataclass(frozen=True)
class Bar:
    """One line of a bar chart, lengths in percent of the widest. `low` and `high` are the whisker."""

    label: str
    colour: int
    percent: float
    text: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Scatter:
    """What is drawn: the points, and what the vertical axis says."""

    points: tuple[Point, ...]
    y_title: str
    y_is_share: bool


def colours(manifest: Manifest) -> dict[str, int]:
    """A colour of the style sheet for each target, eager's first."""
    targets = sorted({one.target for one in manifest.artifacts}, key=lambda name: (name != REFERENCE, name))
    return {name: min(index, _PALETTE - 1) for index, name in enumerate(targets)}


def scatter(manifest: Manifest) -> Scatter | None:
    """Top-1 against latency; SQNR where there are no labels. None when less than two artifacts have both figures."""
    measured = [
        (one, one.verification.metrics, one.benchmark.latency)
        for one in manifest.artifacts
        if one.verification and one.verification.metrics and one.benchmark and one.benchmark.latency
    ]
    share = any(metrics.top1 is not None for _, metrics, _ in measured)
    by_target, points = colours(manifest), []
    for one, metrics, latency in measured:
        if share and metrics.top1 is not None:
            low, high = share_interval(metrics.top1, metrics.samples)
            y = (100 * low, 100 * metrics.top1, 100 * high)
        elif not share and metrics.sqnr_db is not None:
            y = (metrics.sqnr_db,) * 3
        else:
            continue
        x = (min(latency.min_ms, latency.median_ms), latency.median_ms, max(latency.p90_ms, latency.median_ms))
        points.append(Point(f"{one.target} {one.scheme}", by_target[one.target], is_quantized(one.scheme), x, y))
    title = "top-1, %" if share else "SQNR against eager, dB"
    return Scatter(tuple(points), title, share) if len(points) > 1 else None


def scatter_svg(chart: Scatter, width: int, height: int) -> str:
    """The chart; milliseconds run logarithmically where they spread more than fivefold."""
    left, right, top, bottom = 58, 18, 34, 46
    xs = [value for point in chart.points for value in point.x if value > 0] or [1.0]
    ys = [value for point in chart.points for value in point.y]
    logarithmic = max(xs) > 5 * min(xs)
    x_low, x_high = _padded(min(xs), max(xs), logarithmic)
    y_low, y_high = _padded(min(ys), max(ys), False)
    if chart.y_is_share:
        y_low, y_high = max(0.0, y_low), min(100.0, y_high)

    def across(value: float) -> float:
        value, low, high = (
            (math.log(max(value, 1e-9)), math.log(x_low), math.log(x_high)) if logarithmic else (value, x_low, x_high)
        )
        return left + (value - low) / (high - low) * (width - left - right)

    def up(value: float) -> float:
        return height - bottom - (value - y_low) / (y_high - y_low) * (height - top - bottom)

    parts = [f'<text class="axis" x="{left - 44}" y="16">{escape(chart.y_title)}</text>']
    for tick in _ticks(y_low, y_high):
        at = up(tick)
        parts.append(f'<path class="grid" d="M{left} {at:.1f}H{width - right}"/>')
        parts.append(f'<text class="tick" x="{left - 8}" y="{at + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in _log_ticks(x_low, x_high) if logarithmic else _ticks(x_low, x_high):
        at = across(tick)
        parts.append(f'<path class="grid" d="M{at:.1f} {top}V{height - bottom}"/>')
        parts.append(f'<text class="tick" x="{at:.1f}" y="{height - bottom + 18}" text-anchor="middle">{tick:g}</text>')
    scale = "milliseconds, logarithmic" if logarithmic else "milliseconds"
    parts.append(
        f'<text class="axis" x="{width - right}" y="{height - 8}" text-anchor="end">{scale}; '
        "further left is faster</text>"
    )
    # Labels keep clear of each other and of the points.
    taken = [(across(one.x[1]) - 9, across(one.x[1]) + 9, up(one.y[1]) + 5) for one in chart.points]
    for point in sorted(chart.points, key=lambda one: one.x[1]):
        x, y = across(point.x[1]), up(point.y[1])
        low, high, bottom_y, top_y = across(point.x[0]), across(point.x[2]), up(point.y[0]), up(point.y[2])
        parts.append(f'<g class="c{point.colour}"><title>{escape(_tip(point))}</title>')
        parts.append(f'<path class="whisker" d="M{low:.1f} {y:.1f}H{high:.1f}M{x:.1f} {bottom_y:.1f}V{top_y:.1f}"/>')
        if point.quantized:
            parts.append(f'<path class="dot" d="M{x:.1f} {y - 8:.1f}l8 8l-8 8l-8 -8z"/>')
        else:
            parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="6.5"/>')
        label_x, label_y, anchor = _place(point.label, x, y, width - right, top, height - bottom, taken)
        parts.append(
            f'<text class="label" x="{label_x:.1f}" y="{label_y:.1f}" text-anchor="{anchor}">'
            f"{escape(point.label)}</text></g>"
        )
    name = escape(f"{chart.y_title} against milliseconds")
    start = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{name}" class="chart">'
    return f"{start}{''.join(parts)}</svg>"


def latency_bars(manifest: Manifest) -> tuple[Bar, ...]:
    """Median milliseconds, with a whisker from the fastest run to the one that nine tenths are faster than."""
    latencies = [(one, one.benchmark.latency) for one in _ordered(manifest) if one.benchmark and one.benchmark.latency]
    widest = max((max(latency.p90_ms, latency.median_ms) for _, latency in latencies), default=0.0) or 1.0
    by_target = colours(manifest)
    return tuple(
        Bar(
            label=f"{one.target} {one.scheme}",
            colour=by_target[one.target],
            percent=100 * latency.median_ms / widest,
            text=f"{figure(latency.median_ms)} ms",
            low=100 * min(latency.min_ms, latency.median_ms) / widest,
            high=100 * max(latency.p90_ms, latency.median_ms) / widest,
        )
        for one, latency in latencies
    )


def size_bars(manifest: Manifest) -> tuple[Bar, ...]:
    """Bytes on disk."""
    widest = max((one.bytes for one in manifest.artifacts), default=0) or 1
    by_target = colours(manifest)
    return tuple(
        Bar(
            f"{one.target} {one.scheme}",
            by_target[one.target],
            100 * one.bytes / widest,
            size_text(one.bytes),
        )
        for one in _ordered(manifest)
    )


def _ordered(manifest: Manifest) -> Sequence[Artifact]:
    return sorted(manifest.artifacts, key=lambda one: one.target != REFERENCE)


def _tip(point: Point) -> str:
    low, value, high = point.y
    spread = f" ({low:.2f} to {high:.2f})" if low != high else ""
    x = point.x
    return f"{point.label}: {value:.2f}{spread}; {figure(x[1])} ms ({figure(x[0])} to {figure(x[2])})"


def _padded(low: float, high: float, logarithmic: bool) -> tuple[float, float]:
    """The range with some room at both ends, never empty."""
    if logarithmic:
        return low / 1.4, high * 1.4
    room = 0.12 * (high - low) or max(abs(high) * 0.05, 0.5)
    return (max(low - room, low * 0.5 if low > 0 else low - room), high + room)


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    first = math.ceil(low / step)
    return [round((first + index) * step, 10) for index in range(12) if (first + index) * step <= high]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [
        round(factor * 10.0**power, 12)
        for power in decades
        for factor in ((1, 3) if len(decades) > 3 else (1, 2, 5))
        if low <= factor * 10.0**power <= high
    ]


def _place(
    label: str, x: float, y: float, right: float, top: float, bottom: float, taken: list[tuple[float, float, float]]
) -> tuple[float, float, str]:
    """Beside the point, on the side with room; moved up or down from labels that are there already."""
    length = len(label) * _LETTER
    anchor = "end" if x + 14 + length > right else "start"
    start = x - 14 - length if anchor == "end" else x + 14
    for offset in (-10, 20, -26, 36, -42, 52, -58, 68):
        at = y + offset
        if top <= at <= bottom and all(
            start + length < begin or start > end or abs(at - there) >= 15 for begin, end, there in taken
        ):
            break
    taken.append((start, start + length, at))
    return (x - 14 if anchor == "end" else x + 14), at, anchor
