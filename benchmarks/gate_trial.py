"""Does the gate cry wolf, and does it see a slower candidate? Many gates beside a noisy neighbour.

    mobilekit export resnet20 -t onnx -t xnnpack -q fp32 --no-bench -o bundles/trial
    python benchmarks/gate_trial.py bundles/trial
    python benchmarks/gate_trial.py --table > benchmarks/results/gate-trial.md

False alarms: 200 gates of a bundle against a copy of itself. Power: 100 gates against candidates that real operators
make about 5 % slower: a chain of activations beside the network, on an input scaled anew for each, as long as a
calibration on this machine finds. Arm instructions: 20 gates of the .pte against candidates that execute about 1 % more
of them, by the same means. A neighbour process loads a core on and off all the while, for random times. Each gate is
the real command with --max-seconds 60. Results go to JSON lines as they come; what is there already is not run again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mobilekit.bundle import Bundle
    from mobilekit.bundle.manifest import Artifact

RESULTS = Path(__file__).parent / "results" / "gate-trial.jsonl"
EQUAL, SLOWER, MORE = "equal", "slower", "more instructions"
TARGET_RATIO, NEAR_ENOUGH = 1.05, 0.004
LONGEST = 64
CORE, MORE_RATIO = "cortex-a76", 1.01
METRIC = {EQUAL: "latency", SLOWER: "latency", MORE: "instructions"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, nargs="?", help="a bundle with onnx:fp32, and xnnpack:fp32 for counting")
    parser.add_argument("--equal", type=int, default=200, metavar="N", help="gates of equal sides (200)")
    parser.add_argument("--slower", type=int, default=100, metavar="N", help="gates of slower candidates (100)")
    parser.add_argument("--more", type=int, default=20, metavar="N", help="gates of more instructions (20)")
    parser.add_argument("--length", type=int, metavar="N", help="of the chain, instead of calibrating")
    parser.add_argument("--quiet", action="store_true", help="without the neighbour")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--table", action="store_true", help="print the page about the results")
    args = parser.parse_args()
    if args.table:
        print(table(read(args.results)), end="")
        return
    if args.bundle is None:
        parser.error("name a bundle, or --table")
    with tempfile.TemporaryDirectory(prefix="gate-trial-") as place:
        run(args, Path(place))


def run(args: argparse.Namespace, place: Path) -> None:
    done = read(args.results)
    args.results.parent.mkdir(parents=True, exist_ok=True)
    numbers = {EQUAL: args.equal, SLOWER: args.slower, MORE: args.more}
    wanted = [(kind, index) for kind, number in numbers.items() for index in range(number)]
    had = {(one["kind"], one["index"]) for one in done}
    todo = [one for one in wanted if one not in had]
    random.Random(0).shuffle(todo)  # so that both kinds meet the same hours of the day
    base = place / "base"
    shutil.copytree(args.bundle, base)
    length = args.length
    if length is None and any(kind == SLOWER for kind, _ in todo):
        length = calibrate(base, place)
    longer = more_length(base, place) if any(kind == MORE for kind, _ in todo) else 0
    with contextlib.nullcontext() if args.quiet else neighbour():
        for number, (kind, index) in enumerate(todo, start=1):
            candidate = place / "candidate"
            shutil.copytree(base, candidate)
            if kind == SLOWER:
                slow_down(candidate, length, seed=index)
            elif kind == MORE:
                add_instructions(candidate, longer, seed=index)
            record = {"kind": kind, "index": index, "neighbour": not args.quiet}
            record |= {"length": longer if kind == MORE else length} | one_gate(base, candidate, kind, seed=index)
            with args.results.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(record) + "\n")
            shutil.rmtree(candidate)
            print(f"{number}/{len(todo)} {kind} {index}: {record['verdict']} in {record['seconds']:.0f} s", flush=True)


def one_gate(base: Path, candidate: Path, kind: str, *, seed: int) -> dict[str, Any]:
    """The real command, on one metric alone."""
    budgets, counted = candidate / "gate.toml", kind == MORE
    others = ["bytes_percent", "planned_memory_percent", "accuracy_points", "agreement_points"]
    others += ["delegated_share_points", "latency_percent"] if counted else []
    budgets.write_text("".join(f"{name} = false\n" for name in others))
    words = [sys.executable, "-m", "mobilekit", "gate", base, candidate, "--json", "--budgets", budgets]
    words += ["--max-seconds", 60, "--seed", seed, "--time-equal-files"]
    words += ["--variant", "xnnpack:fp32", "--instructions", CORE] if counted else ["--variant", "onnx:fp32"]
    start = time.monotonic()
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False)
    seconds = time.monotonic() - start
    if done.returncode not in (0, 1, 3):
        sys.exit(done.stderr)
    result = json.loads(done.stdout)
    (found,) = [one for one in result["findings"] if one["metric"] == METRIC[kind]]
    kept = {
        name: found[name] for name in ("verdict", "worsening", "low", "high", "sessions", "baseline", "more_seconds")
    }
    machine = result["environment"]["machine"]
    packages = result["environment"]["packages"]
    return kept | {
        "seconds": round(seconds, 2),
        "notes": result["notes"],
        "machine": f"{machine['processor']}, {machine['cores']} cores",
        "versions": f"mobilekit {result['environment']['mobilekit']}, "
        + (f"executorch {packages['executorch']}" if counted else f"onnxruntime {packages['onnxruntime']}"),
    }


def slow_down(bundle: Path, length: int, *, seed: int) -> None:
    """A chain of `length` Tanh beside the network, whose mean is added to its output, one millionth of it."""
    import onnx
    from onnx import helper, numpy_helper

    from mobilekit.bundle import Bundle

    loaded = Bundle.load(bundle, check=False)
    artifact = loaded.artifact("onnx", "fp32")
    path = loaded.artifact_path(artifact)
    model = onnx.load(str(path))
    graph, rng = model.graph, np.random.default_rng(seed)
    source, output = graph.input[0].name, graph.output[0].name
    for node in graph.node:
        node.output[:] = ["trial_network" if name == output else name for name in node.output]
    constants = {
        "trial_scale": np.float32(rng.uniform(0.5, 1.5)),
        "trial_little": np.float32(1e-6),
        "trial_axes": np.array([1, 2, 3], np.int64),
        "trial_one": np.array([1], np.int64),
    }
    graph.initializer.extend(numpy_helper.from_array(np.asarray(one), name) for name, one in constants.items())
    chain = [helper.make_node("Tanh", [f"trial_{index}"], [f"trial_{index + 1}"]) for index in range(length)]
    graph.node.extend(
        [
            helper.make_node("Mul", [source, "trial_scale"], ["trial_0"]),
            *chain,
            helper.make_node("ReduceMean", [f"trial_{length}", "trial_axes"], ["trial_mean"], keepdims=0),
            helper.make_node("Unsqueeze", ["trial_mean", "trial_one"], ["trial_column"]),
            helper.make_node("Mul", ["trial_column", "trial_little"], ["trial_small"]),
            helper.make_node("Add", ["trial_network", "trial_small"], [output]),
        ]
    )
    onnx.save(model, str(path))
    write_changed(loaded, artifact)


def add_instructions(bundle: Path, length: int, *, seed: int) -> None:
    """The same chain beside the network in the .pte: exported again from the bundle's reference."""
    import torch

    from mobilekit.bundle import Bundle
    from mobilekit.capture import capture
    from mobilekit.lower import target
    from mobilekit.model.pt2 import load_pt2

    loaded = Bundle.load(bundle, check=False)
    artifact, reference = loaded.artifact("xnnpack", "fp32"), loaded.artifact("eager", "fp32")
    scale = float(np.random.default_rng(seed).uniform(0.5, 1.5))

    class Longer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = load_pt2(loaded.artifact_path(reference)).module(check_guards=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = x * scale
            for _ in range(length):
                y = y.tanh()
            return self.network(x)[0] + 1e-6 * y.mean((2, 3), keepdim=True).flatten(1)[:, :1]

        def eval(self) -> Longer:  # a program's module has no modes
            return self

    captured = capture(Longer(), reference.inputs)
    path = loaded.artifact_path(artifact)
    target("xnnpack").lower(captured.program, "fp32", path, inputs=captured.inputs, outputs=captured.outputs)
    write_changed(loaded, artifact)


def write_changed(bundle: Bundle, artifact: Artifact) -> None:
    """The manifest with the hash of the artifact's new file."""
    from mobilekit.bundle.write import entry_for, write_manifest

    changed = artifact.model_copy(update=entry_for(bundle.path, artifact.file).model_dump())
    artifacts = tuple(changed if one is artifact else one for one in bundle.manifest.artifacts)
    write_manifest(bundle.path, bundle.manifest.model_copy(update={"artifacts": artifacts}))


def more_length(base: Path, place: Path) -> int:
    """The shortest chain that takes at least 1 % more instructions."""
    from mobilekit.bench import count_instructions
    from mobilekit.bundle import Bundle
    from mobilekit.pipeline.remeasure import golden_call

    bundle = Bundle.load(base)
    inputs, file = golden_call(bundle), bundle.artifact("xnnpack", "fp32").file
    before = count_instructions(base / file, inputs, cpu=CORE).per_inference
    for length in range(1, LONGEST):
        changed = place / "counting"
        shutil.copytree(base, changed)
        add_instructions(changed, length, seed=0)
        ratio = count_instructions(changed / file, inputs, cpu=CORE).per_inference / before
        shutil.rmtree(changed)
        print(f"calibrating: length {length} takes {ratio - 1:+.3%} instructions", flush=True)
        if ratio >= MORE_RATIO:
            return length
    sys.exit(f"a chain of {LONGEST} takes less than 1 % of the instructions: take a smaller model")


def calibrate(base: Path, place: Path) -> int:
    """The length that comes closest to 5 % slower, by halving; on the machine as it is, before the neighbour comes."""
    low, high, best = 1, LONGEST, (float("inf"), 1)
    while low <= high:
        length = (low + high) // 2
        ratio = ratio_of(base, place, length)
        print(f"calibrating: length {length} is {ratio - 1:+.2%}", flush=True)
        best = min(best, (abs(ratio - TARGET_RATIO), length))
        if abs(ratio - TARGET_RATIO) < NEAR_ENOUGH:
            break
        low, high = (length + 1, high) if ratio < TARGET_RATIO else (low, length - 1)
    return best[1]


def ratio_of(base: Path, place: Path, length: int) -> float:
    """Over a few pairs of processes, as the gate does it."""
    from mobilekit.bench.pinning import quiet_cores
    from mobilekit.bundle import Bundle
    from mobilekit.gate.session import run_session
    from mobilekit.pipeline.remeasure import golden_call

    changed = place / "calibrating"
    shutil.copytree(base, changed)
    try:
        slow_down(changed, length, seed=0)
        bundle = Bundle.load(base)
        file = bundle.artifact("onnx", "fp32").file
        inputs, cores = golden_call(bundle), quiet_cores(1)
        sessions = [
            run_session(
                (base / file, changed / file), inputs, ("onnx", "onnx"), threads=1, cores=cores, candidate_first=first
            )
            for first in (True, False) * 4
        ]
    finally:
        shutil.rmtree(changed)
    return float(np.exp(np.median([one.log_ratio for one in sessions])))


@contextlib.contextmanager
def neighbour() -> Iterator[None]:
    """A process that computes and rests in turn, each for half a second to four, as long as the block lasts."""
    process = multiprocessing.get_context("spawn").Process(target=load, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def load() -> None:
    chance, matrix = random.Random(1), np.ones((400, 400), np.float32)
    while True:
        end = time.monotonic() + chance.uniform(0.5, 4)
        while time.monotonic() < end:
            matrix = np.clip(matrix @ matrix, 0, 1)
        time.sleep(chance.uniform(0.5, 4))


def read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]


def table(records: list[dict[str, Any]]) -> str:
    """How often each verdict came, with exact binomial intervals (Clopper and Pearson)."""
    lines = [
        "# False alarms and power of the gate",
        "",
        "`python benchmarks/gate_trial.py BUNDLE` took the figures and `--table` prints this page; the first lines",
        "of the program say how. Each gate is the real command with its default budgets, 3 % of latency and 0.5 %",
        "of Arm instructions. Seconds are those of the whole command.",
        "",
        "| gates | n | regression [95 %] | inconclusive | pass | seconds, median | slowest | sessions, median |",
        "|:-|-:|-:|-:|-:|-:|-:|-:|",
    ]
    names = {EQUAL: "equal sides: false alarms", SLOWER: "about 5 % slower: power", MORE: "about 1 % more instructions"}
    for kind, name in names.items():
        some = [one for one in records if one["kind"] == kind]
        if not some:
            continue
        counts = {
            verdict: sum(one["verdict"] == verdict for one in some)
            for verdict in ("regression", "inconclusive", "pass")
        }
        seconds = sorted(one["seconds"] for one in some)
        lines.append(
            f"| {name} | {len(some)} | {share(counts['regression'], len(some))} | {counts['inconclusive']} "
            f"| {counts['pass']} | {np.median(seconds):.0f} | {seconds[-1]:.0f} "
            f"| {'-' if kind == MORE else format(np.median([one['sessions'] for one in some]), '.0f')} |"
        )
    for kind, name in ((SLOWER, "The slower candidates were measured"), (MORE, "Those with more instructions counted")):
        worse = [one["worsening"] for one in records if one["kind"] == kind and one["worsening"] is not None]
        if worse:
            low, middle, high = np.percentile(worse, [5, 50, 95])
            lines += ["", f"{name} {middle:+.2f} % (5th to 95th percentile {low:+.2f} to {high:+.2f})."]
    machines = {f"{one['machine']}; {'beside a neighbour' if one['neighbour'] else 'quiet'}" for one in records}
    versions = sorted({one["versions"] for one in records})
    where = [*sorted(machines), ", ".join(dict.fromkeys(", ".join(versions).split(", ")))]
    return "\n".join([*lines, "", *where]) + "\n"


def share(count: int, of: int) -> str:
    """`3 = 1.5 % [0.3, 4.3]`"""
    from scipy.stats import binomtest

    interval = binomtest(count, of).proportion_ci(method="exact")
    return f"{count} = {count / of:.1%} [{interval.low:.1%}, {interval.high:.1%}]".replace("%", " %")


if __name__ == "__main__":
    main()
