"""Bundles on 64-bit Arm cores without a phone: accuracy beside this machine's, and instructions of one inference.

    python benchmarks/arm.py resnet20=bundles/resnet20 --data resnet20=imagefolder:cifar > benchmarks/results/arm.md

Each NAME=BUNDLE is run by the real commands: `mobilekit verify` here and with `--runner arm64` on each core, on the
same samples, and `mobilekit bench --instructions`. The cores are QEMU's; docs/runners.md says what that shows.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

CORES = ("cortex-a53", "cortex-a76")


@dataclass(frozen=True)
class Row:
    """One artifact on one processor."""

    name: str
    scheme: str
    processor: str
    samples: int
    correct: float
    """Share of the samples whose answer was the label, percent."""
    agreement: float
    """Share of the samples with eager's answer, percent."""
    sqnr_db: float | None
    instructions: int | None = None


def mobilekit(*words: object) -> dict[str, Any]:
    """What the command prints with --json; 1 is a failed check, which is a result too."""
    command = [sys.executable, "-m", "mobilekit", *map(str, words), "--json"]
    print("$ mobilekit", *words, file=sys.stderr)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(done.returncode)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rows_of(name: str, bundle: str, data: str | None, samples: int | None) -> tuple[list[Row], dict[str, Any]]:
    """One for each .pte and processor, and the environment they were made in."""
    chosen = ["--data", data, *(["--test-samples", samples] if samples else [])] if data else []
    rows, report = [], mobilekit("verify", bundle, *chosen)
    environment = report["environment"]
    rows += verified(name, report, environment["machine"]["architecture"])
    for core in CORES:
        there = verified(name, mobilekit("verify", bundle, *chosen, "--runner", "arm64", "--cpu", core), core)
        counted = mobilekit(
            *("bench", bundle, "--runs", 1, "--seconds", 0, "--rounds", 1, "--warmup", 1, "--instructions", core)
        )
        counts = {
            one["row"]["precision"]: one["benchmark"]["instructions"]
            for one in counted["results"]
            if one["row"]["target"] == "xnnpack"
        }
        rows += [replace(row, instructions=counts[row.scheme]["per_inference"]) for row in there]
    return rows, environment


def verified(name: str, report: dict[str, Any], processor: str) -> list[Row]:
    rows = []
    for one in report["results"]:
        if one["row"]["target"] != "xnnpack":
            continue
        metrics = one["verification"]["metrics"]
        rows.append(
            Row(
                name,
                one["row"]["precision"],
                processor,
                metrics["samples"],
                100 * metrics["top1"],
                100 * metrics["agreement"],
                metrics["sqnr_db"],
            )
        )
    return rows


HEAD = "| model | scheme | processor | samples | top-1, % | as eager, % | SQNR, dB | instructions, M | of float |"


def page(rows: Sequence[Row], environment: dict[str, Any]) -> str:
    machine, packages = environment["machine"], environment["packages"]
    float_counts = {(row.name, row.processor): row.instructions for row in rows if row.scheme == "fp32"}
    lines = [
        "# On Arm cores, emulated",
        "",
        "`python benchmarks/arm.py` prints this page: `mobilekit verify` and `bench --instructions` of the same files,",
        f"here ({machine['processor']}, {machine['architecture']}) and on cores of QEMU, with ExecuTorch "
        f"{packages['executorch']}. The counts are of one inference",
        "at batch 1 (of a stream: of one call), one thread. [runners.md](../../docs/runners.md) says what they tell.",
        "",
        HEAD,
        "|-|-|-|" + "-:|" * 6,
    ]
    for row in rows:
        base = float_counts.get((row.name, row.processor))
        count = "-" if row.instructions is None else f"{row.instructions / 1e6:.3f}"
        ratio = f"{row.instructions / base:.2f}x" if row.instructions and base and row.scheme != "fp32" else "-"
        sqnr = "-" if row.sqnr_db is None else f"{row.sqnr_db:.1f}"
        lines.append(
            f"| {row.name} | {row.scheme} | {row.processor} | {row.samples:,} | {row.correct:.2f} "
            f"| {row.agreement:.2f} | {sqnr} | {count} | {ratio} |"
        )
    return "\n".join([*lines, ""])


def named(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", type=named, metavar="NAME=BUNDLE")
    parser.add_argument("--data", action="append", default=[], type=named, metavar="NAME=DATA")
    parser.add_argument("--test-samples", action="append", default=[], type=named, metavar="NAME=N")
    options = parser.parse_args()
    data, samples = dict(options.data), dict(options.test_samples)
    rows: list[Row] = []
    environment: dict[str, Any] = {}
    for name, bundle in options.bundles:
        found, environment = rows_of(name, bundle, data.get(name), int(samples[name]) if name in samples else None)
        rows += found
    print(page(rows, environment), end="")


if __name__ == "__main__":
    main()
