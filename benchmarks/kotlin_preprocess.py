"""How long the Kotlin library takes from a 12-megapixel photo to a 224x224 tensor, beside Pillow and numpy.

    mvn -B -q -f android-demo/pom.xml -pl mobilekit test-compile \\
        dependency:build-classpath -Dmdep.outputFile=target/classpath
    python benchmarks/kotlin_preprocess.py > benchmarks/results/kotlin-preprocess.md

Decoded pixels lie in memory on either side; what is timed is resize, crop and normalisation. Each side is a process of
its own with one thread, and they take turns. The JVM has compiled its code when the turns begin; its first call, which
has not, is in a column of its own. That both give the same bits is what the tests are for.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

LIBRARY = Path(__file__).parents[1] / "android-demo" / "mobilekit"
WIDTH, HEIGHT = 4032, 3024
CASES = ("stretch-bilinear", "cover-bilinear", "cover-bicubic", "stretch-lanczos")
WARMUP, ROUNDS, RUNS = 15, 10, 5
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Side:
    """A process that times so many runs of a case for each line that it is sent."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def milliseconds(self, case: str, runs: int) -> list[float]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{case} {runs}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"error: {self._process.args} ended (exit code {self._process.wait()})")
        return [int(one) / 1e6 for one in line.split()]

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


@dataclass
class Found:
    """Timings of one case in milliseconds."""

    first: dict[str, float] = field(default_factory=dict)
    pillow: list[float] = field(default_factory=list)
    kotlin: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)


def photo() -> np.ndarray:
    """A photo of scikit-learn's, enlarged to what a phone's camera takes."""
    from PIL import Image
    from sklearn.datasets import load_sample_images

    flower = Image.fromarray(np.asarray(load_sample_images().images[1]))
    return np.asarray(flower.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


def pillow_side(path: str) -> None:
    """The other process: Pillow resizes, Pillow crops, numpy normalises."""
    from PIL import Image

    pixels = np.fromfile(path, np.uint8).reshape(HEIGHT, WIDTH, 3)
    image = Image.fromarray(pixels)
    image.load()
    for line in sys.stdin:
        case, runs = line.split()
        taken = []
        for _ in range(int(runs)):
            start = time.perf_counter_ns()
            tensor = preprocessed(image, case)
            taken.append(time.perf_counter_ns() - start)
            assert tensor.shape == (1, 3, 224, 224)
        print(*taken, flush=True)


def preprocessed(image, case: str) -> np.ndarray:  # type: ignore[no-untyped-def]
    from PIL import Image

    mode, filter_ = case.split("-")
    size = (224, 224) if mode == "stretch" else (256 * WIDTH // HEIGHT, 256)
    small = image.resize(size, Image.Resampling[filter_.upper()])
    if mode == "cover":
        left, top = (size[0] - 224) // 2, (size[1] - 224) // 2
        small = small.crop((left, top, left + 224, top + 224))
    values = (np.asarray(small, np.float32) / np.float32(255) - np.float32(MEAN)) / np.float32(STD)
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


def kotlin_command(path: str) -> list[str]:
    classpath = LIBRARY / "target" / "classpath"
    if not classpath.is_file():
        raise SystemExit(f"error: {classpath} is not there; the first command of this file's first lines makes it")
    places = [str(LIBRARY / "target" / one) for one in ("classes", "test-classes")]
    libraries = ":".join([*places, classpath.read_text().strip()])
    return [
        "java", "-Xmx800m", "-XX:+UseSerialGC", "-cp", libraries,
        "dev.mobilekit.testing.PreprocessClockKt", path, str(WIDTH), str(HEIGHT),
    ]  # fmt: skip


def measured(rounds: int) -> dict[str, Found]:
    found = {case: Found() for case in CASES}
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "pixels.rgb")
        photo().tofile(path)
        # A JVM for each case's first call: what one case compiles another would find.
        for case in CASES:
            cold = Side(kotlin_command(path))
            found[case].first["kotlin"] = cold.milliseconds(case, 1)[0]
            cold.close()
        kotlin, pillow = Side(kotlin_command(path)), Side([sys.executable, __file__, "--pillow", path])
        for case in CASES:
            found[case].first["pillow"] = pillow.milliseconds(case, 1)[0]
            kotlin.milliseconds(case, WARMUP)
            pillow.milliseconds(case, 2)
            for number in range(rounds):
                sides = [("kotlin", kotlin), ("pillow", pillow)]
                taken = {name: side.milliseconds(case, RUNS) for name, side in sides[:: 1 if number % 2 else -1]}
                found[case].kotlin += taken["kotlin"]
                found[case].pillow += taken["pillow"]
                found[case].ratios.append(float(np.median(taken["kotlin"]) / np.median(taken["pillow"])))
        kotlin.close()
        pillow.close()
    return found


def spread(values: list[float]) -> str:
    low, median, high = np.percentile(values, [25, 50, 75])
    return f"{median:.1f} ({high - low:.1f}, {len(values)})"


def report(found: dict[str, Found]) -> str:
    from mobilekit.environment import describe

    here = describe()
    java = (
        subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr.splitlines()[1].strip()
    )
    lines = [
        "# Preprocessing in Kotlin",
        "",
        f"`python benchmarks/kotlin_preprocess.py` prints this page. A photo of {WIDTH}x{HEIGHT} pixels to a float32",
        "tensor of 1x3x224x224: `stretch` resizes to that, `cover` to 256 on the shorter side and cuts out the middle.",
        f"One thread each, in turns, on {here.machine.processor}; {java}; Pillow {here.packages['pillow']}, "
        f"numpy {here.packages['numpy']}.",
        "Medians in milliseconds (interquartile range, runs); the ratio is the median over rounds, with the lowest and",
        "the highest round.",
        "",
        "| case | Pillow and numpy | Kotlin on the JVM | Kotlin / Pillow | first call: Pillow | Kotlin |",
        "|-|-|-|-|-|-|",
    ]
    for case, one in found.items():
        ratio = f"{np.median(one.ratios):.2f} ({min(one.ratios):.2f} to {max(one.ratios):.2f})"
        first = f"{one.first['pillow']:.0f} | {one.first['kotlin']:.0f}"
        lines.append(f"| {case.replace('-', ', ')} | {spread(one.pillow)} | {spread(one.kotlin)} | {ratio} | {first} |")
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"turns of {RUNS} runs each (default: {ROUNDS})")
    parser.add_argument("--pillow", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.pillow:
        pillow_side(chosen.pillow)
    else:
        print(report(measured(chosen.rounds)))


if __name__ == "__main__":
    main()
