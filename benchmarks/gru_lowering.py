"""How a two-layer GRU over 49 frames is best lowered: the stock route beside mobilekit's, whole and in pieces.

    python benchmarks/gru_lowering.py > benchmarks/results/gru-lowering.md   all of it, some minutes
    python benchmarks/gru_lowering.py --only xnnpack                         one target
    python benchmarks/gru_lowering.py --one xnnpack written-out fp32 7       one row, as JSON

The model is kws_gru with random weights, on random frames: its speed and size do not depend on either, and numbers are
compared with torch's own nn.GRU. Every row is made in a process of its own. Lowering is timed in seconds of CPU time,
which other programs on the machine stretch less than the clock; imports are made before the clock starts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mobilekit.capture import Captured
    from mobilekit.lower import Lowered

FRAMES = 49
ROUTES = {
    "stock": "torch's own decomposition, as `torch.export` and the backend do it",
    "written out": "`lower/recurrent.py`: one linear layer for all inputs, steps without splits",
    "native": "the target's own recurrent operator",
}
PLAN = [
    ("xnnpack", "stock", "fp32", FRAMES),
    ("xnnpack", "written out", "fp32", FRAMES),
    ("xnnpack", "written out", "fp32", 7),
    ("xnnpack", "written out", "fp32", 1),
    ("xnnpack", "stock", "int8", FRAMES),
    ("xnnpack", "written out", "int8", FRAMES),
    ("xnnpack", "written out", "int8", 7),
    ("xnnpack", "written out", "int8", 1),
    ("onnx", "native", "fp32", FRAMES),
    ("onnx", "written out", "fp32", FRAMES),
    ("onnx", "native", "fp32", 7),
    ("onnx", "native", "fp32", 1),
    ("onnx", "written out", "int8", FRAMES),
    ("onnx", "written out", "int8", 7),
    ("onnx", "written out", "int8", 1),
    ("coreml", "stock", "fp32", FRAMES),
    ("coreml", "written out", "fp32", FRAMES),
    ("coreml", "written out", "fp32", 7),
    ("coreml", "written out", "int8", 7),
]


@dataclass(frozen=True)
class Row:
    """What one route gave; None where it was not measured. `note` says why."""

    target: str
    route: str
    scheme: str
    frames: int
    lower_cpu_s: float | None = None
    lower_s: float | None = None
    delegates: int | None = None
    delegated: int | None = None
    portable: int | None = None
    kilobytes: float | None = None
    median_us: float | None = None
    iqr_us: float | None = None
    runs: int | None = None
    load_ms: float | None = None
    max_error: float | None = None
    note: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="TARGET")
    parser.add_argument("--one", nargs=4, metavar=("TARGET", "ROUTE", "SCHEME", "FRAMES"))
    options = parser.parse_args()
    if options.one:
        target, route, scheme, frames = options.one
        print(json.dumps(asdict(measured(target, route.replace("-", " "), scheme, int(frames)))))
        return
    rows = [in_own_process(*plan) for plan in PLAN if options.only in (None, plan[0])]
    print(report(rows))


def in_own_process(target: str, route: str, scheme: str, frames: int) -> Row:
    command = [sys.executable, __file__, "--one", target, route, scheme, str(frames)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"
        return Row(target, route, scheme, frames, note=reason[:200])
    row = Row(**json.loads(done.stdout.splitlines()[-1]))
    print(row, file=sys.stderr)
    return row


def measured(target: str, route: str, scheme: str, frames: int) -> Row:
    """Make the artifact in a folder that goes away, and run it."""
    from mobilekit.bench import measure
    from mobilekit.errors import LowerError
    from mobilekit.runners import Worker
    from mobilekit.runners.registry import runner_for

    captured, program = programs(route, scheme, frames)
    warm(target)
    with tempfile.TemporaryDirectory() as folder:
        cpu, clock = time.process_time(), time.perf_counter()
        try:
            lowered = lower(target, route, scheme, program, captured, Path(folder))
        except LowerError as error:
            return Row(target, route, scheme, frames, note=error.message)
        row = {
            "lower_cpu_s": time.process_time() - cpu,
            "lower_s": time.perf_counter() - clock,
            "kilobytes": size(lowered.path) / 1e3,
        }
        if lowered.delegation:
            told = lowered.delegation
            row |= {"delegates": told.delegates, "delegated": told.delegated_nodes, "portable": told.portable_nodes}
        runner = runner_for(lowered.path)
        if runner.unavailable():
            return Row(target, route, scheme, frames, **row, note=runner.unavailable() or "")
        inputs = example(captured)
        with Worker(runner.name, lowered.path, threads=1) as worker:
            ((answer, *_),) = worker.run([inputs])
        found = measure(lowered.path, inputs, threads=1)
        assert found.latency is not None
        return Row(
            target,
            route,
            scheme,
            frames,
            **row,
            median_us=found.latency.median_ms * 1e3,
            iqr_us=found.latency.iqr_ms * 1e3,
            runs=found.latency.n,
            load_ms=found.load_ms,
            max_error=float(np.abs(answer - expected(captured)).max()),
        )


def programs(route: str, scheme: str, frames: int) -> tuple[Captured, object]:
    """The float program of the whole utterance (49 frames) or the streaming form, and the one to be lowered."""
    from dataclasses import replace

    import torch

    from mobilekit.capture import capture, example_inputs
    from mobilekit.lower.recurrent import unrolled_for_quantizer
    from mobilekit.model import resolve
    from mobilekit.quantize import quantize

    torch.set_num_threads(1)
    source = resolve("kws_gru", weights="random")
    stream = source.recipe.stream
    assert stream is not None
    if frames == FRAMES:
        captured = capture(source.build(), source.recipe.inputs)
    else:
        inputs = stream.model_copy(update={"frames": frames}).inputs_for(source.recipe.inputs)
        captured = capture(source.build(extra=stream.args), inputs)
    if scheme == "fp32":
        return captured, captured.program
    prepared = captured if route == "stock" else replace(captured, program=unrolled_for_quantizer(captured.program))
    samples = [example_inputs(captured.inputs, seed=seed) for seed in range(8)]
    return captured, quantize(prepared, samples).program


def lower(target: str, route: str, scheme: str, program: object, captured: Captured, folder: Path) -> Lowered:
    """Through mobilekit's target; `stock` without what it rewrites, and the rewrite added for a float ONNX."""
    from mobilekit.lower import coreml, recurrent
    from mobilekit.lower import target as target_called

    chosen = target_called(target)
    if route == "stock" and target == "xnnpack":
        return stock_xnnpack(program, folder / "gru.pte", captured)
    if route == "stock":
        coreml.unrolled = lambda given: given
    if target == "onnx" and route == "written out" and scheme == "fp32":
        program = recurrent.unrolled(program)
    path = folder / f"gru{chosen.suffix}"
    return chosen.lower(program, scheme, path, inputs=captured.inputs, outputs=captured.outputs)


def stock_xnnpack(program: object, path: Path, captured: Captured) -> Lowered:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    from mobilekit.bundle.manifest import Delegation
    from mobilekit.bundle.pte import read_pte
    from mobilekit.lower import Lowered
    from mobilekit.quiet import quiet

    with quiet():
        made = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch()
    path.write_bytes(made.buffer)
    told = read_pte(path)
    nodes = Delegation(
        delegates=len(told.delegates), delegated_nodes=told.delegated_nodes, portable_nodes=told.portable_nodes
    )
    return Lowered(path, captured.inputs, captured.outputs, delegation=nodes)


def warm(target: str) -> None:
    """Import what the target imports, by lowering something tiny."""
    import torch

    from mobilekit.capture import capture
    from mobilekit.lower import target as target_called
    from mobilekit.spec import TensorSpec

    tiny = capture(torch.nn.Linear(4, 4).eval(), (TensorSpec(name="x", shape=(1, 4)),))
    chosen = target_called(target)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"tiny{chosen.suffix}"
        chosen.lower(tiny.program, "fp32", path, inputs=tiny.inputs, outputs=tiny.outputs)


def example(captured: Captured) -> tuple[np.ndarray, ...]:
    from mobilekit.capture import example_inputs

    return tuple(tensor.numpy() for tensor in example_inputs(captured.inputs, seed=9))


def expected(captured: Captured) -> np.ndarray:
    """The logits of torch's own nn.GRU."""
    import torch

    with torch.no_grad():
        found = captured.program.module()(*map(torch.from_numpy, example(captured)))
    logits = found["logits"] if isinstance(found, dict) else found
    return np.asarray(logits.numpy())


def size(path: Path) -> int:
    return (
        sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
    )


HEAD = "| target | scheme | route | frames per call | lowering, s CPU (clock) | delegates | nodes in / outside | kB |"
HEAD += " load, ms | per call, µs (IQR, n) | per 49 frames, µs | max error |"


def report(rows: list[Row]) -> str:
    """The Markdown page."""
    from mobilekit.environment import describe

    here = describe()
    versions = ", ".join(f"{name} {version}" for name, version in here.packages.items())
    lines = [
        "# Lowering a GRU",
        "",
        "`python benchmarks/gru_lowering.py` prints this page. kws_gru (two layers of 96 units, 40 features, batch 1)",
        f"with random weights, one thread, on {here.machine.processor} with {here.machine.cores} cores; {versions}.",
        "",
        *(f"- **{name}**: {text}." for name, text in ROUTES.items()),
        "",
        HEAD,
        "|" + "-|" * HEAD.count(" |"),
        *(line(row) for row in rows),
        "",
    ]
    return "\n".join(lines)


def line(row: Row) -> str:
    calls = FRAMES // row.frames
    head = f"| {row.target} | {row.scheme} | {row.route} | {row.frames} | "
    if row.lower_cpu_s is None:
        return head + f"{row.note} |" + " |" * 7
    lowering = f"{row.lower_cpu_s:.1f} ({row.lower_s:.1f})"
    nodes = "-" if row.delegates is None else f"{row.delegated} / {row.portable}"
    made = f"{lowering} | {'-' if row.delegates is None else row.delegates} | {nodes} | {row.kilobytes:.0f} | "
    if row.median_us is None:
        return head + made + f"- | {row.note} | - | - |"
    timed = f"{row.load_ms:.1f} | {row.median_us:.0f} ({row.iqr_us:.0f}, {row.runs}) | {row.median_us * calls:.0f}"
    return head + made + f"{timed} | {row.max_error:.1g} |"


if __name__ == "__main__":
    main()
