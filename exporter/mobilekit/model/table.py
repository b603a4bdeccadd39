"""The zoo's table in docs/models.md. `python -m mobilekit.model.table` counts all models anew and prints it."""

from __future__ import annotations

from mobilekit.model.resolve import resolve
from mobilekit.model.size import record_sizes
from mobilekit.model.zoo import ZooModel, short, zoo_folder, zoo_models, zoo_names


def markdown_table(models: tuple[ZooModel, ...]) -> str:
    """The table of docs/models.md."""
    rows = ["| model | what it is | input | parameters | MACs | accuracy |", "|-|-|-|-|-|-|"]
    for one in models:
        size = f"{short(one.size.parameters)} | {short(one.size.macs)}"
        rows.append(f"| `{one.name}` | {one.recipe.summary} | {one.input} | {size} | {one.accuracy} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Write sizes.json beside the models, and print the table."""
    folders = [zoo_folder() / name for name in zoo_names()]
    record_sizes({folder: resolve(str(folder)) for folder in folders}, zoo_folder())
    print(markdown_table(zoo_models()), end="")


if __name__ == "__main__":
    main()
