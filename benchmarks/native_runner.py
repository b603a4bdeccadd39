"""The C++ runner beside ExecuTorch's Python binding: load, first inference, steady state, peak memory.

    python benchmarks/native_runner.py BUNDLE... > benchmarks/results/native-runner.md

For every .pte of the bundles that `mobilekit export` wrote. Each figure is of new processes that take turns, one of
each runner in every round; the order changes from round to round. Both are at one thread.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mobilekit.bundle import Bundle
from mobilekit.environment import describe
from mobilekit.pipeline.remeasure import golden_call
from mobilekit.runners import Array, Effort, Worker

RUNNERS = ("pte", "native")
FIRST = Effort(warmup=0, min_runs=1, min_seconds=0, max_runs=1)
STEADY = Effort(warmup=20, min_runs=100, min_seconds=0.5, max_seconds=5)


@dataclass
class Taken:
    """One figure of each process."""

    load_ms: list[float] = field(default_factory=list)
    first_us: list[float] = field(default_factory=list)
    steady_us: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)


def take(artifact: Path, inputs: Sequence[Array], rounds: int) -> dict[str, Taken]:
    found = {name: Taken() for name in RUNNERS}
    for number in range(rounds):
        for name in RUNNERS if number % 2 == 0 else RUNNERS[::-1]:
            with Worker(name, artifact, threads=1) as worker:
                found[name].load_ms.append(worker.load_ms)
                found[name].first_us.append(worker.time(inputs, FIRST).nanoseconds[0] / 1e3)
                found[name].steady_us.append(statistics.median(worker.time(inputs, STEADY).nanoseconds) / 1e3)
                found[name].memory_mb.append((worker.peak_memory_bytes() or 0) / 1e6)
    return found


def shown(values: list[float]) -> str:
    low, high = np.percentile(values, [25, 75])
    return f"{statistics.median(values):.3g} ({low:.3g} to {high:.3g})"


def ratio(taken: dict[str, Taken]) -> str:
    """Of the steady state, round by round."""
    of_rounds = [ours / theirs for ours, theirs in zip(taken["native"].steady_us, taken["pte"].steady_us, strict=True)]
    return shown(of_rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE")
    parser.add_argument("--rounds", type=int, default=15, metavar="N")
    options = parser.parse_args()
    here = describe()
    print("# The C++ runner beside the Python binding\n")
    print("`python benchmarks/native_runner.py BUNDLE...` prints this page. Medians over new processes, and their")
    print(f"quartiles; n = {options.rounds} each, one thread, {here.machine.processor},")
    print(
        f"executorch {here.packages['executorch']}. The ratio is native's steady state over the binding's, by rounds.\n"
    )
    print("| file | runner | load, ms | first, us | steady, us | peak memory, MB | ratio |")
    print("|-|-|-|-|-|-|-|")
    for folder in options.bundles:
        bundle = Bundle.load(folder)
        for artifact in bundle.manifest.artifacts:
            if not artifact.file.endswith(".pte"):
                continue
            taken = take(bundle.artifact_path(artifact), golden_call(bundle), options.rounds)
            for name in RUNNERS:
                one = taken[name]
                figures = " | ".join(map(shown, (one.load_ms, one.first_us, one.steady_us, one.memory_mb)))
                print(
                    f"| {artifact.file} | {name} | {figures} | {ratio(taken) if name == 'native' else ''} |", flush=True
                )


if __name__ == "__main__":
    main()
