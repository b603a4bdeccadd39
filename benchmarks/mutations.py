"""Broken and hostile artifacts: thousands of mutations of real files, each run as users would, and how each ended.

    python benchmarks/mutations.py BUNDLE --only native >> benchmarks/results/mutations.jsonl     one runner
    python benchmarks/mutations.py --table benchmarks/results/mutations.jsonl > benchmarks/results/mutations.md

BUNDLE is what `mobilekit export` wrote. A mutation is a cut, a few flipped bits, a word of a size field's extremes, a
block of zeros, two blocks exchanged, or another version or magic. Each is drawn from its number alone, and given to the
runner in a process that is not this one, with a time limit of 60 s: a new one whenever the last has ended, and after 50
mutations. `--only inspect` has each artifact of the bundle read by `mobilekit inspect`, which executes nothing, in this
very process. What must never happen: an end of this process, an error that is not mobilekit's own, or one without a
message. Every line of the results is one runner with one file.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from mobilekit.bundle import Bundle
from mobilekit.bundle.manifest import Artifact
from mobilekit.environment import describe
from mobilekit.errors import MobilekitError
from mobilekit.inspection import inspect_artifact
from mobilekit.runners import Array, Worker

SUFFIX = {"pte": ".pte", "native": ".pte", "onnx": ".onnx", "eager": ".pt2"}
INSPECT = "inspect"
PACKAGE, PROTOBUF = ".mlpackage", Path("Data", "com.apple.CoreML", "model.mlmodel")
WORDS = (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\x00\x00\x00\x00", b"\x01\x00\x00\x00")
TIME_LIMIT_S, MOST_IN_ONE = 60, 50


def mutated(whole: bytes, number: int) -> tuple[str, bytes]:
    """What was done, and the file after it."""
    chance = random.Random(number)
    data = bytearray(whole)
    kind = chance.choice(["cut", "bits", "word", "zeros", "exchange", "head", "longer"])
    match kind:
        case "cut":
            del data[chance.randrange(len(data)) :]
        case "bits":
            for _ in range(chance.randint(1, 8)):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        case "word":
            at = 4 * chance.randrange(len(data) // 4)
            data[at : at + 4] = chance.choice(WORDS)
        case "zeros":
            at, size = chance.randrange(len(data)), chance.choice([4, 64, 1024])
            data[at : at + size] = bytes(len(data[at : at + size]))
        case "exchange":
            size = min(256, len(data) // 2)
            one, two = (chance.randrange(len(data) - size + 1) for _ in range(2))
            data[one : one + size], data[two : two + size] = data[two : two + size], data[one : one + size]
        case "head":
            at = chance.randrange(min(64, len(data)))
            data[at] = chance.randrange(256)
        case _:
            data += chance.randbytes(chance.choice([1, 64, 4096]))
    return kind, bytes(data)


class Runtime:
    """The runner in a process, started again when that has ended, with an intact artifact to begin with."""

    def __init__(self, runner: str, intact: Path, inputs: tuple[Array, ...]) -> None:
        self._runner, self._intact, self._inputs = runner, intact, inputs
        self._worker: Worker | None = None
        self._loaded = 0

    def __call__(self, path: Path) -> None:
        worker = self._started()
        worker.load(path)
        worker.run([self._inputs])

    def _started(self) -> Worker:
        if self._worker is None or self._worker.pid is None or self._loaded == MOST_IN_ONE:
            self.close()
            self._worker = Worker(self._runner, self._intact, threads=1, timeout_s=TIME_LIMIT_S).__enter__()
            self._loaded = 0
        self._loaded += 1
        return self._worker

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close()


def ending(use: Callable[[Path], object], path: Path) -> str:
    """How it ended, in a word: ran, or what the error's message says of it."""
    try:
        use(path)
    except MobilekitError as error:
        message = error.message
        if not message.strip():
            return "FAULT: no message"
        if "crashed" in message:
            return "crashed, and said so"
        if "within" in message and "was stopped" in message:
            return "stopped after the time limit"
        return "ended by itself, and said so" if "ended by itself" in message else "refused"
    except Exception as error:
        return f"FAULT: {type(error).__name__}: {error}"
    return "ran"


def measured(bundle: Bundle, runner: str, count: int, scheme: str) -> Iterator[dict[str, object]]:
    """A line of the results for each file."""
    if runner == INSPECT:
        for artifact in bundle.manifest.artifacts:
            if artifact.scheme == scheme or artifact.target == "eager":
                yield counted(bundle, artifact, f"{INSPECT} {Path(artifact.file).suffix}", inspect_artifact, count)
        return
    suffix = SUFFIX[runner]
    artifact = next(
        one
        for one in bundle.manifest.artifacts
        if one.file.endswith(suffix) and (one.scheme == scheme or suffix == ".pt2")
    )
    inputs = tuple(bundle.golden_tensor(tensor) for tensor in bundle.manifest.golden[0].inputs)
    with contextlib.closing(Runtime(runner, bundle.artifact_path(artifact), inputs)) as runtime:
        yield counted(bundle, artifact, runner, runtime, count)


def counted(
    bundle: Bundle, artifact: Artifact, runner: str, use: Callable[[Path], object], count: int
) -> dict[str, object]:
    intact, suffix = bundle.artifact_path(artifact), Path(artifact.file).suffix
    place = PROTOBUF if suffix == PACKAGE else Path()
    whole = (intact / place).read_bytes()
    found: Counter[str] = Counter()
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"mutated{suffix}"
        if suffix == PACKAGE:
            shutil.copytree(intact, path)
        for number in range(count):
            _, data = mutated(whole, number)
            (path / place).write_bytes(data)
            start = time.monotonic()
            found[ending(use, path)] += 1
            slowest = max(slowest, time.monotonic() - start)
            if sys.stderr.isatty():
                print(f"\r{runner}: {number + 1} of {count}", end="", file=sys.stderr, flush=True)
    here = describe()
    return {
        "runner": runner,
        "file": artifact.file,
        "bytes": len(whole),
        "mutations": count,
        "endings": dict(found.most_common()),
        "slowest_s": round(slowest, 1),
        "processor": here.machine.processor,
        "packages": {name: here.packages[name] for name in ("executorch", "onnxruntime", "torch")},
    }


def table(lines: list[dict[str, object]]) -> str:
    """The Markdown page, of the last line for each runner."""
    latest = {str(line["runner"]): line for line in lines}
    names = ["ran", "refused", "crashed, and said so", "ended by itself, and said so", "stopped after the time limit"]
    rows = ["| runner | file | mutations | " + " | ".join(names) + " | faults | slowest, s |", "|-|-|" + "-:|" * 8]
    for runner, line in latest.items():
        endings = dict(line["endings"])  # type: ignore[call-overload]
        counts = " | ".join(str(endings.get(name, 0)) for name in names)
        faults = sum(number for name, number in endings.items() if name.startswith("FAULT"))
        rows.append(
            f"| {runner} | {line['file']} | {line['mutations']:,} | {counts} | {faults} | {line['slowest_s']} |"
        )
    missing = ", ".join(sorted(set(SUFFIX) - set(latest))) or "nothing"
    return "\n".join(
        [
            "# Broken and hostile artifacts",
            "",
            "`python benchmarks/mutations.py BUNDLE --only RUNNER` took the figures; its first lines say how. A fault",
            "would be an end of mobilekit itself, a foreign error, or one without a message. `ran` (for `inspect`: was",
            "read): the mutation hit weights or padding, which no format checks; a bundle's hash does.",
            "",
            *rows,
            "",
            f"Not run for this page: {missing}.",
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", nargs="?", type=Path, metavar="BUNDLE")
    parser.add_argument("--only", choices=[INSPECT, *sorted(SUFFIX)], default="native", help="the runner")
    parser.add_argument("--count", type=int, default=2000, metavar="N")
    parser.add_argument("--scheme", default="int8", help="of the artifact")
    parser.add_argument("--table", type=Path, metavar="FILE", help="print the page of these results, run nothing")
    options = parser.parse_args()
    if options.table:
        print(table([json.loads(line) for line in options.table.read_text().splitlines()]), end="")
    elif options.bundle is None:
        parser.error("name a bundle, or --table")
    else:
        for line in measured(Bundle.load(options.bundle), options.only, options.count, options.scheme):
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
