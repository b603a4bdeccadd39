"""coreml: checking a program once, before it is written, leaves the file as it is."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from mobilekit.files import files_below, sha256
from mobilekit.lower import coreml, target


def hashes(folder: Path) -> dict[str, str]:
    """Of all but the list of what is inside, whose identifiers are drawn anew each time."""
    return {path.name: sha256(path) for path in files_below(folder) if path.name != "Manifest.json"}


@pytest.mark.slow
def test_checked_once_it_is_the_same_file(case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from coremltools.converters.mil.mil.passes.pass_pipeline import PassPipelineManager
    from coremltools.converters.mil.mil.program import Program

    checked = []
    validate = Program.validate

    def counted(program: object, **options: object) -> None:
        checked.append(options)
        validate(program, **options)

    monkeypatch.setattr(Program, "validate", counted)
    before = vars(PassPipelineManager)["apply_pipeline"]
    counts, made = [], []
    for name, block in (("once", coreml.checked_at_the_end), ("often", contextlib.nullcontext)):
        monkeypatch.setattr(coreml, "checked_at_the_end", block)
        path, captured = tmp_path / f"{name}.mlpackage", case.captured
        checked.clear()
        target("coreml").lower(case.programs["int8"], "int8", path, inputs=captured.inputs, outputs=captured.outputs)
        counts.append(len(checked))
        made.append(hashes(path))
    assert made[0] == made[1]
    assert {"model.mlmodel", "weight.bin"} <= set(made[0])
    assert 1 <= counts[0] < 5
    assert counts[1] > 50
    assert vars(PassPipelineManager)["apply_pipeline"] is before
