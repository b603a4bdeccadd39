"""Gating: two sides put through the gate: their figures compared, their artifacts raced, one verdict.

Changes neither. Latency is only ever compared between artifacts that both run here and now.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mobilekit.bench import Watch, count_instructions, counter, disturbances, untimed
from mobilekit.bench.pinning import quiet_cores
from mobilekit.bundle.manifest import Artifact
from mobilekit.environment import describe
from mobilekit.errors import Problem, SpecError, UsageError
from mobilekit.gate import (
    Finding,
    GateBudgets,
    GateResult,
    Pair,
    Race,
    Side,
    Verdict,
    compare_figures,
    matched,
    overall,
    race,
)
from mobilekit.gate.figures import LATENCY
from mobilekit.gate.latency import finding
from mobilekit.gate.session import Session, run_session
from mobilekit.gate.side import Variant, words
from mobilekit.pipeline.rebuild import PREFIX, rebuilt
from mobilekit.pipeline.remeasure import golden_call, verify_bundle
from mobilekit.pipeline.running import make_ready
from mobilekit.pipeline.sides import side_of, side_of_bundle
from mobilekit.progress import SILENT, Progress
from mobilekit.runners.registry import runner_for
from mobilekit.spec import DataSpec

NOT_HERE = "only figures are left of one side"
NOT_HERE_NOTE = (
    "Latency is not compared: only figures are left of one side, and milliseconds of another run say nothing about "
    "this machine now. Name two bundles, or git:REVISION, to compare it."
)
_SECONDS_FOR_EACH = 60.0
EQUAL_FILES = "the same file, byte for byte: not timed"


@dataclass(frozen=True)
class GateOptions:
    """`only`: the variants to look at; none: all. `equal_files`: time also artifacts that are the same file.

    `max_seconds` bounds the timing; None: a minute for each variant that is timed. `build`: the command that makes a
    bundle of a git revision. `runner`: for the artifacts that it takes. `instructions`: the Arm core on which those of
    both sides' .pte artifacts are counted now.
    """

    budgets: GateBudgets = field(default_factory=GateBudgets)
    budgets_from: str = "the defaults"
    max_seconds: float | None = None
    threads: int = 1
    runner: str | None = None
    only: tuple[Variant, ...] = ()
    data: DataSpec | None = None
    instructions: str | None = None
    build: str | None = None
    equal_files: bool = False
    seed: int = 0


def gate(baseline: str, candidate: str, options: GateOptions, progress: Progress = SILENT) -> GateResult:
    """The verdict on `candidate`. A regression does not raise: it is in the result.

    Each is a bundle's folder or a JSON file; the baseline may be `git:REVISION`, too. Raises UsageError, SpecError,
    BundleError, RunnerError.
    """
    start = time.monotonic()
    with contextlib.ExitStack() as stack:
        before = _opened(baseline, options.build, progress, stack)
        after = side_of(Path(candidate))
        variants = matched(before, after, options.only)
        _refuse_unknown_variants(options, before, after)
        if after.bundle is not None:
            make_ready(options.runner, after.bundle.manifest.artifacts, timed=True, progress=progress)
        if options.data is not None:
            before, after = (_on_data(side, options, progress) for side in (before, after))
        if options.instructions is not None:
            before, after = (_counted(side, variants, options.instructions, progress) for side in (before, after))
        findings, notes = _latencies(before, after, variants, options, progress)
    for variant in variants:
        findings += compare_figures(before, after, variant, options.budgets)
    new = [words(one.variant) for one in after.figures if before.of(one.variant) is None]
    if new and not options.only:
        notes.append(f"{', '.join(new)}: new, with nothing to compare to")
    order = {variant: number for number, variant in enumerate(variants)}
    return GateResult(
        verdict=overall(findings),
        baseline=baseline,
        candidate=candidate,
        findings=tuple(sorted(findings, key=lambda one: order[one.target, one.scheme])),
        notes=tuple(notes),
        budgets=options.budgets,
        budgets_from=options.budgets_from,
        seconds=round(time.monotonic() - start, 3),
        seed=options.seed,
        environment=describe(),
    )


def _opened(baseline: str, build: str | None, progress: Progress, stack: contextlib.ExitStack) -> Side:
    if not baseline.startswith(PREFIX):
        if build is not None:
            raise UsageError(f"--build makes a bundle of a git revision, and the baseline is {baseline}")
        return side_of(Path(baseline))
    if build is None:
        raise UsageError(
            f"{baseline} is a git revision, and nothing says how to make a bundle of it",
            hint="--build 'mobilekit export mymodel -o {output}'",
        )
    made = stack.enter_context(rebuilt(baseline.removeprefix(PREFIX), build, progress=progress))
    return side_of(made, baseline)


def _refuse_unknown_variants(options: GateOptions, *sides: Side) -> None:
    have = {words(one.variant) for side in sides for one in side.figures}
    problems = [
        Problem(f"variants.{name}", "", f"must be a variant of the bundles: {', '.join(sorted(have))}")
        for name in options.budgets.variants
        if name not in have
    ]
    if problems:
        raise SpecError(options.budgets_from, problems, hint="docs/gate.md explains every budget")


def _on_data(side: Side, options: GateOptions, progress: Progress) -> Side:
    if side.bundle is None:
        raise UsageError(f"--data runs the artifacts of both sides, and {side.name} has none")
    manifest = verify_bundle(side.bundle, data=options.data, threads=options.threads, progress=progress)
    kept = {(one.target, one.scheme): one.benchmark for one in side.bundle.manifest.artifacts}
    artifacts = tuple(one.model_copy(update={"benchmark": kept[one.target, one.scheme]}) for one in manifest.artifacts)
    return side_of_bundle(side.bundle, manifest.model_copy(update={"artifacts": artifacts}), side.name)


def _counted(side: Side, variants: Sequence[Variant], cpu: str, progress: Progress) -> Side:
    """The side with instructions counted now; one without artifacts keeps what was recorded of it."""
    if side.bundle is None:
        return side
    chosen, inputs, figures = counter(cpu, progress), golden_call(side.bundle), []
    with progress.task(f"counting instructions on {cpu}, {side.name}", total=len(side.figures)) as task:
        for one in side.figures:
            path = side.bundle.artifact_path(side.bundle.artifact(*one.variant))
            if one.variant in variants and path.suffix in chosen.suffixes:
                found = count_instructions(path, inputs, cpu=chosen, operators=False)
                figures.append(replace(one, instructions=found.per_inference, instructions_cpu=found.cpu))
            else:
                figures.append(one)
            task.advance()
    return replace(side, figures=tuple(figures))


def _latencies(
    before: Side, after: Side, variants: Sequence[Variant], options: GateOptions, progress: Progress
) -> tuple[list[Finding], list[str]]:
    """A finding for each variant whose latency has a budget, and what is to be said about the machine."""
    found: list[Finding] = []
    pairs: list[Pair] = []
    for variant in variants:
        budget = options.budgets.of(*variant).latency_percent
        if budget is False or after.of(variant) is None:
            continue
        one = _pair_or_finding(before, after, variant, budget, options)
        if isinstance(one, Pair):
            pairs.append(one)
        else:
            found.append(one)
    notes = [NOT_HERE_NOTE] if any(one.reason == NOT_HERE for one in found) else []
    if not pairs:
        return found, notes
    races, seen = _raced(pairs, options, progress)
    return found + [finding(one) for one in races], notes + seen


def _pair_or_finding(
    before: Side, after: Side, variant: Variant, budget: float, options: GateOptions
) -> Pair | Finding:
    def without(verdict: Verdict, reason: str) -> Finding:
        target, scheme = variant
        return Finding(
            target=target,
            scheme=scheme,
            metric=LATENCY.name,
            unit=LATENCY.kind,
            budget=budget,
            verdict=verdict,
            reason=reason,
        )

    if before.bundle is None or after.bundle is None:
        return without(Verdict.NOT_COMPARED, NOT_HERE)
    then, now = before.bundle.artifact(*variant), after.bundle.artifact(*variant)
    if then.sha256 == now.sha256 and not options.equal_files:
        return without(Verdict.PASS, EQUAL_FILES)
    if _shapes(then) != _shapes(now):
        return without(Verdict.NOT_COMPARED, "the two take other inputs: they do not do the same work")
    paths = before.bundle.artifact_path(then), after.bundle.artifact_path(now)
    chosen = [runner_for(path, options.runner) for path in paths]
    for one in chosen:
        if (reason := untimed(one)) is not None:
            return without(Verdict.NOT_COMPARED, f"not executed here: {reason}")
    runners = chosen[0].name, chosen[1].name
    return Pair(variant, *paths, golden_call(after.bundle), runners, budget)


def _shapes(artifact: Artifact) -> list[tuple[str, tuple[int, ...]]]:
    return [(one.dtype, one.sized()) for one in artifact.inputs]


def _raced(pairs: Sequence[Pair], options: GateOptions, progress: Progress) -> tuple[list[Race], list[str]]:
    cores, watch = quiet_cores(options.threads), Watch()

    def session(pair: Pair, candidate_first: bool) -> Session:
        watch.look()
        return run_session(
            (pair.baseline, pair.candidate),
            pair.inputs,
            pair.runners,
            threads=options.threads,
            cores=cores,
            candidate_first=candidate_first,
        )

    with progress.task("latency, in turns") as task:

        def say(text: str) -> None:
            task.say(text)
            task.advance(0)

        most = options.max_seconds if options.max_seconds is not None else _SECONDS_FOR_EACH * len(pairs)
        races = race(pairs, session, max_seconds=most, seed=options.seed, say=say)
        task.say(f"{sum(len(one.sessions) for one in races)} sessions")
    noise = watch.noise()
    taken = [one.preemptions_per_second for each in races for one in each.sessions]
    seen = disturbances(max(taken, default=None), noise.steal_share, noise.frequency_mhz)
    return races, [f"The machine was noisy: {'; '.join(seen)}. That makes intervals wider, and verdicts later."] * bool(
        seen
    )
