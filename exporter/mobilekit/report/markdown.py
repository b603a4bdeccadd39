"""Markdown: report.md, for people: warnings, results, evidence, checks, files, what to do next. And a short form."""

from __future__ import annotations

import re
from collections import Counter

from mobilekit.bundle.manifest import Artifact, Manifest
from mobilekit.report import table
from mobilekit.report.caveats import caveats
from mobilekit.report.templates import template
from mobilekit.report.verdict import verdicts
from mobilekit.spec.tensor import TensorSpec

# An underscore inside a word is no markup.
_SPECIAL = re.compile(r"([\\`*{}\[\]<>#|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")


def report_markdown(manifest: Manifest) -> str:
    """The content of report.md. Names from the user's side are escaped, so that they cannot become markup."""
    return template("report.md.j2", _FILTERS, autoescape=False).render(
        m=manifest,
        rows=table.result_rows(manifest),
        verdicts=verdicts(manifest),
        warnings=caveats(manifest),
        batch=table.batch_of(manifest),
    )


def pull_request_markdown(manifest: Manifest) -> str:
    """The verdicts in one table, short enough for a pull request. Names are escaped here too."""
    rows = {(row.target, row.precision): row for row in table.result_rows(manifest)}
    artifacts = {(one.target, one.scheme): one for one in manifest.artifacts}
    lines = [
        (verdict, rows[verdict.target, verdict.precision], artifacts[verdict.target, verdict.precision])
        for verdict in verdicts(manifest)
    ]
    counts = Counter(verdict.kind for verdict, _, _ in lines if verdict.kind != "reference")
    kinds = ", ".join(f"{count} × {kind}" for kind, count in counts.items()) or "nothing to ship"
    page = template("pull_request.md.j2", _FILTERS, autoescape=False)
    return page.render(m=manifest, lines=lines, kinds=kinds, warnings=caveats(manifest))


def _text(value: object) -> str:
    """Plain text on one line, also inside a table cell."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(value).split()))


def _code(value: object) -> str:
    """A code span; what would end the span or the table cell is replaced."""
    return "`" + " ".join(str(value).split()).replace("`", "'").replace("|", "\\|") + "`"


def _runtime(artifact: Artifact) -> str:
    """`ExecuTorch 1.5.1 or later`"""
    names = {"executorch": "ExecuTorch", "onnxruntime": "ONNX Runtime", "coreml": "Core ML of"}
    return f"{names.get(artifact.runtime, artifact.runtime)} {artifact.minimum_runtime} or later"


def _shape(tensor: TensorSpec) -> str:
    return f"{tensor.name}: {tensor.dtype} {tensor.describe()}"


# The output is Markdown, not HTML: nothing is escaped by itself, and `text` and `code` escape for it.
_FILTERS = (("text", _text), ("code", _code), ("shape", _shape), ("runtime", _runtime))
