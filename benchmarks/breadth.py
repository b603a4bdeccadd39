"""What of torchvision exports: every family through every target in float32 and int8, as JSON lines and a table.

    python benchmarks/breadth.py --images PHOTOS                  the smallest of each family
    python benchmarks/breadth.py --images PHOTOS swin_t vit_b_32  these
    python benchmarks/breadth.py --images PHOTOS --all            every architecture: hours
    python benchmarks/breadth.py --table docs/torchvision.md      write the table of what has been run; runs nothing

Each architecture runs in a process of its own with a time limit. What is in the results already is skipped, so that a
sweep can be stopped and gone on with; --again measures it anew. PHOTOS is any folder of images: they bring random
weights to life (see breadth_worker.py), calibrate int8, and are what outputs are compared on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mobilekit.environment import version_of

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "breadth.jsonl"
TARGETS, SCHEMES = ("xnnpack", "onnx", "coreml"), ("fp32", "int8")
PACKAGES = ("torch", "torchvision", "executorch", "torchao", "onnx", "onnxruntime", "coremltools")

SMALLEST = {
    "classification": {
        "alexnet": "alexnet",
        "squeezenet": "squeezenet1_1",
        "shufflenet_v2": "shufflenet_v2_x0_5",
        "mnasnet": "mnasnet0_5",
        "mobilenet_v2": "mobilenet_v2",
        "mobilenet_v3": "mobilenet_v3_small",
        "vgg": "vgg11_bn",
        "resnet": "resnet18",
        "resnext": "resnext50_32x4d",
        "wide_resnet": "wide_resnet50_2",
        "regnet_x": "regnet_x_400mf",
        "regnet_y": "regnet_y_400mf",
        "densenet": "densenet121",
        "googlenet": "googlenet",
        "inception": "inception_v3",
        "efficientnet_b": "efficientnet_b0",
        "efficientnet_v2": "efficientnet_v2_s",
        "convnext": "convnext_tiny",
        "vit": "vit_b_32",
        "swin_": "swin_t",
        "swin_v2": "swin_v2_t",
        "maxvit": "maxvit_t",
    },
    "segmentation": {
        "lraspp": "lraspp_mobilenet_v3_large",
        "deeplabv3": "deeplabv3_mobilenet_v3_large",
        "fcn": "fcn_resnet50",
    },
    "detection": {
        "ssdlite": "ssdlite320_mobilenet_v3_large",
        "ssd300": "ssd300_vgg16",
        "retinanet": "retinanet_resnet50_fpn",
        "fcos": "fcos_resnet50_fpn",
        "fasterrcnn": "fasterrcnn_mobilenet_v3_large_320_fpn",
        "maskrcnn": "maskrcnn_resnet50_fpn",
        "keypointrcnn": "keypointrcnn_resnet50_fpn",
    },
}
"""Families by the beginning of their names, each with its smallest architecture."""

NATIVE = ("alexnet", "vgg", "vit", "swin", "maxvit", "ssd")
"""Their graph depends on the input's size: pooling to 6x6, position embeddings, windows, anchors."""
SMALL = {"classification": 96, "segmentation": 128, "detection": 320}
"""Elsewhere a smaller input gives the same graph in less time."""


def families(name: str) -> tuple[str, str]:
    """(task, family) of an architecture, the longest beginning that fits. Raises SystemExit for a name without one."""
    starts = [(task, start) for task, known in SMALLEST.items() for start in known if name.startswith(start)]
    if not starts:
        raise SystemExit(
            f"{name} is in none of the families: " + ", ".join(start for known in SMALLEST.values() for start in known)
        )
    return max(starts, key=lambda one: len(one[1]))


def side_of(name: str) -> int:
    """The side of the square input that `name` is run with."""
    task, family = families(name)
    if not family.startswith(NATIVE):
        return SMALL[task]
    from mobilekit.model.torchvision import recipe_for

    size = recipe_for(name, None, None).inputs[0].shape[-1]
    assert isinstance(size, int)
    return size


def everything() -> list[str]:
    """All of torchvision's classifiers, segmenters and detectors."""
    from torchvision import models

    return [
        name for module in (models, models.segmentation, models.detection) for name in models.list_models(module=module)
    ]


def read(results: Path) -> list[dict[str, Any]]:
    """The records so far; of several for the same artifact, the last."""
    if not results.exists():
        return []
    latest: dict[tuple[str, str, str], dict[str, Any]] = {}
    for line in results.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        latest[record["name"], record["target"], record["scheme"]] = record
    return list(latest.values())


def measure(name: str, pairs: Sequence[tuple[str, str]], images: Path, limit_s: float) -> Iterable[dict[str, Any]]:
    """One record per pair, from a process of its own. What it did not get to says why."""
    side = side_of(name)
    command = [sys.executable, str(HERE / "breadth_worker.py"), name, "--side", str(side), "--images", str(images)]
    for target, scheme in pairs:
        command += ["--pair", f"{target}:{scheme}"]
    task, family = families(name)
    same = {"name": name, "task": task, "family": family, "side": side}
    same["versions"] = {package: version_of(package) for package in PACKAGES}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            out, err = process.communicate(timeout=limit_s)
            ending = {"status": "crashed", "error": f"exit {process.returncode}: {_last_line(err)}"}
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            ending = {"status": "time limit", "error": f"not done within {limit_s:g} s"}
    done = [json.loads(line) for line in out.splitlines() if line.startswith("{") and line.endswith("}")]
    made = {(record["target"], record["scheme"]) for record in done}
    missing = [{"target": pair[0], "scheme": pair[1], **ending} for pair in pairs if pair not in made]
    return [{**same, **record} for record in (*done, *missing)]


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="architectures or tasks; default: the smallest of each family")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--images", type=Path)
    parser.add_argument("--target", action="append", choices=TARGETS)
    parser.add_argument("--scheme", action="append", choices=SCHEMES)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--limit-s", type=float, default=900)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--table", type=Path)
    args = parser.parse_args()
    if args.table:
        from breadth_table import page

        args.table.write_text(page(read(args.results)), encoding="utf-8")
        return
    if args.images is None:
        parser.error("--images: a folder of images is needed")
    names = everything() if args.all else _expanded(args.names)
    args.results.parent.mkdir(parents=True, exist_ok=True)
    for name in names:
        there = set() if args.again else {(r["name"], r["target"], r["scheme"]) for r in read(args.results)}
        wanted = [(t, s) for t in args.target or TARGETS for s in args.scheme or SCHEMES if (name, t, s) not in there]
        if not wanted:
            continue
        started = time.perf_counter()
        records = measure(name, wanted, args.images, args.limit_s)
        with args.results.open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(record) + os.linesep for record in records)
        print(f"{name}: {time.perf_counter() - started:.0f} s")
        for record in records:
            print("  " + _line(record), flush=True)


def _expanded(names: Sequence[str]) -> list[str]:
    """Tasks as their families' smallest; nothing as all of them."""
    chosen = names or list(SMALLEST)
    return [one for name in chosen for one in (SMALLEST[name].values() if name in SMALLEST else [name])]


def _line(record: dict[str, Any]) -> str:
    head = f"{record['target']} {record['scheme']}: {record['status']}"
    if record["status"] != "ok":
        return f"{head} ({record.get('stage', '')}) {record['error'][:200]}"
    portable = ", ".join(f"{name} {count}" for name, count in record.get("portable", {}).items())
    quality = "" if record["sqnr_db"] is None else f", {record['sqnr_db']} dB"
    delegates = f", {record['delegates']} delegates" if "delegates" in record else ""
    return f"{head}, {record['seconds_lower']} s{quality}{delegates}" + (f", portable: {portable}" if portable else "")


if __name__ == "__main__":
    main()
