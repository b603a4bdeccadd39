"""What a search finds beyond plain float and plain int8: `mobilekit tune` on one model after another.

    python benchmarks/tuned.py resnet20 runs/vit_tiny --data imagefolder:CIFAR10 --trials 16
    python benchmarks/tuned.py --table > benchmarks/results/tuned.md

A line of JSON for each model, the search's whole result, goes to benchmarks/results/tuned.jsonl (--out), where a line
of the same model is replaced. What follows `--more` is handed to `mobilekit tune`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from mobilekit.report.tuned import Finalist, TuneResult

RESULTS = Path(__file__).resolve().parent / "results" / "tuned.jsonl"
HEAD = "| model | candidates | winner | its ms | best plain XNNPACK, ms | best plain of all, ms | race | test, points |"


def tuned(model: str, options: argparse.Namespace, place: Path) -> str:
    """The search's result, one line of JSON. Its study and bundle go to `place`."""
    out = place / "winner"
    command = [sys.executable, "-m", "mobilekit", "tune", model, "--json", "-o", str(out), "--force"]
    command += ["--data", options.data] if options.data else []
    command += ["--trials", str(options.trials), "--threads", str(options.threads), "-t", "xnnpack", "-t", "onnx"]
    command += ["--storage", str(place / "study.db"), "--plot", str(place / "front.svg"), *options.more]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"{model}: mobilekit tune ended with {done.returncode}")
    result = json.loads(done.stdout)
    places = {field: Path(result[field]).name for field in ("storage", "bundle", "plot") if result[field]}
    return json.dumps({**result, **places})


def page(results: Sequence[TuneResult]) -> str:
    """The results as a Markdown page."""
    first = results[0].environment
    versions = ", ".join(f"{name} {version}" for name, version in first.packages.items())
    lines = [
        "# What a search finds",
        "",
        "`python benchmarks/tuned.py`: `mobilekit tune` over XNNPACK and ONNX Runtime with all their schemes, at most",
        f"{results[0].max_drop:g} points of top-1 to lose, on {first.machine.processor} with {first.machine.cores}",
        f"cores; {versions}.",
        "",
        "*Plain* is float or int8 as `mobilekit export` makes them. Milliseconds are medians of the finals, all in",
        "turns in one run. *Race*: the winner's time over that of the best plain artifact of any target, in pairs of",
        "new processes, with the interval that holds at every look; a winner that is itself plain raced against",
        "nothing. *Test, points*: of top-1, lost by the winner's bundle on test data, which nothing was chosen by.",
        "",
        HEAD,
        "|" + "-|" * (HEAD.count("|") - 1),
        *(_line(result) for result in results),
        "",
    ]
    for result in results:
        lines += [f"{result.model}: finalists", ""]
        lines += [
            f"- {one.trial.name}: {one.median_ms:.3f} ms (IQR {one.iqr_ms:.3f}), {one.verdict}"
            for one in result.finalists
        ]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _line(result: TuneResult) -> str:
    winner = next(_winning(result))
    plain = [one for one in result.finalists if one.trial.plain]
    xnnpack = min((one.median_ms for one in plain if one.trial.target == "xnnpack"), default=None)
    best = min((one.median_ms for one in plain), default=None)
    race = ""
    if winner.against_plain is not None and winner.against_plain_ci is not None:
        interval = winner.against_plain_ci
        race = f"{winner.against_plain:.3f} ({interval.low:.3f} to {interval.high:.3f}), {winner.sessions} pairs"
    drop = f"{result.test.drop_points:+.2f} of {result.test.samples:,}" if result.test else ""
    cells = (
        result.model,
        str(len(result.trials)),
        winner.trial.name,
        f"{winner.median_ms:.3f}",
        f"{xnnpack:.3f}" if xnnpack else "",
        f"{best:.3f}" if best else "",
        race,
        drop,
    )
    return f"| {' | '.join(cells)} |"


def _winning(result: TuneResult) -> Iterator[Finalist]:
    """The winner among the finalists."""
    assert result.winner is not None
    return (one for one in result.finalists if one.trial.sha256 == result.winner.sha256)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help="zoo names or runs")
    parser.add_argument("--data")
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="only print the page of what is there")
    parser.add_argument("--more", nargs=argparse.REMAINDER, default=[], help="the last one: options of mobilekit tune")
    options = parser.parse_args()
    for model in options.models:
        with tempfile.TemporaryDirectory() as place:
            line = tuned(model, options, Path(place))
        name = TuneResult.model_validate_json(line).model
        lines = options.out.read_text(encoding="utf-8").splitlines() if options.out.exists() else []
        kept = [one for one in lines if TuneResult.model_validate_json(one).model != name]
        options.out.write_text("".join(f"{one}\n" for one in [*kept, line]), encoding="utf-8")
    lines = options.out.read_text(encoding="utf-8").splitlines()
    print(page([TuneResult.model_validate_json(one) for one in lines]), end="")


if __name__ == "__main__":
    main()
