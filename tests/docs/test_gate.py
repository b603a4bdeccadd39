"""docs/gate.md shows budgets that validate and the defaults that are; the composite action runs the real command."""

from __future__ import annotations

import re
import shlex
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from mobilekit.gate import Budgets, GateBudgets, load_budgets
from mobilekit.gate.verdicts import Finding, GateResult

ROOT = Path(__file__).resolve().parents[2]
ACTION = ROOT / ".github" / "actions" / "gate" / "action.yml"


def test_the_pages_budgets_are_budgets(pages: dict[str, Any], tmp_path: Path) -> None:
    (block,) = pages["docs/gate.md"].blocks("toml")
    (tmp_path / "pyproject.toml").write_text(block.code)
    found, _ = load_budgets(tmp_path / "pyproject.toml")
    assert found.of("xnnpack", "int8").accuracy_points == 1.0
    assert tomllib.loads(block.code)["tool"]["mobilekit"]["gate"]["latency_percent"] == GateBudgets().latency_percent


def test_the_table_of_budgets_is_the_codes(pages: dict[str, Any]) -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", pages["docs/gate.md"].section("Budgets").text, flags=re.MULTILINE)
    assert {name: float(default) for name, default in rows} == Budgets().model_dump()


def test_every_field_of_the_json_is_named(pages: dict[str, Any]) -> None:
    named = set(pages["docs/gate.md"].section("The JSON").inline_code())
    assert {*GateResult.model_fields, *Finding.model_fields} <= named


def script() -> tuple[str, list[str]]:
    """The action's script, and the variables that it is given."""
    text = ACTION.read_text(encoding="utf-8")
    head, _, body = text.partition("      run: |\n")
    assert body and "${{" not in body, "inputs pasted into a script could become commands"
    return "\n".join(line[8:] for line in body.splitlines()), re.findall(r"^ {8}([A-Z_]+): \$\{\{", head, re.MULTILINE)


def test_the_action_is_yaml_whose_variables_are_its_inputs() -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    action = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    assert action["runs"]["using"] == "composite"
    (step,) = action["runs"]["steps"]
    assert sorted(step["env"].values()) == sorted(f"${{{{ inputs.{name} }}}}" for name in action["inputs"])
    assert step["run"] == script()[0] + "\n"


@pytest.mark.parametrize(
    ("code", "inconclusive", "ends", "verdict"),
    [
        (0, "warn", 0, "pass"),
        (1, "warn", 1, "regression"),
        (3, "warn", 0, "inconclusive"),
        (3, "fail", 3, "inconclusive"),
        (6, "warn", 6, None),
    ],
)
def test_the_actions_script(tmp_path: Path, code: int, inconclusive: str, ends: int, verdict: str | None) -> None:
    """With a stand-in that notes its words; that the real command takes them is checked below."""
    stand_in = tmp_path / "mobilekit"
    stand_in.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {shlex.quote(str(tmp_path / "words"))}\nexit {code}\n')
    stand_in.chmod(stand_in.stat().st_mode | stat.S_IXUSR)
    text, variables = script()
    given = dict.fromkeys(variables, "") | {
        "BASELINE": "git:main; echo no",
        "CANDIDATE": "new bundle",
        "BUILD": "make 'it' {output}",
        "MAX_SECONDS": "90",
        "JUNIT": "gate.xml",
        "BUDGETS": "gate.toml",
        "INCONCLUSIVE": inconclusive,
        "GITHUB_OUTPUT": str(tmp_path / "output"),
    }
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", **given}
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", text], env=environment, cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == ends, done.stderr
    output = tmp_path / "output"
    assert (output.read_text() if output.exists() else None) == (f"verdict={verdict}\n" if verdict else None)
    words = (tmp_path / "words").read_text().splitlines()
    assert words[:3] == ["gate", "git:main; echo no", "new bundle"]
    import typer

    from mobilekit.cli.app import app

    root: Any = typer.main.get_command(app)
    context = root.commands["gate"].make_context("gate", words[1:])
    assert context.params["build"] == "make 'it' {output}"
    assert context.params["max_seconds"] == 90


@pytest.mark.parametrize("name", ["digits_cnn", "resnet20"])
def test_the_committed_baselines_are_read(name: str) -> None:
    from mobilekit.pipeline.sides import side_of

    side = side_of(ROOT / "benchmarks" / "baselines" / f"{name}.json")
    assert {("xnnpack", "int8"), ("onnx", "fp32")} <= {one.variant for one in side.figures}
    assert all(
        one.bytes and one.agreement and one.passed is not False for one in side.figures if one.target != "coreml"
    )
    assert [one for one in side.figures if one.target == "xnnpack" and one.delegated_share != 1] == []


def test_the_trial_says_how_it_is_used() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "gate_trial.py", "--table", "--results", "/dev/null"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "regression [95 %]" in done.stdout
