"""Calls in Swift sources against the declarations in them: labels in order, none missing, none unknown.

Only names that the sources declare themselves are looked at, each call against every overload of its name, wherever it
is declared: types are not known here. So it finds a label that is wrong or forgotten, and not a wrong type.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import swift_sources as swift
import tree_sitter


@dataclass(frozen=True)
class Parameter:
    label: str
    """`_` where the call has none."""
    optional: bool


Overloads = dict[str, list[tuple[Parameter, ...]]]
_FOREIGN = {"encode", "decode", "write", "read", "load", "answer"}
"""Names of ours that Foundation, ExecuTorch or a closure has as well, with other labels."""


def declarations(roots: Iterable[tree_sitter.Node]) -> Overloads:
    """Functions, initializers (under their type's name; memberwise ones too) and enum cases with values."""
    found: Overloads = defaultdict(list)
    for root in roots:
        for node in swift.nodes(root, "function_declaration", "protocol_function_declaration"):
            found[_name(node)].append(_parameters(node))
        for node in swift.nodes(root, "class_declaration"):
            _declare_type(node, found)
    return dict(found)


def _declare_type(node: tree_sitter.Node, found: Overloads) -> None:
    name = node.child_by_field_name("name")
    body = node.child_by_field_name("body")
    if name is None or body is None:
        return
    own = [child for child in body.children if child.type == "init_declaration"]
    found[swift.text(name)] += [_parameters(one) for one in own]
    kind = node.children[0].type if node.children[0].type != "modifiers" else node.children[1].type
    if kind == "struct" and not own:
        found[swift.text(name)].append(tuple(_memberwise(body)))
    if kind == "class" and not own:
        found[swift.text(name)].append(())


def _memberwise(body: tree_sitter.Node) -> list[Parameter]:
    """What a struct's own initializer takes: each stored property, those with a value only if they can change."""
    members = []
    for node in body.children:
        if node.type != "property_declaration" or any(one.type == "computed_property" for one in node.children):
            continue
        text = swift.text(node)
        modifiers = text.split(" var ")[0].split(" let ")[0] if " " in text else ""
        if "static" in modifiers or "@Environment" in modifiers:
            continue
        pattern = next(one for one in node.children if one.type == "pattern")
        has_value = any(one.type == "=" for one in node.children)
        if has_value and any(one.type == "value_binding_pattern" and swift.text(one) == "let" for one in node.children):
            continue
        members.append(Parameter(swift.text(pattern), has_value or text.rstrip().endswith("?")))
    return members


def _name(node: tree_sitter.Node) -> str:
    return swift.text(next(one for one in node.children if one.type == "simple_identifier"))


def _parameters(node: tree_sitter.Node) -> tuple[Parameter, ...]:
    parameters = []
    children = node.children
    for index, child in enumerate(children):
        if child.type == "parameter":
            label = swift.text(child.children[0])
            parameters.append(Parameter(label, index + 1 < len(children) and children[index + 1].type == "="))
    return tuple(parameters)


def misfits(root: tree_sitter.Node, known: Overloads) -> list[tree_sitter.Node]:
    """Calls of a known name that fit none of its declarations."""
    found = []
    for node in swift.nodes(root, "call_expression"):
        if node.parent is not None and node.parent.type == "call_expression" and node.parent.children[0] == node:
            continue  # with its trailing closure, the call is the node around it
        labels, closures, called = _call(node)
        name = swift.text(called).split(".")[-1].split("<")[0].rstrip("?!")
        if name in _FOREIGN or _is_subscript(node) or labels == ["from"]:  # the last is Decodable's initializer
            continue
        if name in known and not any(_fits(labels, closures, declared) for declared in known[name]):
            found.append(node)
    return found


def _is_subscript(node: tree_sitter.Node) -> bool:
    suffix = swift.text(node.children[-1])
    return suffix.startswith("[") or "(_:" in suffix


def _call(node: tree_sitter.Node) -> tuple[list[str], int, tree_sitter.Node]:
    """Labels of the arguments, how many closures follow them, and what is called."""
    labels: list[str] = []
    closures = 0
    while node.type == "call_expression":
        for part in node.children[1].children if len(node.children) > 1 else ():
            if part.type == "value_arguments":
                labels = [_label(one) for one in part.children if one.type == "value_argument"] + labels
            elif part.type == "lambda_literal":
                closures += 1
        node = node.children[0]
    return labels, closures, node


def _label(argument: tree_sitter.Node) -> str:
    named = next((one for one in argument.children if one.type == "value_argument_label"), None)
    return swift.text(named) if named is not None else "_"


def _fits(labels: list[str], closures: int, declared: tuple[Parameter, ...]) -> bool:
    given = list(labels)
    left = []
    for parameter in declared:
        if given and given[0] == parameter.label:
            given.pop(0)
        else:
            left.append(parameter)
    missing = [parameter for parameter in left if not parameter.optional]
    return not given and (len(missing) <= closures <= len(left))
