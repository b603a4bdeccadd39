"""What a step of training for int8 costs beside a float step: ours, and PT2E's own QAT as ExecuTorch documents it.

    python benchmarks/qat_step.py                                      mobilenet_v2, mobilenet_v3_small, resnet20
    python benchmarks/qat_step.py resnet20 --amp bf16 --turns 7
    python benchmarks/qat_step.py --table > benchmarks/results/qat-step.md

All three train by the same loop, mobilekit's own, on random images: the recipe's optimizer and augmentation, from
random weights, on which speed does not depend. Each is in a process of its own, and they take turns: one trains some
steps while the others wait. A line of JSON for each goes to benchmarks/results/qat-step.jsonl (--out); a line that is
there of the same model, route and precision is replaced.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from mobilekit.model import ModelSource
    from mobilekit.train import TrainingData

RESULTS = Path(__file__).resolve().parent / "results" / "qat-step.jsonl"
MODELS = ("mobilenet_v2", "mobilenet_v3_small", "resnet20")
ROUTES = {"float": "float training", "ours": "mobilekit --qat", "stock": "PT2E, prepare_qat_pt2e with XNNPACKQuantizer"}


@dataclass(frozen=True)
class Row:
    """The steps of one route; seconds by the clock and of CPU time (all threads), the first step of a turn left out."""

    model: str
    route: str
    amp: str
    batch: int
    threads: int
    turns: int
    seconds: list[float]
    cpu_seconds: list[float]
    peak_megabytes: float
    processor: str
    versions: str
    load_before: float
    taken: str

    @property
    def key(self) -> tuple[str, ...]:
        return self.model, self.route, self.amp, str(self.batch)


class Ticks:
    """A Progress and a Task that notes when each step ended."""

    def __init__(self) -> None:
        self.ends: list[tuple[float, float]] = []

    @contextlib.contextmanager
    def task(self, title: str, total: int | None = None) -> Iterator[Ticks]:
        yield self

    def advance(self, steps: int = 1) -> None:
        self.ends.append((time.perf_counter(), time.process_time()))

    def say(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...


def stock_qat(module: nn.Module, image: Sequence[int], *, per_channel: bool = True) -> nn.Module:
    """PT2E's QAT by ExecuTorch's recipe for XNNPACK. `image`: the shape of one input, without the batch."""
    import torch

    from mobilekit.quiet import quiet

    with quiet():
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
            XNNPACKQuantizer,
            get_symmetric_quantization_config,
        )
        from torchao.quantization.pt2e import allow_exported_model_train_eval
        from torchao.quantization.pt2e.quantize_pt2e import prepare_qat_pt2e

        batch = torch.export.Dim("batch", min=2, max=65_536)
        exported = torch.export.export(
            module.train(), (torch.randn(4, *image),), dynamic_shapes=({0: batch},), strict=False
        ).module()
        config = get_symmetric_quantization_config(is_per_channel=per_channel, is_qat=True)
        prepared: nn.Module = prepare_qat_pt2e(exported, XNNPACKQuantizer().set_global(config))
        allow_exported_model_train_eval(prepared)
    return prepared


def work(model: str, route: str, amp: str, batch: int, threads: int, steps: int) -> None:
    """The process of one route: says "ready", then trains `steps` steps for each line that it is sent."""
    import resource

    import torch

    from mobilekit.model import resolve
    from mobilekit.pipeline.qat import for_int8, rounding_module
    from mobilekit.train.loop import make_loop

    torch.set_num_threads(threads)
    source = resolve(model)
    data = random_data(source, batch * steps, batch)
    module: Any = alive(source, data)
    if route == "ours":
        module, _ = rounding_module(resolve(model, weights=saved(module)), data, 0)
    elif route == "stock":
        module = stock_qat(module, [3, *image_size(source)])
    spec = for_int8(source.recipe.train).model_copy(
        update={"amp": amp, "batch_size": batch, "epochs": 1_000_000, "learning_rate": 1e-6}
    )
    loop = make_loop(module, data, spec, torch.device("cpu"))
    print("ready", flush=True)
    for epoch, _ in enumerate(sys.stdin, 1):
        ticks = Ticks()
        loop.train_epoch(epoch, ticks)
        pairs = list(zip(ticks.ends, ticks.ends[1:], strict=False))
        found = [[round(after[kind] - before[kind], 5) for before, after in pairs] for kind in (0, 1)]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        print(json.dumps({"seconds": found[0], "cpu_seconds": found[1], "peak_megabytes": round(peak)}), flush=True)


def alive(source: ModelSource, data: TrainingData) -> nn.Module:
    """Random weights, with batch norms that have seen data: PT2E's observers fail where activations vanish."""
    import torch

    from mobilekit.train.data import ordered_batches, place
    from mobilekit.train.feed import make_feed

    module = source.initial(0).train()
    for one in module.modules():
        if isinstance(one, torch.nn.BatchNorm2d):
            one.momentum = 1.0
    feed = make_feed(data, source.recipe.train.augment)
    with torch.no_grad():
        module(*feed(next(ordered_batches(place(data.train, torch.device("cpu")), 64)).inputs))
    for one in module.modules():
        if isinstance(one, torch.nn.BatchNorm2d):
            one.momentum = 0.1
    return module


def saved(module: nn.Module) -> str:
    """The weights as a file: training for int8 starts from one."""
    import tempfile

    from safetensors.torch import save_file

    path = Path(tempfile.mkdtemp(prefix="qat-step-")) / "random.safetensors"
    save_file(module.state_dict(), str(path))
    return str(path)


def image_size(source: ModelSource) -> tuple[int, int]:
    assert source.recipe.preprocess is not None
    height, width = source.recipe.inputs[0].sized()[2:]
    return height, width


def random_data(source: ModelSource, train: int, scored: int) -> TrainingData:
    import numpy as np

    from mobilekit.spec import ImagePreprocess
    from mobilekit.train import Part, TrainingData

    rng, classes = np.random.default_rng(0), len(source.recipe.labels or ()) or 10
    preprocess = source.recipe.preprocess
    assert isinstance(preprocess, ImagePreprocess)

    def part(count: int) -> Part:
        images = rng.integers(0, 256, (count, *image_size(source), 3), dtype=np.uint8)
        return Part((images,), (np.arange(count) % classes).astype(np.int64))

    return TrainingData("random images", part(max(train, 256)), part(scored), part(scored), preprocess)


def compare(model: str, options: argparse.Namespace) -> list[Row]:
    """A row for each route, its steps taken in turns."""
    from mobilekit.environment import describe

    load, made = os.getloadavg()[0], []
    numbers = [options.amp, str(options.batch), str(options.threads), str(options.steps)]
    with contextlib.ExitStack() as stack:
        workers = {}
        for route in ROUTES:
            command = [sys.executable, __file__, "--worker", model, route, *numbers]
            worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.enter_context(worker)
            stack.callback(worker.kill)
            workers[route] = worker
            answer(worker)
        taken: dict[str, list[Any]] = {route: [] for route in ROUTES}
        for turn in range(options.turns + 1):  # the first warms up
            for route, worker in workers.items():
                assert worker.stdin is not None
                print("go", file=worker.stdin, flush=True)
                found = json.loads(answer(worker))
                if turn:
                    taken[route].append(found)
    environment = describe()
    for route, turns in taken.items():
        made.append(
            Row(
                model=model,
                route=route,
                amp=options.amp,
                batch=options.batch,
                threads=options.threads,
                turns=len(turns),
                seconds=[one for turn in turns for one in turn["seconds"]],
                cpu_seconds=[one for turn in turns for one in turn["cpu_seconds"]],
                peak_megabytes=max(turn["peak_megabytes"] for turn in turns),
                processor=f"{environment.machine.processor}, {environment.machine.cores} cores",
                versions=", ".join(
                    f"{name} {environment.packages[name]}" for name in ("torch", "torchao", "executorch")
                ),
                load_before=round(load, 1),
                taken=datetime.now(UTC).strftime("%Y-%m-%d"),
            )
        )
        print(f"{model} {route} {options.amp}: {1e3 * statistics.median(made[-1].seconds):.0f} ms", file=sys.stderr)
    return made


def answer(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None
    line = worker.stdout.readline()
    if not line:
        raise SystemExit(f"the process of {' '.join(map(str, worker.args))} ended")  # type: ignore[arg-type]
    return line


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Markdown: medians, quartiles, and the ratio to the float steps of the same run."""
    yield "# A step of training for int8\n"
    yield "`python benchmarks/qat_step.py`: a step of training (batch, augmentation, forward, backward, optimizer) in"
    yield "float, by `mobilekit train --qat`, and by PT2E's own QAT; zoo models at 32x32, in turns, each in a process"
    yield "of its own. Milliseconds of CPU time, median (quartiles), which other programs stretch less than the clock;"
    yield "ratios are to float's median. Where the load before was above one, the clock tells that load.\n"
    for row in rows[:1]:
        yield f"{row.processor}; {row.versions}; taken {row.taken}.\n"
    columns = (
        "model, precision, route, batch, threads, CPU ms a step, ratio, ratio by the clock, peak MB, steps, load before"
    )
    yield f"| {columns.replace(', ', ' | ')} |"
    yield "|-|-|-|-|-|-|-|-|-|-|-|"
    for row in rows:
        key = (row.model, row.amp, row.batch)
        base = next((one for one in rows if one.route == "float" and (one.model, one.amp, one.batch) == key), None)
        low, middle, high = statistics.quantiles((1e3 * one for one in row.cpu_seconds), n=4)
        ratios = ["", ""]
        if base is not None and base is not row:
            pairs = ((row.cpu_seconds, base.cpu_seconds), (row.seconds, base.seconds))
            ratios = [f"{statistics.median(mine) / statistics.median(theirs):.2f}" for mine, theirs in pairs]
        precision = "float32" if row.amp == "off" else row.amp
        yield (
            f"| {row.model} | {precision} | {ROUTES[row.route]} | {row.batch} | {row.threads} "
            f"| {middle:.0f} ({low:.0f} to {high:.0f}) | {ratios[0]} | {ratios[1]} | {row.peak_megabytes:.0f} "
            f"| {len(row.seconds)} | {row.load_before} |"
        )


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        model, route, amp, *numbers = sys.argv[2:]
        work(model, route, amp, *map(int, numbers))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=MODELS, help="zoo names of image classifiers")
    parser.add_argument("--amp", choices=("off", "bf16"), default="off")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5, help="of a turn; its first is not counted")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="only print the page of what is there")
    options = parser.parse_args()
    lines = options.out.read_text(encoding="utf-8").splitlines() if options.out.exists() else []
    rows = {row.key: row for row in (Row(**json.loads(line)) for line in lines)}
    for model in () if options.table else options.models:
        rows |= {row.key: row for row in compare(model, options)}
        text = "".join(json.dumps(asdict(row)) + "\n" for row in rows.values())
        options.out.write_text(text, encoding="utf-8")
    print("\n".join(table(list(rows.values()))))


if __name__ == "__main__":
    main()
