"""The house: what each module may import, what stays cheap, what is declared. Read from the code itself by ast.

STAGES is the one list of stages, in order: a module imports only from its own stage and from those above it.
CONTRIBUTING.md shows the same list as a map, and a test below holds the two together.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import mobilekit

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "exporter" / "mobilekit"

STAGES = (
    "errors",
    "registry",
    "files",
    "spec.base",
    "environment",
    "cache",
    "progress",
    "quiet",
    "usercode",
    "tracing",
    "spec",
    "bundle",
    "preprocess",
    "data",
    "model",
    "train",
    "capture",
    "quantize",
    "lower",
    "runners",
    "verify",
    "bench",
    "gate",
    "inspection",
    "doctor",
    "embed",
    "report",
    "pipeline",
    "cli",
)
FRONT = ("mobilekit", "mobilekit.__main__")
"""The package's own front door, which names what lies behind it lazily. Below, only `__version__` is taken from it."""

HEAVY = {"torch", "torchvision", "torchao", "executorch", "onnx", "onnxruntime", "onnxscript", "coremltools", "sklearn"}
NOT_IMPORTED_BY_NAME = {
    "onnxscript": "torch.onnx is written in it",
    "tensorboard": "torch.utils.tensorboard writes with it",
}
COMES_WITH = {"protobuf": "onnx, whose messages it reads"}
MOST_LINES = 320


@dataclass(frozen=True)
class Import:
    """One import: who, where, and which module of ours or of others."""

    module: str
    line: int
    target: str


def module_name(path: Path) -> str:
    parts = ("mobilekit", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py")) if "zoo" not in path.parts}


def imports_of(module: str, source: str) -> Iterator[Import]:
    """Every import of `source`, also inside functions, under TYPE_CHECKING, and as a module's name in a string."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: relative imports hide where they go"
            for alias in node.names:
                yield Import(module, node.lineno, _meant(node.module or "", alias.name))
        elif isinstance(node, ast.Constant) and node.value in SOURCES and node.value != "mobilekit":
            yield Import(module, node.lineno, str(node.value))


def read() -> Iterator[tuple[str, str]]:
    """Every module of the package with its source."""
    for module, path in SOURCES.items():
        yield module, path.read_text(encoding="utf-8")


def _meant(place: str, name: str) -> str:
    """`from place import name` as the module that it reaches."""
    if place == "mobilekit" and name in mobilekit._LAZY:
        return mobilekit._LAZY[name]
    return f"{place}.{name}" if f"{place}.{name}" in SOURCES else place


def stage_of(module: str) -> str | None:
    """The stage that owns a module: the longest one that its name begins with. None for the front door."""
    inner = module.removeprefix("mobilekit.")
    owners = [stage for stage in STAGES if inner == stage or inner.startswith(f"{stage}.")]
    return max(owners, key=len, default=None)


def against_the_stream(module: str, source: str) -> list[str]:
    """The imports of `source` that reach a later stage, in words."""
    mine = stage_of(module)
    if mine is None:
        return []
    found = []
    for one in imports_of(module, source):
        theirs = stage_of(one.target) if one.target.startswith("mobilekit.") else None
        if theirs is not None and STAGES.index(theirs) > STAGES.index(mine):
            found.append(f"{module}:{one.line} ({mine}) imports {one.target} ({theirs}, a later stage)")
    return found


def test_every_module_belongs_to_a_stage_and_every_stage_exists() -> None:
    assert [module for module in SOURCES if stage_of(module) is None] == list(FRONT)
    assert [stage for stage in STAGES if f"mobilekit.{stage}" not in SOURCES] == []


def test_a_module_imports_only_from_its_own_stage_and_those_before_it() -> None:
    assert [line for module, source in read() for line in against_the_stream(module, source)] == []


@pytest.mark.parametrize(
    "source",
    [
        "import mobilekit.lower\n",
        "from mobilekit.lower.onnx import Onnx\n",
        "from mobilekit import lower\n",
        "from mobilekit import export\n",
        "def late():\n    from mobilekit.lower import TARGETS\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from mobilekit.lower import Target\n",
        "import importlib\nimportlib.import_module('mobilekit.lower')\n",
    ],
)
def test_the_check_sees_an_import_wherever_it_stands(source: str) -> None:
    assert against_the_stream("mobilekit.capture", source)
    assert against_the_stream("mobilekit.cli.export", source) == []


def test_contributing_shows_the_same_stages_in_the_same_order() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    house = text.partition("\n## The map of the house\n")[2].partition("\n## ")[0]
    assert tuple(re.findall(r"^\| `([a-z.]+)` \|", house, flags=re.MULTILINE)) == STAGES


def imported_at_once(source: str) -> set[str]:
    """The top-level packages that importing `source` imports itself."""
    top = [node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [alias.name for node in top if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in top if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


def test_the_runtimes_are_imported_late() -> None:
    assert {module: early for module, source in read() if (early := HEAVY & imported_at_once(source))} == {}
    assert imported_at_once("import torch.nn\nfrom onnx import helper\n") == {"torch", "onnx"}


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("mobilekit", HEAVY | {"numpy", "PIL", "pydantic"}),
        ("mobilekit.spec", HEAVY | {"numpy", "PIL"}),
        ("mobilekit.bundle", HEAVY | {"numpy", "PIL"}),
        ("mobilekit.bundle.manifest", HEAVY | {"numpy", "PIL"}),
        ("mobilekit.cli.main", HEAVY | {"numpy", "PIL"}),
        ("mobilekit.cli.app", HEAVY | {"numpy", "PIL"}),
        ("mobilekit.pipeline", HEAVY),
        ("mobilekit.runners.worker", HEAVY),
    ],
)
def test_importing_it_is_cheap(module: str, unwanted: set[str]) -> None:
    code = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert unwanted.isdisjoint(done.stdout.split())


def declared() -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = map(Requirement, project["dependencies"])
    return {canonicalize_name(one.name): one for one in requirements}


def third_party() -> dict[str, Import]:
    """The distributions that the package imports, each with one place where it does."""
    providers = packages_distributions()
    found: dict[str, Import] = {}
    for module, source in read():
        for one in imports_of(module, source):
            top = one.target.partition(".")[0]
            if top != "mobilekit" and top not in sys.stdlib_module_names:
                found.setdefault(canonicalize_name(providers.get(top, [top])[0]), one)
    return found


def test_what_is_imported_is_declared() -> None:
    known = {**declared(), **COMES_WITH}
    assert {name: one for name, one in third_party().items() if name not in known} == {}


def test_what_is_declared_is_used() -> None:
    unused = set(declared()) - set(third_party())
    assert unused == set(NOT_IMPORTED_BY_NAME)


def test_a_module_says_on_its_first_line_what_it_is() -> None:
    assert [module for module, source in read() if not _opens_with_a_sentence(source)] == []


def _opens_with_a_sentence(source: str) -> bool:
    docstring = ast.get_docstring(ast.parse(source)) or ""
    return source.startswith('"""') and docstring.partition("\n")[0].endswith(".")


def test_no_module_is_too_long_to_read() -> None:
    assert {module: lines for module, source in read() if (lines := source.count("\n")) > MOST_LINES} == {}
