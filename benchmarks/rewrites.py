"""What the rewrites gain: each architecture lowered to XNNPACK by ExecuTorch's stock route and by ours, in one run.

    python benchmarks/rewrites.py --images PHOTOS shufflenet_v2_x1_0 efficientnet_b0 vit_b_32 > rewrites.jsonl
    python benchmarks/rewrites.py --table rewrites.jsonl > benchmarks/results/rewrites.md

Both files run in turns, each alone in a process that waits while the other is timed, at batch 1 and the published input
size. Prints a JSON line for each: delegates, portable kernels, SQNR against eager, the median latency of each turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import torch
from breadth_worker import CALIBRATION, LIFE, TEST, bring_to_life, images, outputs

from mobilekit.bundle.pte import read_pte
from mobilekit.capture import capture
from mobilekit.environment import describe, version_of
from mobilekit.lower.xnnpack import Xnnpack
from mobilekit.model import resolve
from mobilekit.quantize import pt2e, quantize
from mobilekit.quiet import quiet
from mobilekit.runners import Effort, Worker
from mobilekit.spec import parse_inputs
from mobilekit.verify.metrics import distance

TURNS = 7


def stock_quantizer() -> Any:
    """ExecuTorch's quantizer as it comes."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )

    return XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))


def compare(name: str, folder: Path, side: int | None, schemes: list[str], threads: int) -> list[dict[str, Any]]:
    """One record for each scheme."""
    inputs = parse_inputs([f"image:1,3,{side},{side}"]) if side else None
    source = resolve(f"torchvision:{name}", inputs=inputs)
    module, pixels = source.build(), source.recipe.inputs[0].shape[-1]
    assert isinstance(pixels, int)
    samples = images(folder, pixels, LIFE + CALIBRATION + TEST, source.recipe.preprocess)
    test = samples[LIFE + CALIBRATION :]
    with quiet():
        bring_to_life(module, torch.cat(samples[:LIFE]))
        captured = capture(module, source.recipe.inputs, example=(test[0],))
        with torch.no_grad():
            reference = [outputs(captured, sample) for sample in test]
    ours, records = pt2e.quantizer, []
    for scheme in schemes:
        with tempfile.TemporaryDirectory() as place:
            files = {"stock": Path(place) / "stock.pte", "ours": Path(place) / "ours.pte"}
            for route, file in files.items():
                pt2e.quantizer = stock_quantizer if route == "stock" else ours
                program = captured.program
                if scheme == "int8":
                    batches = [(sample,) for sample in samples[LIFE : LIFE + CALIBRATION]]
                    program = quantize(captured, batches).program
                target = Xnnpack(rewrites={}) if route == "stock" else Xnnpack()
                target.lower(program, scheme, file, inputs=captured.inputs, outputs=captured.outputs)
            pt2e.quantizer = ours
            records.append({"name": name, "scheme": scheme, "side": pixels, "threads": threads})
            records[-1].update(timed(files, test, reference, threads))
    return records


def timed(files: dict[str, Path], test: list[Any], reference: list[Any], threads: int) -> dict[str, Any]:
    """What each file is and how fast, the two in turns."""
    found: dict[str, Any] = {}
    with Worker("pte", files["stock"], threads=threads) as stock, Worker("pte", files["ours"], threads=threads) as ours:
        workers = {"stock": stock, "ours": ours}
        for route, worker in workers.items():
            summary = read_pte(files[route])
            apart = distance(reference, worker.run([(sample.numpy(),) for sample in test]))
            found[route] = {
                "delegates": len(summary.delegates),
                "portable_nodes": summary.portable_nodes,
                "sqnr_db": apart.sqnr_db and round(apart.sqnr_db, 1),
                "median_ms": [],
            }
        for _ in range(TURNS):
            for route, worker in workers.items():
                timing = worker.time((test[0].numpy(),), Effort(warmup=3, min_runs=15, min_seconds=0.3))
                found[route]["median_ms"].append(round(statistics.median(timing.nanoseconds) / 1e6, 3))
    ratios = [a / b for a, b in zip(found["stock"]["median_ms"], found["ours"]["median_ms"], strict=True)]
    return {**found, "times_faster": round(statistics.median(ratios), 2), "ratios": [round(one, 2) for one in ratios]}


HEAD = "| architecture | input | scheme | route | delegates | portable kernels | SQNR, dB | median, ms | faster by |"


def page(records: list[dict[str, Any]]) -> str:
    """The records as a Markdown page."""
    versions = ", ".join(f"{name} {version}" for name, version in records[0]["versions"].items())
    lines = [
        "# What the rewrites gain",
        "",
        "Made by `python benchmarks/rewrites.py`: the stock route (ExecuTorch's quantizer, nothing rewritten) beside",
        f"mobilekit's, in turns on {records[0]['processor']}, {records[0]['threads']} thread(s), batch 1; {versions}.",
        "Weights are random, brought to life on photographs as for docs/torchvision.md. *Faster by* is the median over",
        "the turns of stock time over ours, with the lowest and the highest turn; below 1 the stock route is faster.",
        "",
        HEAD,
        "|" + "-|" * (HEAD.count("|") - 1),
    ]
    for one in records:
        for route in ("stock", "ours"):
            found = one[route]
            gain = f"{one['times_faster']:.2f}x ({min(one['ratios']):.2f} to {max(one['ratios']):.2f})"
            cells = [f"`{one['name']}`", one["side"], one["scheme"], route, found["delegates"], found["portable_nodes"]]
            cells += [found["sqnr_db"], statistics.median(found["median_ms"]), gain if route == "ours" else ""]
            lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--images", type=Path)
    parser.add_argument("--table", type=Path, help="print the page of these records; runs nothing")
    parser.add_argument("--side", type=int)
    parser.add_argument("--scheme", action="append", choices=("fp32", "int8"))
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    if args.table:
        print(page([json.loads(line) for line in args.table.read_text(encoding="utf-8").splitlines()]))
        return
    if args.images is None or not args.names:
        parser.error("--images and at least one architecture are needed")
    versions = {package: version_of(package) for package in ("torch", "torchvision", "executorch", "torchao")}
    same = {"versions": versions, "processor": describe().machine.processor}
    for name in args.names:
        for record in compare(name, args.images, args.side, args.scheme or ["fp32", "int8"], args.threads):
            print(json.dumps({**record, **same}), flush=True)


if __name__ == "__main__":
    main()
