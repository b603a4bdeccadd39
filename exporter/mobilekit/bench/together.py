"""Together: the artifacts of one run, each in a process of its own, timed in turns; and what each turned out to be.

All are loaded at once where memory allows, then idle but for the one whose turn it is. Never times two at once.
"""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mobilekit.bench.noise import Noise, Watch
from mobilekit.bench.pinning import pin, quiet_cores
from mobilekit.bench.stats import median_interval, ratio_of_rounds, summarize
from mobilekit.bench.turns import affordable_rounds, block_of, groups, load_order, order_of_round
from mobilekit.bundle.manifest import Benchmark, Interval, Latency
from mobilekit.files import size
from mobilekit.runners import Array, Effort, Worker
from mobilekit.runners import runner as runner_called
from mobilekit.runners.base import OwnProgram, Runner
from mobilekit.runners.registry import runner_for

_RUNTIME_BYTES = 700 << 20  # resident after importing torch, the largest of them, with room to spare
_COPIES_OF_WEIGHTS = 4  # the file read, the weights unpacked, packed again by a delegate, activations
_SHARE_OF_MEMORY = 0.7


@dataclass(frozen=True)
class Entry:
    """An artifact and what it is timed on. `runner` None: by the artifact's suffix."""

    artifact: Path
    inputs: tuple[Array, ...]
    runner: str | None = None


@dataclass(frozen=True)
class Protocol:
    """How a run is taken. `self_check`: each artifact's second copy takes turns with it too."""

    threads: int = 1
    batch: int = 1
    effort: Effort = field(default_factory=Effort)
    rounds: int = 10
    seed: int = 0
    self_check: bool = False
    timeout_s: float = 300


@dataclass
class _Seat:
    """One process at the table and what it has done so far."""

    entry: int
    worker: Worker
    rounds: list[tuple[int, ...]] = field(default_factory=list)
    warmup: int = 0
    preemptions: int = 0

    def take_turn(self, inputs: Sequence[Array], effort: Effort) -> None:
        timing = self.worker.time(inputs, effort)
        self.warmup = self.warmup if self.rounds else timing.warmup
        self.preemptions += timing.preemptions
        self.rounds.append(timing.nanoseconds)

    @property
    def nanoseconds(self) -> list[int]:
        return [one for block in self.rounds for one in block]


def measure_together(
    entries: Sequence[Entry],
    reference: int | None,
    protocol: Protocol,
    *,
    advance: Callable[[], None] = lambda: None,
) -> tuple[Benchmark, ...]:
    """A benchmark for each entry, with its ratio to the one at position `reference`.

    A runtime that is not on this machine gives a Benchmark with a reason and no figures. `advance` is called once for
    each entry that is done. Raises RunnerError when a runtime refuses, crashes or times out.
    """
    chosen = [runner_called(one.runner) if one.runner else runner_for(one.artifact) for one in entries]
    reasons = [untimed(one) for one in chosen]
    found = [
        Benchmark(executed=False, reason=reason, runner=one.name) if reason is not None else None
        for one, reason in zip(chosen, reasons, strict=True)
    ]
    present = [index for index, one in enumerate(found) if one is None]
    base = present.index(reference) if reference in present else None
    copies = 2 if protocol.self_check else 1
    needs = [copies * (_RUNTIME_BYTES + _COPIES_OF_WEIGHTS * _bytes(entries[index].artifact)) for index in present]
    cores = quiet_cores(protocol.threads)
    for group in groups(needs, base, _room()) if present else []:
        members = [present[position] for position in group]
        names = [chosen[index].name for index in members]
        for index, benchmark in _group(entries, members, names, reference, protocol, cores).items():
            if found[index] is None:
                found[index] = benchmark
                advance()
    return tuple(one for one in found if one is not None)


def untimed(runner: Runner | OwnProgram) -> str | None:
    """Why `runner` gives no times here; None when it does."""
    if isinstance(runner, OwnProgram) and runner.emulated:
        return "it is emulated here, and the emulator's seconds say nothing about the processor's"
    return runner.unavailable()


def _group(
    entries: Sequence[Entry],
    members: Sequence[int],
    names: Sequence[str],
    reference: int | None,
    protocol: Protocol,
    cores: tuple[int, ...] | None,
) -> dict[int, Benchmark]:
    copies = 2 if protocol.self_check else 1
    with contextlib.ExitStack() as stack:
        seats: dict[int, _Seat] = {}
        for place in load_order(len(members) * copies, seed=protocol.seed):
            index, name = members[place % len(members)], names[place % len(members)]
            worker = Worker(name, entries[index].artifact, threads=protocol.threads, timeout_s=protocol.timeout_s)
            seats[place] = _Seat(index, stack.enter_context(worker))
        pinned = [_pinned(seat.worker, cores) for seat in seats.values()]
        table = [seats[place] for place in sorted(seats)]
        noise = _take_turns(table, entries, protocol)
        held = cores if cores is not None and all(pinned) else None
        originals = table[: len(members)]
        seconds: list[_Seat | None] = [*table[len(members) :]] or [None] * len(members)
        base = next((seat for seat in originals if seat.entry == reference), None)
        return {
            seat.entry: Benchmark(
                executed=True,
                runner=name,
                latency=_latency(seat, base, second, noise, held, protocol),
                load_ms=seat.worker.load_ms,
                peak_memory_bytes=seat.worker.peak_memory_bytes(),
            )
            for seat, name, second in zip(originals, names, seconds, strict=True)
        }


def _take_turns(table: Sequence[_Seat], entries: Sequence[Entry], protocol: Protocol) -> Noise:
    watch = Watch()
    for seat in table:
        seat.take_turn(entries[seat.entry].inputs, block_of(protocol.effort, protocol.rounds, first=True))
    slowest_s = max(statistics.median(seat.rounds[0]) for seat in table) / 1e9
    rounds = affordable_rounds(protocol.rounds, slowest_s, protocol.effort.max_seconds)
    effort = block_of(protocol.effort, rounds, first=False)
    for number in range(1, rounds):
        for place in order_of_round(len(table), number):
            table[place].take_turn(entries[table[place].entry].inputs, effort)
        watch.look()
    return watch.noise()


def _latency(
    seat: _Seat,
    base: _Seat | None,
    second: _Seat | None,
    noise: Noise,
    cores: tuple[int, ...] | None,
    protocol: Protocol,
) -> Latency:
    timings, seed = seat.nanoseconds, protocol.seed
    summary = summarize(timings)
    ratio, ratio_ci = _ratio(seat, base, seed)
    again, again_ci = _ratio(second, seat, seed) if second else (None, None)
    return Latency(
        n=summary.n,
        warmup=seat.warmup,
        median_ms=summary.median_ms,
        p90_ms=summary.p90_ms,
        p99_ms=summary.p99_ms,
        min_ms=summary.min_ms,
        iqr_ms=summary.iqr_ms,
        threads=protocol.threads,
        batch=protocol.batch,
        rounds=len(seat.rounds),
        median_ci95=_interval(median_interval(seat.rounds, seed=seed)),
        ratio_to_eager=ratio,
        ratio_ci95=ratio_ci,
        self_ratio=again,
        self_ratio_ci95=again_ci,
        pinned_cores=cores,
        preemptions_per_second=seat.preemptions / (sum(timings) / 1e9) if sum(timings) else None,
        steal_share=noise.steal_share,
        frequency_mhz=_interval(noise.frequency_mhz),
    )


def _ratio(seat: _Seat, base: _Seat | None, seed: int) -> tuple[float | None, Interval | None]:
    if base is None or min(statistics.median(block) for block in base.rounds) <= 0:
        return None, None
    found, interval = ratio_of_rounds(seat.rounds, base.rounds, seed=seed)
    return found, _interval(interval)


def _interval(ends: tuple[float, float] | None) -> Interval | None:
    return None if ends is None else Interval(low=ends[0], high=ends[1])


def _pinned(worker: Worker, cores: tuple[int, ...] | None) -> bool:
    return cores is not None and worker.pid is not None and pin(worker.pid, cores)


def _bytes(artifact: Path) -> int:
    return size(artifact) if artifact.exists() else 0  # that it is missing is the worker's to say


def _room() -> int:
    """Bytes that may be filled: a share of what the system calls available, of a gigabyte where it does not tell."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(int(available.split()[1]) * 1024 * _SHARE_OF_MEMORY)
    return 1 << 30
