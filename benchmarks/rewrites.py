"""What is gained on XNNPACK: each model lowered by ExecuTorch's own recipe and by ours, in one run.

    python benchmarks/rewrites.py --data imagefolder:CIFAR10 resnet20 torchvision:efficientnet_b0 > rewrites.jsonl
    python benchmarks/rewrites.py --table rewrites.jsonl > benchmarks/results/rewrites.md

Both files run in turns, each alone in a process that waits while the other is timed, at batch 1; in three sessions with
new processes. Prints a JSON line for each scheme: delegates, portable kernels, SQNR against eager, each turn's median
latency. Weights are the model's trained ones; where there are none, random ones, brought to life on the data first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch
from breadth_worker import LIFE, bring_to_life, outputs
from stock.route import quantized, to_pte, xnnpack_quantizer

from mobilekit.bundle.pte import read_pte
from mobilekit.capture import capture
from mobilekit.data import materialize, open_dataset, subset
from mobilekit.environment import describe, version_of
from mobilekit.lower.xnnpack import Xnnpack
from mobilekit.model import resolve
from mobilekit.quantize import quantize
from mobilekit.quiet import quiet
from mobilekit.runners import Effort, Worker
from mobilekit.verify.metrics import distance

SESSIONS, TURNS = 3, 3
"""New processes for each session: where the system puts a file's weights in memory is worth some percent."""
CALIBRATION, TEST = 64, 64


def compare(model: str, data: str, schemes: list[str], threads: int) -> list[dict[str, Any]]:
    """One record for each scheme."""
    source = resolve(model)
    recipe = source.recipe
    dataset = open_dataset(data, labels=recipe.labels if source.trained else None)  # an untrained one knows no classes
    drawn = {"train": LIFE + CALIBRATION, "test": TEST}
    train, test = (
        list(torch.from_numpy(samples.inputs[0]).split(1))
        for split, count in drawn.items()
        for samples in [materialize(subset(dataset.split(split), count, seed=0), recipe.inputs, recipe.preprocess)]
    )
    module = source.build().eval()
    with quiet():
        if not source.trained:
            bring_to_life(module, torch.cat(train[:LIFE]))
        fixed = tuple(one.model_copy(update={"shape": (1, *one.shape[1:])}) for one in recipe.inputs)
        with torch.no_grad():
            plain = torch.export.export(module, (test[0],))
        captured = capture(module, fixed, example=(test[0],))  # one at a time, as the recipe's users have it
        with torch.no_grad():
            reference = [outputs(captured, sample) for sample in test]
    calibration, records = [(sample,) for sample in train[LIFE:]], []
    for scheme in schemes:
        with tempfile.TemporaryDirectory() as place:
            files = {"stock": Path(place) / "stock.pte", "ours": Path(place) / "ours.pte"}
            stock, program = plain, captured.program
            if scheme == "int8":
                with quiet(), torch.no_grad():
                    stock = quantized(plain, xnnpack_quantizer(), calibration)
                program = quantize(captured, calibration).program
            with quiet():
                to_pte(stock, files["stock"])
            Xnnpack().lower(program, scheme, files["ours"], inputs=captured.inputs, outputs=captured.outputs)
            shape = "x".join(str(size) for size in test[0].shape[1:])
            records.append({"name": recipe.name, "trained": source.trained, "scheme": scheme, "input": shape})
            records[-1].update(threads=threads, **timed(files, test, reference, threads))
    return records


def timed(files: dict[str, Path], test: list[Any], reference: list[Any], threads: int) -> dict[str, Any]:
    """What each file is and how fast, the two in turns."""
    found: dict[str, Any] = {}
    for _ in range(SESSIONS):
        with (
            Worker("pte", files["stock"], threads=threads) as stock,
            Worker("pte", files["ours"], threads=threads) as ours,
        ):
            workers = {"stock": stock, "ours": ours}
            if not found:
                found = {route: described(files[route], worker, test, reference) for route, worker in workers.items()}
            for _ in range(TURNS):
                for route, worker in workers.items():
                    timing = worker.time((test[0].numpy(),), Effort(warmup=3, min_runs=15, min_seconds=0.3))
                    found[route]["median_ms"].append(round(statistics.median(timing.nanoseconds) / 1e6, 3))
    ratios = [a / b for a, b in zip(found["stock"]["median_ms"], found["ours"]["median_ms"], strict=True)]
    return {**found, "times_faster": round(statistics.median(ratios), 2), "ratios": [round(one, 2) for one in ratios]}


def described(file: Path, worker: Worker, test: list[Any], reference: list[Any]) -> dict[str, Any]:
    summary = read_pte(file)
    apart = distance(reference, worker.run([(sample.numpy(),) for sample in test]))
    return {
        "delegates": len(summary.delegates),
        "portable_nodes": summary.portable_nodes,
        "sqnr_db": apart.sqnr_db and round(apart.sqnr_db, 1),
        "median_ms": [],
    }


HEAD = "| model | input | scheme | route | delegates | portable kernels | SQNR, dB | median, ms | faster by |"


def page(records: list[dict[str, Any]]) -> str:
    """The records as a Markdown page."""
    versions = ", ".join(f"{name} {version}" for name, version in records[0]["versions"].items())
    lines = [
        "# XNNPACK: ExecuTorch's own recipe and ours",
        "",
        "Made by `python benchmarks/rewrites.py`: ExecuTorch's quantizer and partitioner by the documented steps,",
        f"nothing rewritten, beside mobilekit's, in turns on {records[0]['processor']},",
        f"{records[0]['threads']} thread(s), batch 1; {versions}.",
        "*Faster by* is the median over the turns of stock time over ours, with the lowest and the highest turn; below",
        "1 the stock route is faster. SQNR is on 64 test pictures. A model with a star is untrained: random weights,",
        "brought to life on pictures as for docs/torchvision.md, whose SQNR in int8 says nothing of trained ones.",
        "",
        HEAD,
        "|" + "-|" * (HEAD.count("|") - 1),
    ]
    for one in records:
        for route in ("stock", "ours"):
            found = one[route]
            gain = f"{one['times_faster']:.2f}x ({min(one['ratios']):.2f} to {max(one['ratios']):.2f})"
            name = f"`{one['name']}`" + ("" if one["trained"] else " *")
            cells = [name, one["input"], one["scheme"], route, found["delegates"], found["portable_nodes"]]
            cells += [found["sqnr_db"], statistics.median(found["median_ms"]), gain if route == "ours" else ""]
            lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help="anything that mobilekit export takes")
    parser.add_argument("--data", metavar="DATA", help="as in mobilekit export: imagefolder:PATH, digits ...")
    parser.add_argument("--table", type=Path, help="print the page of these records; runs nothing")
    parser.add_argument("--scheme", action="append", choices=("fp32", "int8"))
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    if args.table:
        print(page([json.loads(line) for line in args.table.read_text(encoding="utf-8").splitlines()]))
        return
    if args.data is None or not args.models:
        parser.error("--data and at least one model are needed")
    versions = {package: version_of(package) for package in ("torch", "torchvision", "executorch", "torchao")}
    same = {"versions": versions, "processor": describe().machine.processor}
    for model in args.models:
        for record in compare(model, args.data, args.scheme or ["fp32", "int8"], args.threads):
            print(json.dumps({**record, **same}), flush=True)


if __name__ == "__main__":
    main()
