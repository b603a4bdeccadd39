"""Keep what a training leaves as evidence: its report, curves and epochs, with the command that makes them again.

    python benchmarks/keep_run.py runs/resnet20 models/resnet20

writes benchmarks/results/training/resnet20/ (report.md, curves.png, metrics.jsonl). Of several seeds the one that
`mobilekit publish` takes is kept. Folders of this machine are left out of what is written.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from mobilekit.model import load_run_card
from mobilekit.pipeline.publishing import chosen_run, command_of, portable
from mobilekit.report.run import CURVES, run_markdown
from mobilekit.spec import load_recipe
from mobilekit.train.metrics import METRICS, read_metrics

RESULTS = Path(__file__).resolve().parent / "results" / "training"


def keep(run: Path, folder: Path) -> Path:
    """Copy the evidence of `run`, a training of the model in `folder`. Returns where it is."""
    chosen, seeds = chosen_run(run)
    card, recipe = load_run_card(chosen), load_recipe(folder / "recipe.toml")
    place = RESULTS / recipe.name
    place.mkdir(parents=True, exist_ok=True)
    for name in (CURVES, METRICS):
        shutil.copyfile(chosen / name, place / name)
    lines = [run_markdown(card.model_copy(update={"data": portable(card.data)}), read_metrics(chosen))]
    lines += ["## The command", "", "```sh", command_of(card, recipe, seeds), "```"]
    if seeds is not None:
        lines += ["", "## Seeds", "", "| seed | test top-1 |", "|-|-|"]
        lines += [f"| {one.seed} | {one.test_top1:.2%} |" for one in seeds.runs]
    (place / "report.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return place


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    print(keep(args.run, args.folder))


if __name__ == "__main__":
    main()
