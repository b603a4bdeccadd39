"""The table of causes as docs/inspect.md has it: `python -m mobilekit.inspection.causes_table` prints it."""

from __future__ import annotations

from mobilekit.inspection.causes import causes


def table_markdown() -> str:
    """The table in Markdown."""
    lines = ["| cause | operators | why | cure | seen at |", "|-|-|-|-|-|"]
    for cause in causes().cause:
        operators = ", ".join(f"`{one}`" for one in cause.operators)
        conditions = [f"a tensor of {' or '.join(cause.dtypes)}"] if cause.dtypes else []
        conditions += ["a size that varies"] if cause.dynamic else []
        conditions += [f"{cause.rank} dimensions"] if cause.rank is not None else []
        when = f" with {' and '.join(conditions)}" if conditions else ""
        seen = ", ".join(f"[{_short(one)}]({one})" for one in cause.references)
        cells = (cause.id, operators + when, cause.why, cause.cure, seen)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _short(reference: str) -> str:
    """`executorch 7960` for a thread, the page's name for a page."""
    parts = reference.removesuffix(".html").split("/")
    return f"{parts[-3]} {parts[-1]}" if parts[-2] in ("issues", "pull") else parts[-1]


if __name__ == "__main__":
    print(table_markdown(), end="")
