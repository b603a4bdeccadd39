"""How long an export takes beside the stock route done tool by tool, side by side in one run, in turns.

    python benchmarks/export_time.py                      both models, three rounds: some 20 minutes
    python benchmarks/export_time.py --rounds 1 mobilenet_v2
    python benchmarks/export_time.py --one-process        also without processes beside (docs/decisions/0012)

The stock route is three processes, one for each tool (benchmarks/stock/route.py); ours is one `mobilekit export` with
the same targets and schemes. Both start from torchvision's module with random weights at 224x224 and calibrate on
eight random inputs. Ours also verifies every artifact in its runtime and writes the report, which the stock route does
not. Timed is the whole of each process, imports included, by the clock and in seconds of CPU time with all that it
started. Writes results/export-time.jsonl, a line for each run, and results/export-time.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
MODELS = ("mobilenet_v2", "efficientnet_b0")
TOOLS = ("executorch", "onnx", "coreml")
SERIAL = "cold, one process"
ROUTES = {
    "stock": "the three tools, one after the other, each in a process of its own; Core ML's int8 by Apple's quantizer"
    " of weights and activations, as ours is (int8 weights alone would be quicker, and are another scheme)",
    "cold": "`mobilekit export`, nothing in the cache",
    SERIAL: "the same without processes beside",
    "warm": "`mobilekit export` again, as when only the bench settings have changed",
}
AIMS = {"cold": 0.6, "warm": 0.1}
ONE_PROCESS = "from mobilekit.pipeline import making; making.processes_beside = lambda *_: 0; "
RUN = "import sys; sys.argv[0] = 'mobilekit'; from mobilekit.cli.main import run; run()"
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=MODELS, metavar="MODEL", help="torchvision's architectures")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one-process", action="store_true", help="also time an export without processes beside")
    parser.add_argument("--page-only", action="store_true", help="write the page again from the lines that are there")
    options = parser.parse_args()
    lines = RESULTS / "export-time.jsonl"
    if not options.page_only:
        rows = []
        for number in range(options.rounds):
            for model in options.models:
                rows += one_round(model, number, [SERIAL] if options.one_process else [])
                lines.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    rows = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    (RESULTS / "export-time.md").write_text(page(rows), encoding="utf-8")


def one_round(model: str, number: int, more: list[str]) -> list[Row]:
    """Every route once; which of stock and cold begins changes from round to round."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        order = ["stock", "cold", *more]
        rows = [timed(route, model, number, folder) for route in (order if number % 2 == 0 else reversed(order))]
        return [*rows, timed("warm", model, number, folder)]


def timed(route: str, model: str, number: int, folder: Path) -> Row:
    shutil.rmtree(folder / "out", ignore_errors=True)
    variables = {**os.environ, "MOBILEKIT_CACHE": str(folder / route.replace("warm", "cold"))}
    parts: dict[str, Any] = {}
    for name, command in commands(route, model, folder / "out").items():
        before, start = _children(), time.perf_counter()
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        taken = {"seconds": time.perf_counter() - start, "cpu_seconds": _children() - before}
        if done.returncode:
            sys.exit(f"{route} {model} {name} ended with {done.returncode}\n{done.stderr[-3000:]}")
        parts[name] = taken
    row = {"model": model, "route": route, "round": number, "load": os.getloadavg()[0], "parts": parts}
    row |= {key: sum(part[key] for part in parts.values()) for key in ("seconds", "cpu_seconds")}
    print(f"{model} {route}: {row['seconds']:.1f} s, CPU {row['cpu_seconds']:.1f} s", file=sys.stderr, flush=True)
    return row


def commands(route: str, model: str, out: Path) -> dict[str, list[str]]:
    if route == "stock":
        return {tool: [sys.executable, str(HERE / "stock" / "route.py"), tool, model, str(out)] for tool in TOOLS}
    program = (ONE_PROCESS if route == SERIAL else "") + RUN
    wanted = [word for target in ("xnnpack", "onnx", "coreml") for word in ("-t", target)]
    arguments = ["export", f"torchvision:{model}", *wanted, "-q", "fp32", "-q", "int8", "--no-bench", "-o", str(out)]
    return {"mobilekit": [sys.executable, "-c", program, *arguments]}


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def page(rows: list[Row]) -> str:
    from mobilekit.environment import describe

    here = describe()
    versions = ", ".join(f"{name} {version}" for name, version in here.packages.items())
    loads = [row["load"] for row in rows]
    rounds = 1 + max(row["round"] for row in rows)
    text = [
        "# Export time",
        "",
        "`python benchmarks/export_time.py` writes this page. Float and int8 for xnnpack, onnx and coreml at 224x224,",
        f"{rounds} round(s), in turns, on {here.machine.processor} with {here.machine.cores} cores; {versions}.",
        "",
        *(f"- **{name}**: {meaning}." for name, meaning in ROUTES.items()),
        "",
        "Medians (lowest to highest) of whole processes. Ours includes verifying all artifacts and the report.",
        "Benching comes on top. The ratio is that of the medians to the stock route's; in brackets, that of CPU time.",
        f"The machine's load was {min(loads):.1f} to {max(loads):.1f}: above {here.machine.cores}, other programs took"
        " part of the cores, and the clock says little.",
        "",
        "| model | route | n | clock, s | CPU, s | of stock | aim |",
        "|-|-|-|-|-|-|-|",
    ]
    for model in dict.fromkeys(row["model"] for row in rows):
        stock = [row for row in rows if (row["model"], row["route"]) == (model, "stock")]
        for route in ROUTES:
            mine = [row for row in rows if (row["model"], row["route"]) == (model, route)]
            if mine:
                text.append(line(model, route, mine, stock))
    text += [
        "",
        "The stock route by tool, median seconds (CPU):",
        "",
        "| model | tool | clock, s | CPU, s |",
        "|-|-|-|-|",
    ]
    for model in dict.fromkeys(row["model"] for row in rows):
        stock = [row for row in rows if (row["model"], row["route"]) == (model, "stock")]
        for tool in TOOLS:
            seconds, cpu = ([row["parts"][tool][key] for row in stock] for key in ("seconds", "cpu_seconds"))
            text.append(f"| {model} | {tool} | {statistics.median(seconds):.1f} | {statistics.median(cpu):.1f} |")
    missing = [model for model in MODELS if not any(row["model"] == model for row in rows)]
    if missing:
        text += ["", f"Not measured yet: {', '.join(missing)}."]
    if rounds < 3:
        text += ["", f"{rounds} round(s) show no spread. Whether the aims are reached, an idle machine has to say."]
    return "\n".join(text) + "\n"


def line(model: str, route: str, mine: list[Row], stock: list[Row]) -> str:
    shown, ratios = [], []
    for key in ("seconds", "cpu_seconds"):
        values, other = sorted(row[key] for row in mine), statistics.median(row[key] for row in stock)
        shown.append(f"{statistics.median(values):.1f} ({values[0]:.1f} to {values[-1]:.1f})")
        ratios.append(statistics.median(values) / other)
    aim = AIMS.get(route)
    verdict = "" if aim is None else f"at most {aim}: {'reached' if ratios[0] <= aim else 'missed'}"
    ratio = "1" if route == "stock" else f"{ratios[0]:.2f} ({ratios[1]:.2f})"
    return f"| {model} | {route} | {len(mine)} | {shown[0]} | {shown[1]} | {ratio} | {verdict} |"


if __name__ == "__main__":
    main()
