"""`mobilekit gate`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mobilekit.cli.options import DATA_NAMES, JsonOption, TestOption, data_of
from mobilekit.cli.screen import ScreenProgress, results
from mobilekit.errors import Inconclusive, Problem, RegressionFound, SpecError, UsageError

if TYPE_CHECKING:
    from mobilekit.gate import GateResult


def command(
    baseline: Annotated[
        str,
        typer.Argument(
            metavar="BASELINE",
            help="A bundle's folder, the JSON of `mobilekit bench --json` (or a report.json), or git:REVISION.",
            show_default=False,
        ),
    ],
    candidate: Annotated[
        str, typer.Argument(metavar="CANDIDATE", help="The bundle that is to be judged.", show_default=False)
    ],
    budgets: Annotated[
        Path | None,
        typer.Option(
            "--budgets",
            metavar="FILE",
            help="TOML with the budgets. Default: [tool.mobilekit.gate] of ./pyproject.toml, else built-in ones.",
            show_default=False,
        ),
    ] = None,
    max_seconds: Annotated[
        float | None,
        typer.Option(
            "--max-seconds",
            metavar="S",
            min=0,
            max=86_400,
            help="Time latency for S at most. Default: 60 for each variant that is timed.",
            show_default=False,
        ),
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            "--variant",
            metavar="TARGET:SCHEME",
            help="Look at this variant only; may be given again. Default: all of the baseline's.",
            show_default=False,
        ),
    ] = None,
    threads: Annotated[
        int, typer.Option("--threads", metavar="N", min=1, max=256, help="Of each runtime; one is disturbed least.")
    ] = 1,
    runner: Annotated[
        str | None,
        typer.Option(
            "--runner",
            metavar="NAME",
            help="Time with this runner what it takes (`mobilekit list runners`). Default: by the file's kind.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="DATA",
            help=f"Run both on these test samples first: {DATA_NAMES}. Default: what the bundles recorded.",
            show_default=False,
        ),
    ] = None,
    test_samples: TestOption = None,
    instructions: Annotated[
        str | None,
        typer.Option(
            "--instructions",
            metavar="CPU",
            help="Count the Arm instructions of both sides' .pte artifacts on this emulated core: cortex-a53, "
            "cortex-a76 or max. Needs QEMU; docs/runners.md. Default: what the bundles recorded.",
            show_default=False,
        ),
    ] = None,
    build: Annotated[
        str | None,
        typer.Option(
            "--build",
            metavar="COMMAND",
            help="Makes a bundle of git:REVISION; sh runs it among that revision's files, {output} replaced.",
            show_default=False,
        ),
    ] = None,
    equal_files: Annotated[
        bool, typer.Option("--time-equal-files", help="Time also artifacts that are the same file, byte for byte.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of who goes first.")] = 0,
    markdown: Annotated[
        Path | None,
        typer.Option("--markdown", metavar="FILE", help="Write the result as Markdown.", show_default=False),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option("--junit", metavar="FILE", help="Write the result as JUnit XML.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Hold a candidate against its baseline: pass, regression or inconclusive.

    Bytes, delegation, memory, accuracy and agreement come from the bundles; latency is measured now, of both sides in
    turns in many new processes, until it is clear or the time is up. Ends with 0, 1 for a regression, 3 when
    inconclusive. In GitHub Actions it annotates and adds to the job's summary. docs/gate.md explains all of it.

    \b
    Examples:
      mobilekit gate bundles/released bundles/digits_cnn
      mobilekit gate baseline.json bundles/digits_cnn --budgets gate.toml --junit gate.xml
      mobilekit gate git:origin/main bundles/new --build 'mobilekit export digits_cnn -o {output}'
    """
    from mobilekit.gate import load_budgets
    from mobilekit.pipeline import GateOptions, gate
    from mobilekit.report.ci import gate_junit
    from mobilekit.report.gate import gate_markdown, print_gate
    from mobilekit.runners import runner as runner_called

    if data is None and test_samples is not None:
        raise UsageError("--test-samples chooses samples of --data, which was not given")
    if runner is not None:
        runner_called(runner)
    allowed, source = load_budgets(budgets)
    options = GateOptions(
        budgets=allowed,
        budgets_from=source,
        max_seconds=max_seconds,
        threads=threads,
        runner=runner,
        only=_variants(variant or []),
        data=data_of(None, data, None, test_samples) if data else None,
        instructions=instructions,
        build=build,
        equal_files=equal_files,
        seed=seed,
    )
    with ScreenProgress() as progress:
        result = gate(baseline, candidate, options, progress)
    for path, content in ((markdown, gate_markdown), (junit, gate_junit)):
        if path is not None:
            _write(path, content(result))
    if as_json:
        typer.echo(result.model_dump_json(indent=2))
    else:
        print_gate(result, results())
    _tell_github(result, as_json=as_json)
    _end(result)


def _variants(texts: list[str]) -> tuple[tuple[str, str], ...]:
    found, problems = [], []
    for text in texts:
        target, colon, scheme = text.partition(":")
        if not (target and colon and scheme):
            problems.append(Problem("--variant", text, "must be TARGET:SCHEME, for example xnnpack:int8"))
        found.append((target, scheme))
    if problems:
        raise SpecError("command line", problems)
    return tuple(found)


def _write(path: Path, content: str) -> None:
    from mobilekit.files import storage_errors, write_atomically

    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)


def _tell_github(result: GateResult, *, as_json: bool) -> None:
    """Annotations, and the job's summary, where the command runs in a GitHub workflow."""
    from mobilekit.files import storage_errors
    from mobilekit.report.ci import github_annotations
    from mobilekit.report.gate import gate_markdown

    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in github_annotations(result):
            typer.echo(line, err=as_json)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with storage_errors(Path(summary)), Path(summary).open("a", encoding="utf-8") as stream:
            stream.write(gate_markdown(result) + "\n")


def _end(result: GateResult) -> None:
    """Raise for what is no pass; the figures have been shown."""
    from mobilekit.gate import Verdict
    from mobilekit.report.gate import failures

    about = f"{sum(one.verdict is result.verdict for one in result.findings)} of {len(result.findings)} figures"
    if result.verdict is Verdict.REGRESSION:
        raise RegressionFound(f"regression: {about}", hint="docs/gate.md says what to do about one")
    if result.verdict is Verdict.INCONCLUSIVE:
        more = sum(one.more_seconds or 0 for one in failures(result.findings))
        hint = f"--max-seconds {60 * (1 + int((result.seconds + more) // 60))} may be enough" if more else None
        raise Inconclusive(f"inconclusive: {about}", hint=hint)
