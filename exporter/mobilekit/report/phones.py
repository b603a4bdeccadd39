"""Phones: what was measured on phones, beside the desk's figures; rows for the terminal and the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console

from mobilekit.bundle.device import DeviceBench, DeviceResult
from mobilekit.bundle.manifest import Artifact, Manifest
from mobilekit.report.table import figure, plain_table
from mobilekit.spec.base import Spec

COLUMNS = ("artifact", "where", "threads", "batch", "median ms", "p90", "min", "load ms", "MB peak", "n")


class PhoneRow(Spec):
    """One artifact at one setting, on the desk or on a phone. A figure is None where it was not measured."""

    target: str
    precision: str
    where: str
    phone: bool
    threads: int
    batch: int | None
    median_ms: float
    p90_ms: float
    min_ms: float
    load_ms: float | None
    peak_memory_bytes: int | None
    n: int


def phone_rows(manifest: Manifest, benches: Sequence[DeviceBench]) -> tuple[PhoneRow, ...]:
    """Of each artifact that a phone ran, in the bundle's order: the desk's row, then the phones'."""
    found: list[PhoneRow] = []
    for artifact in manifest.artifacts:
        mine = [
            _phone(bench, one)
            for bench in benches
            for one in bench.results
            if (one.target, one.scheme) == (artifact.target, artifact.scheme)
        ]
        if mine:
            found += [*_desk(manifest, artifact), *mine]
    return tuple(found)


def _desk(manifest: Manifest, artifact: Artifact) -> Iterator[PhoneRow]:
    benchmark = artifact.benchmark
    if benchmark is None or benchmark.latency is None:
        return
    for latency in (benchmark.latency, *benchmark.others):
        yield PhoneRow(
            target=artifact.target,
            precision=artifact.scheme,
            where=f"desk: {manifest.environment.machine.processor}",
            phone=False,
            threads=latency.threads,
            batch=latency.batch,
            median_ms=latency.median_ms,
            p90_ms=latency.p90_ms,
            min_ms=latency.min_ms,
            load_ms=benchmark.load_ms,
            peak_memory_bytes=benchmark.peak_memory_bytes,
            n=latency.n,
        )


def _phone(bench: DeviceBench, result: DeviceResult) -> PhoneRow:
    return PhoneRow(
        target=result.target,
        precision=result.scheme,
        where=bench.phone,
        phone=True,
        threads=result.threads,
        batch=result.batch,
        median_ms=result.median_ms,
        p90_ms=result.p90_ms,
        min_ms=result.min_ms,
        load_ms=result.load_ms,
        peak_memory_bytes=result.peak_memory_bytes,
        n=result.n,
    )


def print_phones(manifest: Manifest, benches: Sequence[DeviceBench], console: Console) -> None:
    """The table, and what each phone is."""
    rows = [
        (
            f"{row.target} {row.precision}",
            row.where,
            str(row.threads),
            str(row.batch or "-"),
            figure(row.median_ms),
            figure(row.p90_ms),
            figure(row.min_ms),
            figure(row.load_ms),
            figure(None if row.peak_memory_bytes is None else row.peak_memory_bytes / 1e6),
            str(row.n),
        )
        for row in phone_rows(manifest, benches)
    ]
    lines = [plain_table(COLUMNS, rows, left=frozenset({0, 1})), ""]
    for bench in benches:
        lines.append(sentence(bench))
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def sentence(bench: DeviceBench) -> str:
    """`Pixel 9, Android 16: Tensor G4, 8 cores, 12.0 GB; executorch 1.5.1, app 1.0; taken ...`"""
    device, app = bench.device, bench.app
    return (
        f"{bench.phone}: {device.processor}, {device.cores} cores, {device.memory_bytes / 1e9:.1f} GB; "
        f"{app.runtime} {app.runtime_version}, app {app.app_version}; taken {bench.taken}"
    )
