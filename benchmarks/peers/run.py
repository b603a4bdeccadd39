"""The same trained model through mobilekit and through its peers: accuracy, latency, bytes, export time, in one run.

    python benchmarks/peers/run.py setup                 make the peers' environments (litert, openvino, ncnn)
    python benchmarks/peers/run.py setup litert          one of them, again where it is there already
    python benchmarks/peers/run.py run resnet20 --data imagefolder:CIFAR10
    python benchmarks/peers/run.py run RUN_FOLDER --data imagefolder:CIFAR10 --test 200 --sessions 1
    python benchmarks/peers/run.py page                  write the page of what has been run; runs nothing

MODEL is anything that `mobilekit export` takes and that has trained weights, one input and class scores. Contenders:
mobilekit's .pte and .onnx, ExecuTorch's own recipe, ONNX Runtime's quantize_static, LiteRT, OpenVINO with NNCF, ncnn.
The first four live in mobilekit's own environment. The other environments take some 7 GB in mobilekit's cache
($MOBILEKIT_CACHE or ~/.cache/mobilekit), less where uv links what it has already. A peer that is not set up, or that
does not convert or run a model, gets a row that says why.

Records go to results/peers.jsonl, the page to results/peers.md. Run it on an idle machine: the page
tells if it was not.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import environments
import numpy as np
from contenders import chosen
from material import EAGER, LABELS, Material, answer_eagerly, prepare
from measuring import answer, convert, export_onnx, time_in_turns
from processes import RefusedError
from table import page, read

from mobilekit.bundle.write import utc_now
from mobilekit.environment import describe, source_commit
from mobilekit.errors import MobilekitError
from mobilekit.files import storage_errors, write_atomically

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "results" / "peers.jsonl"


def main() -> None:
    args = _arguments()
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # so that nothing is left behind
    try:
        if args.command == "setup":
            set_up(args.names)
            return
        if args.command == "run":
            compare(args)
        write_page(args.results)
    except RefusedError as error:
        raise SystemExit(str(error)) from None
    except MobilekitError as error:
        raise SystemExit(f"{error.message}\nhint: {error.hint}" if error.hint else error.message) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    setup = commands.add_parser("setup", help="make the peers' environments, by uv or by venv and pip")
    setup.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(environments.names())}; default: all")
    run = commands.add_parser("run", help="compare all contenders on a model")
    run.add_argument("model", metavar="MODEL", help="a zoo model, a model folder, or the folder of a run")
    run.add_argument(
        "--data", required=True, metavar="DATA", help="as in mobilekit export: imagefolder:PATH, digits ..."
    )
    run.add_argument("--test", type=_count, default=1000, metavar="N", help="test samples (1000)")
    run.add_argument("--calibration", type=_count, default=256, metavar="N", help="calibration samples (256)")
    run.add_argument("--sessions", type=_count, default=3, metavar="N", help="of timing, with new processes each (3)")
    run.add_argument("--rounds", type=_count, default=20, metavar="N", help="turns of each contender in a session (20)")
    run.add_argument(
        "--only", nargs="+", metavar="NAME", help="these contenders; ours too, where none of ours is named"
    )
    shown = commands.add_parser("page", help="write the page of what has been run")
    for one in (run, shown):
        one.add_argument(
            "--results", type=Path, default=RESULTS, metavar="FILE", help="JSON lines; the page lies beside"
        )
    return parser.parse_args()


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def set_up(names: list[str]) -> None:
    known = environments.names()
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"no environment is called {', '.join(unknown)}; there are {', '.join(known)}")
    for name in names or known:
        if not names and environments.python_of(name):
            say(f"{name} is there: {environments.folder_of(name)}")
            continue
        say(f"setting up {name}")
        environments.set_up(name)


def compare(args: argparse.Namespace) -> None:
    """All contenders on one model; the records are appended at the end, all or none."""
    contenders = chosen(args.only)
    with storage_errors(args.results):  # now, and not after all the work
        args.results.parent.mkdir(parents=True, exist_ok=True)
    by_name = {one.name: one for one in contenders}
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        say(f"preparing {args.model}")
        material = prepare(args.model, args.data, calibration=args.calibration, test=args.test, folder=Path(folder))
        answer_eagerly(material)
        say("exporting the float ONNX file")
        onnx = export_onnx(material)
        rows = []
        for contender in contenders:
            say(f"{contender.name}: converting")
            rows += convert(contender, args.model, material, onnx)
        answer(rows, by_name, material, say)
        before = os.getloadavg()[0]
        noise = time_in_turns(rows, by_name, material, sessions=args.sessions, rounds=args.rounds, say=say)
        run = _run(args, replace(material, onnx=onnx), noise, before)
    for row in rows:
        row.pop("files", None)
    kept = args.results.read_text(encoding="utf-8") if args.results.exists() else ""
    new = [run, *({"kind": "row", "run": run["run"], **row} for row in rows)]
    write_atomically(args.results, kept + "".join(json.dumps(one) + "\n" for one in new))


def _run(args: argparse.Namespace, material: Material, noise: dict[str, Any], before: float) -> dict[str, Any]:
    """The record of a run: what its rows have in common."""
    here = describe()
    answers, labels = np.load(material.folder / EAGER), np.load(material.folder / LABELS)
    return {
        "kind": "run",
        "run": uuid.uuid4().hex[:12],
        "date": str(utc_now()),
        "model": material.model,
        "data": material.data,
        "parameters": material.parameters,
        "shape": material.shape,
        "eager": float((answers.argmax(1) == labels).mean()),
        "onnx_export": material.onnx,
        "sessions": args.sessions,
        "rounds": args.rounds,
        "noise": noise,
        "load_before": before,
        "load_after": os.getloadavg()[0],
        "machine": here.machine.model_dump(),
        "python": platform.python_version(),
        "mobilekit": here.mobilekit,
        "commit": source_commit(HERE) or "unknown",
    }


def write_page(results: Path) -> None:
    path = results.with_suffix(".md")
    write_atomically(path, page(read(results)))
    say(f"wrote {path}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
