"""Swift sources as syntax trees: what the tests of ios-demo ask of them. Never compiles: often there is no compiler.

tree-sitter's grammar says whether a file is Swift at all. The checks beside it are for mistakes that it lets pass and
that a compiler would not: they are few, and no proof that the rest compiles.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import tree_sitter
import tree_sitter_swift

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "ios-demo"
PACKAGE = DEMO / "MobileKitRuntime"
APP = DEMO / "app"
_DECLARES = ("class_declaration", "protocol_declaration", "function_declaration", "typealias_declaration")


@dataclass(frozen=True)
class Place:
    """Where something stands, for messages."""

    path: Path
    node: tree_sitter.Node

    def __str__(self) -> str:
        row, column = self.node.start_point
        return f"{self.path.relative_to(DEMO)}:{row + 1}:{column + 1}: {text(self.node)[:60]!r}"


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.swift") if ".build" not in path.parts)


@lru_cache(maxsize=256)
def tree(path: Path) -> tree_sitter.Node:
    """The root of a file's tree."""
    return parsed(path.read_bytes())


def parsed(source: bytes) -> tree_sitter.Node:
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_swift.language()))
    return parser.parse(source).root_node


def text(node: tree_sitter.Node) -> str:
    return (node.text or b"").decode()


def nodes(node: tree_sitter.Node, *kinds: str) -> Iterator[tree_sitter.Node]:
    """This node and all below it, of these kinds (of all kinds where none is named)."""
    if not kinds or node.type in kinds:
        yield node
    for child in node.children:
        yield from nodes(child, *kinds)


def broken(node: tree_sitter.Node) -> list[tree_sitter.Node]:
    """What is no Swift, and what is missing."""
    return [one for one in nodes(node) if one.is_error or one.is_missing]


def redeclared(node: tree_sitter.Node) -> list[tree_sitter.Node]:
    """`guard let x` beside a local `let x` in one scope: a compiler refuses the second."""
    found = []
    for block in nodes(node, "statements"):
        seen: set[str] = set()
        for statement in block.children:
            names = _guarded(statement) if statement.type == "guard_statement" else _bound(statement)
            found += [statement for name in names if name in seen and statement.type == "guard_statement"]
            seen.update(names)
    return found


def _guarded(statement: tree_sitter.Node) -> list[str]:
    condition = text(statement).split(" else ")[0].split("\n        else")[0]
    return re.findall(r"\b(?:let|var) (\w+)", condition)


def _bound(statement: tree_sitter.Node) -> list[str]:
    if statement.type != "property_declaration":
        return []
    return re.findall(r"^(?:let|var) (\w+)", text(statement))


def misplaced_tries(node: tree_sitter.Node) -> list[tree_sitter.Node]:
    """`a ? b : try c` and `a ?? try b`: `try` must stand to the left of the operator."""
    found = []
    for one in nodes(node, "ternary_expression", "nil_coalescing_expression", "additive_expression"):
        found += [child for child in one.named_children[1:] if child.type == "try_expression"]
    return found


def top_level_names(node: tree_sitter.Node) -> list[str]:
    """Types and functions that a file declares at its top, extensions left out."""
    names = []
    for child in node.children:
        if child.type in _DECLARES:
            declared = child.child_by_field_name("name")
            if declared is not None and declared.type in ("type_identifier", "simple_identifier"):
                names.append(text(declared))
    return names


def identifiers(node: tree_sitter.Node) -> set[str]:
    return {text(one) for one in nodes(node, "simple_identifier", "type_identifier")}


def imports(node: tree_sitter.Node) -> set[str]:
    return {text(one).split()[-1] for one in nodes(node, "import_declaration")}


def callee(node: tree_sitter.Node) -> str:
    """The name that the nearest call around `node` calls: `Text`, `navigationTitle`, `String`."""
    at = node.parent
    while at is not None:
        if at.type == "call_expression":
            return text(at.children[0]).split(".")[-1].split("<")[0]
        if at.type in ("statements", "class_body", "lambda_literal"):
            return ""
        at = at.parent
    return ""


def label(node: tree_sitter.Node) -> str:
    """The label of the argument that `node` stands in; empty where it has none."""
    at: tree_sitter.Node | None = node
    while at is not None and at.type != "value_argument":
        if at.type in ("statements", "class_body", "lambda_literal"):
            return ""
        at = at.parent
    if at is None:
        return ""
    named = next((child for child in at.children if child.type == "value_argument_label"), None)
    return text(named) if named is not None else ""


def localized_key(literal: tree_sitter.Node) -> str:
    """The literal as a catalog's key: what is interpolated is a string everywhere in this app, hence %@."""
    key = ""
    for child in literal.named_children:
        key += "%@" if child.type == "interpolated_expression" else text(child)
    return key.replace("\\n", "\n").replace('\\"', '"')
