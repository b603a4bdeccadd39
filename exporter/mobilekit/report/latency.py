"""Latency: the timings of a bundle with their intervals, for the terminal. ASCII only, whatever the encoding."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from mobilekit.bundle.manifest import Artifact, Interval, Latency, Manifest
from mobilekit.report.table import figure, plain_table, ratio

COLUMNS = ("artifact", "threads", "batch", "median ms [95 %]", "p90", "p99", "n", "to eager [95 %]")
_COLD = ("artifact", "starts", "load ms", "first ms", "slowest start ms")


def print_latencies(manifest: Manifest, console: Console) -> None:
    """Every setting that was timed, cold starts, and how far apart equal copies came out, where they were."""
    cells = [_cells(one, latency) for one in manifest.artifacts for latency in _latencies(one)]
    if cells:
        _print(console, "\n" + plain_table(COLUMNS, cells, left=frozenset({0})))
    cold = [
        (_name(one), str(found.n), figure(found.load_ms), figure(found.first_ms), figure(found.slowest_ms))
        for one in manifest.artifacts
        if one.benchmark and (found := one.benchmark.cold)
    ]
    if cold:
        _print(console, "\n" + plain_table(_COLD, cold, left=frozenset({0})))
    for line in noise_floor(manifest):
        _print(console, line)


def noise_floor(manifest: Manifest) -> list[str]:
    """What the self-check found, in sentences."""
    lines = []
    for one in manifest.artifacts:
        for latency in _latencies(one):
            if latency.self_ratio is None:
                continue
            apart, interval = abs(latency.self_ratio - 1), latency.self_ratio_ci95
            span = f" [{interval.low - 1:+.1%}, {interval.high - 1:+.1%}]" if interval else ""
            floor = max(abs(interval.low - 1), abs(interval.high - 1)) if interval else apart
            lines.append(
                f"self-check: {_name(one)}, {latency.threads} thread(s), batch {latency.batch}: "
                f"a second copy came out {apart:.1%} apart{span}; differences below {floor:.1%} mean nothing here"
            )
    return lines


def _latencies(artifact: Artifact) -> Iterator[Latency]:
    if artifact.benchmark and artifact.benchmark.latency:
        yield artifact.benchmark.latency
        yield from artifact.benchmark.others


def _cells(artifact: Artifact, latency: Latency) -> tuple[str, ...]:
    return (
        _name(artifact),
        str(latency.threads),
        str(latency.batch or "-"),
        figure(latency.median_ms) + _span(latency.median_ci95),
        figure(latency.p90_ms),
        figure(latency.p99_ms),
        str(latency.n),
        ratio(latency.ratio_to_eager) + _span(latency.ratio_ci95),
    )


def _span(interval: Interval | None) -> str:
    return f" [{figure(interval.low)}, {figure(interval.high)}]" if interval else ""


def _name(artifact: Artifact) -> str:
    return f"{artifact.target} {artifact.scheme}"


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
