"""Every command in the pages is one that the real command line takes; README's central ones are run."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from mobilekit.cli.app import app
from mobilekit.runners import runner

ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).with_name("mobilekit")
PLACEHOLDERS = re.compile(r"\.\.\.|…")


def refusal(words: list[str], *, complete: bool) -> str | None:
    """Why the command line does not take `mobilekit WORDS`; None when it does. Nothing is executed.

    `complete` false: arguments may be missing, as in `mobilekit export` in the middle of a sentence.
    """
    root: Any = typer.main.get_command(app)
    known = {name for parameter in root.params for name in parameter.opts} | {"--help", "-h"}
    while words and words[0].startswith("-"):
        if words[0] not in known:
            return f"no such option: {words[0]}"
        words = words[1:]
    if not words:
        return None
    if words[0] not in root.commands:
        return f"no such command: {words[0]}"
    try:
        root.commands[words[0]].make_context(words[0], words[1:])
    except typer.Exit:  # --help
        return None
    except Exception as error:
        missing = type(error).__name__ in ("MissingParameter", "NoArgsIsHelpError")
        return None if missing and not complete else f"{type(error).__name__}: {error}"
    return None


def command_lines(code: str) -> Iterator[list[str]]:
    """The words after `mobilekit` of each command line in a sh or console block."""
    prompted = [line[2:] for line in code.splitlines() if line.startswith("$ ")]
    for line in prompted or code.replace("\\\n", " ").splitlines():
        for command in re.split(r"&&|;|\|", line):
            words = shlex.split(command, comments=True)
            if words and words[0].removeprefix(".venv/bin/") == "mobilekit":
                yield words[1:]


def test_every_command_line_is_one_that_the_command_takes(pages: dict[str, Any]) -> None:
    lines = [
        (block.where, words)
        for page in pages.values()
        for block in page.blocks("sh", "console")
        for words in command_lines(block.code)
    ]
    assert len(lines) > 20
    refused = [
        f"{where}: {shlex.join(words)}: {why}" for where, words in lines if (why := refusal(words, complete=True))
    ]
    assert refused == []


def test_every_command_in_a_sentence_exists_with_its_options(pages: dict[str, Any]) -> None:
    spans = [
        (page.name, span)
        for page in pages.values()
        for span in page.inline_code()
        if span.startswith("mobilekit ") and "=" not in span.partition(" ")[2][:2]
    ]
    assert len(spans) > 20
    refused = []
    for name, span in spans:
        words = [word for word in shlex.split(span)[1:] if not PLACEHOLDERS.search(word)]
        if why := refusal(words, complete=False):
            refused.append(f"{name}: {span}: {why}")
    assert refused == []


@pytest.mark.parametrize(
    "words",
    [["exprot", "x"], ["export", "x", "--no-such"], ["export"], ["bench", "x", "--runs", "many"], ["--colour"]],
)
def test_the_check_refuses_what_the_command_line_does_not_take(words: list[str]) -> None:
    assert refusal(words, complete=True)


def test_make_targets_exist(pages: dict[str, Any]) -> None:
    makefile = ROOT / "Makefile"
    offered = set(re.findall(r"^([a-z][a-z-]*):", makefile.read_text(encoding="utf-8"), flags=re.MULTILINE))
    asked = {
        target
        for page in pages.values()
        for text in [*page.inline_code(), *(block.code for block in page.blocks("sh", "console"))]
        for target in re.findall(r"^(?:\$ )?make ([a-z-]+)", text, flags=re.MULTILINE)
    }
    assert {"demo", "test"} <= asked
    assert asked <= offered


def mobilekit(folder: Path, *words: str, expect: int = 0) -> str:
    """Run the installed command in `folder`; its output, standard output first."""
    done = subprocess.run([COMMAND, *words], cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def write_files(folder: Path, *pages: Any) -> None:
    """The blocks that name a file, as that file."""
    for page in pages:
        for block in page.blocks():
            if block.file is not None:
                place = folder / block.file
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(block.code, encoding="utf-8")


def without_figures(output: str) -> list[str]:
    """The lines of an output in no order (two streams), each run of digits as 0.

    Without steps that have nothing to say but their time: quick ones get no line.
    """
    lines = (re.sub(r"\d+(\.\d+)?", "0", line) for line in output.splitlines())
    return sorted(line for line in lines if not line.endswith(": 0 s"))


@pytest.mark.slow
def test_errors_in_the_pages_are_what_the_command_says(pages: dict[str, Any], tmp_path: Path) -> None:
    """A console block that shows an error is run; `...` in it stands for anything."""
    checked = []
    for page in pages.values():
        for block in page.blocks("console"):
            command, _, output = block.code.partition("\n")
            if not output.startswith("error:"):
                continue
            write_files(tmp_path, page)
            done = subprocess.run(
                [COMMAND, *shlex.split(command)[2:]], cwd=tmp_path, capture_output=True, text=True, check=False
            )
            pattern = ".*".join(re.escape(part) for part in output.strip().split("..."))
            said = done.stderr.strip().replace(str(tmp_path.resolve()), "/home/you")
            said = said[said.find("error:") :]  # after what progress said
            assert re.fullmatch(pattern, said, flags=re.DOTALL), f"{block.where}\n{said}"
            checked.append(block.where)
    assert len(checked) >= 4


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_readmes_own_model_is_exported_by_command_and_from_python(readme: Any, tmp_path: Path) -> None:
    section = readme.section("Export your own model")
    write_files(tmp_path, section)
    (command,) = command_lines(section.blocks("sh")[0].code)
    assert "passed" in mobilekit(tmp_path, *command)
    assert (tmp_path / "bundles" / "net" / "bundle.json").is_file()

    (script,) = [block for block in section.blocks("python") if block.file is None]
    done = subprocess.run(
        [sys.executable, "-c", script.code], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "sequential.xnnpack.fp32.pte",
        "sequential.xnnpack.int8.pte",
    ]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_readmes_way_from_training_to_inspection_works(pages: dict[str, Any], tmp_path: Path) -> None:
    way, onwards = pages["README.md"].section("Export your own model").blocks("sh")[-2:]
    lines = list(command_lines(way.code))
    assert [words[0] for words in lines] == ["train", "export", "verify", "bench", "inspect"]
    said = {words[0]: mobilekit(tmp_path, *words) for words in lines}
    (shown,) = pages["docs/training.md"].blocks("console")
    assert without_figures(shown.code.partition("\n")[2]) == without_figures(said["train"])
    shutil.copytree(tmp_path / "bundles/digits", tmp_path / "bundles/released")
    lines = list(command_lines(onwards.code))
    assert [words[0] for words in lines] == ["report", "verify", "bench", "gate"]
    no_arm = runner("arm64").unavailable()
    for words in lines:
        if no_arm is None or not {"arm64", "--instructions"} & set(words):
            mobilekit(tmp_path, *words)
    assert (tmp_path / "report.html").exists()


@pytest.mark.slow
def test_the_readmes_lists_and_doctor_answer(readme: Any, tmp_path: Path) -> None:
    lists = [span.split()[-2:] for span in readme.inline_code() if re.fullmatch(r"(mobilekit )?list \w+", span)]
    assert len(lists) == 5
    for words in lists:
        assert mobilekit(tmp_path, *words)
    assert mobilekit(tmp_path, "doctor", "--quick")


def test_the_readmes_table_is_the_commands_table(readme: Any) -> None:
    from mobilekit.report.terminal import COLUMNS

    (output,) = readme.section("Try it: two commands").blocks("text")
    head = next(line for line in output.code.splitlines() if line.startswith("target "))
    assert tuple(re.split(r"  +", head)) == COLUMNS
