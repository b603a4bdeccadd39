"""Markdown: report.md, for people: warnings, results, evidence, checks, files, what to do next. And a short form."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

from mobilekit.bundle.manifest import Artifact, Manifest
from mobilekit.inspection.summary import size_text
from mobilekit.report import table
from mobilekit.report.caveats import caveats
from mobilekit.report.verdict import verdicts
from mobilekit.spec.tensor import TensorSpec

if TYPE_CHECKING:
    from jinja2 import Template

# An underscore inside a word is no markup.
_SPECIAL = re.compile(r"([\\`*{}\[\]<>#|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")


def report_markdown(manifest: Manifest) -> str:
    """The content of report.md. Names from the user's side are escaped, so that they cannot become markup."""
    return _template("report.md.j2").render(
        m=manifest, rows=table.result_rows(manifest), warnings=caveats(manifest), batch=table.batch_of(manifest)
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
    return _template("pull_request.md.j2").render(m=manifest, lines=lines, kinds=kinds, warnings=caveats(manifest))


@cache
def _template(name: str) -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mobilekit.report", "."),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # The output is Markdown, not HTML; `text` and `code` escape for it.
        autoescape=False,
    )
    environment.filters.update(
        text=_text,
        code=_code,
        figure=table.figure,
        ratio=table.ratio,
        percent=table.percent,
        points=table.points,
        sqnr=table.sqnr,
        shape=_shape,
        runtime=_runtime,
        megabytes=lambda count: table.figure(None if count is None else count / 1e6),
        size=size_text,
    )
    return environment.get_template(name)


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
