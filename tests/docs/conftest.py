"""README, CONTRIBUTING, CHANGELOG and docs/ as pages: their fenced blocks, inline code, links and headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
_FILE_NAME = re.compile(r"# ([\w./-]+\.\w+)\n")


@dataclass(frozen=True)
class Block:
    """A fenced block. `file` is the name on its first line, for example `# net.py`."""

    page: str
    line: int
    language: str
    code: str

    @property
    def file(self) -> str | None:
        found = _FILE_NAME.match(self.code)
        return found.group(1) if found else None

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Page:
    """One Markdown file; `name` is its path in the repository."""

    name: str
    text: str

    @property
    def path(self) -> Path:
        return ROOT / self.name

    def blocks(self, *languages: str) -> list[Block]:
        """The fenced blocks in any of `languages`, or all."""
        found = [
            Block(self.name, self.text.count("\n", 0, one.start()) + 1, one.group(1), one.group(2))
            for one in _FENCE.finditer(self.text)
        ]
        return [block for block in found if not languages or block.language in languages]

    def section(self, heading: str) -> Page:
        """The page from the heading `## heading` to the next of that level."""
        _, found, rest = self.text.partition(f"\n## {heading}\n")
        assert found, f"{self.name} has no section {heading!r}"
        return Page(self.name, rest.partition("\n## ")[0])

    @property
    def prose(self) -> str:
        """The text without fenced blocks."""
        return _FENCE.sub("", self.text)

    def inline_code(self) -> list[str]:
        return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", self.prose)

    def links(self) -> list[str]:
        return re.findall(r"\]\(([^()\s]+)\)", re.sub(r"`[^`\n]*`", "", self.prose))

    def anchors(self) -> set[str]:
        """The anchors of the headings, as GitHub makes them."""
        headings = re.findall(r"^#+ (.+)$", self.prose, flags=re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture(scope="session")
def pages() -> dict[str, Page]:
    """Every page by its path in the repository."""
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return {
        name: Page(name, file.read_text(encoding="utf-8"))
        for file in sorted(files)
        for name in [file.relative_to(ROOT).as_posix()]
    }


@pytest.fixture(scope="session")
def readme(pages: dict[str, Page]) -> Page:
    return pages["README.md"]
