"""The tables of docs/schemes.md. `python -m mobilekit.lower.table` prints them, from what the targets say."""

from __future__ import annotations

from collections.abc import Mapping

from mobilekit.lower.target import Target
from mobilekit.lower.targets import TARGETS
from mobilekit.quantize.schemes import SCHEMES


def overview(targets: Mapping[str, Target]) -> str:
    """Scheme by target: the lowest runtime, or "no"."""
    rows = [f"| scheme | what it is | {' | '.join(targets)} |", f"|-|-|{'-|' * len(targets)}"]
    for name, scheme in SCHEMES.items():
        cells = [_cell(target, name) for target in targets.values()]
        rows.append(f"| `{name}` | {scheme.summary} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def details(target: Target) -> str:
    """How this target makes each scheme, and when that pays."""
    rows = ["| scheme | how it is made | when it pays |", "|-|-|-|"]
    rows += [f"| `{name}` | {one.how} | {one.pays} |" for name, one in target.schemes.items()]
    return "\n".join(rows) + "\n"


def _cell(target: Target, scheme: str) -> str:
    if scheme not in target.schemes:
        return "no"
    return target.schemes[scheme].minimum_runtime or "yes"


def main() -> None:
    """Print all of them."""
    print(overview(TARGETS))
    for name, target in TARGETS.items():
        print(f"### {name}\n\n{details(target)}")


if __name__ == "__main__":
    main()
