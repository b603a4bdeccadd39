"""Tune: a model source -> a study of measured candidates -> the fastest or smallest within a budget, as a bundle.

The search goes by samples that training held back; test data is looked at once, when the winner's bundle is made.
Refuses targets that this machine cannot execute, and a study that is about something else.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mobilekit.bench import untimed
from mobilekit.bundle import Bundle
from mobilekit.capture import Captured
from mobilekit.data import Dataset
from mobilekit.environment import describe
from mobilekit.errors import DataError, MissingDependency, UsageError
from mobilekit.files import refuse_existing, storage_errors
from mobilekit.lower import check_schemes, target
from mobilekit.model import ModelSource
from mobilekit.pipeline.evidence import find
from mobilekit.pipeline.exporting import ExportOptions, export_source
from mobilekit.pipeline.quantizing import settings_for
from mobilekit.pipeline.start import load_torch
from mobilekit.pipeline.tuning.clock import Clock
from mobilekit.pipeline.tuning.finals import Finals
from mobilekit.pipeline.tuning.search import Search
from mobilekit.pipeline.tuning.selection import DEFAULT_SAMPLES
from mobilekit.pipeline.tuning.space import Candidate, Space
from mobilekit.pipeline.tuning.study import (
    Fingerprint,
    Study,
    check_storage,
    storage_failures,
    storage_url,
    without_password,
)
from mobilekit.pipeline.tuning.workshop import Workshop
from mobilekit.progress import SILENT, Progress
from mobilekit.quantize.schemes import QAT, STATIC
from mobilekit.report.front import check_kind, write_front
from mobilekit.report.tuned import Objective, Outcome, Trial, TuneResult, front
from mobilekit.runners.registry import runner_for
from mobilekit.spec import DataSpec, QuantizeSpec

DEFAULT_TRIALS = 30
DEFAULT_FINAL_SECONDS = 120.0
FOLDER = Path("tuning")
"""Where studies and charts go that nobody gave a place."""


@dataclass(frozen=True)
class TuneOptions:
    """What to search and how long. None: as the recipe says, or every target that runs here in all it takes.

    `trials` counts those of the study, whoever made them; `samples` are those that the search goes by. `storage`: a
    database's URL or a SQLite file. `search_only`: add trials to the study, and choose nothing.
    """

    max_drop: float = 0.5
    objective: Objective = "latency"
    targets: tuple[str, ...] | None = None
    schemes: tuple[str, ...] | None = None
    data: DataSpec | None = None
    quantize: QuantizeSpec | None = None
    samples: int = DEFAULT_SAMPLES
    trials: int = DEFAULT_TRIALS
    timeout: float | None = None
    final_seconds: float = DEFAULT_FINAL_SECONDS
    seed: int = 0
    threads: int | None = None
    storage: str | None = None
    study: str | None = None
    plot: Path | None = None
    search_only: bool = False
    force: bool = False


@dataclass(frozen=True)
class _Plan:
    """What is known before anything takes long."""

    name: str
    url: str
    variants: tuple[tuple[str, str], ...]
    plain: tuple[Candidate, ...]
    reference: Candidate
    dataset: Dataset
    data: DataSpec
    base: QuantizeSpec


def tune(
    source: ModelSource,
    output: Path,
    options: TuneOptions | None = None,
    *,
    dataset: Dataset | None = None,
    progress: Progress = SILENT,
) -> TuneResult:
    """Search, and leave the winner's bundle at `output`. A budget that nothing meets does not raise: see `met`.

    Raises OutputExists before anything else, UsageError, DataError without data, MissingDependency and SetupError for
    targets and storages that do not work here, and what the stages raise. What was tried stays in the study whatever
    happens, and the next call goes on with it.
    """
    options, begun = options or TuneOptions(), time.monotonic()
    plan = _planned(source, output, options, dataset, progress)
    shown = without_password(plan.url)
    load_torch(progress)
    with (
        storage_errors(Path(tempfile.gettempdir())),
        tempfile.TemporaryDirectory(prefix="mobilekit-tune-") as folder,
        storage_failures(shown),
    ):
        workshop = Workshop(
            source,
            plan.dataset,
            plan.data,
            plan.base,
            Path(folder),
            samples=options.samples,
            threads=options.threads,
            progress=progress,
        )
        result, ended = _searched(source, workshop, plan, options, progress)
        if ended is None or ended.winner is None:
            return result.model_copy(update={"seconds": round(time.monotonic() - begun, 3)})
        candidate, trial = ended.winner
        chosen = workshop.options_of(candidate)
    bundle = export_source(
        source,
        output,
        ExportOptions(
            targets=(candidate.target,),
            schemes=(candidate.scheme,),
            data=plan.data,
            threads=options.threads,
            force=options.force,
            quantize=chosen,
        ),
        dataset=plan.dataset,
        progress=progress,
    )
    plot = _plot(options, plan.name)
    write_front(result, plot)
    return result.model_copy(
        update={
            "test": _outcome(bundle, candidate),
            "bundle": str(output),
            "plot": str(plot),
            "notes": (*result.notes, *_other_file(bundle, candidate, trial)),
            "seconds": round(time.monotonic() - begun, 3),
        }
    )


def _planned(
    source: ModelSource, output: Path, options: TuneOptions, dataset: Dataset | None, progress: Progress
) -> _Plan:
    if not options.search_only:
        refuse_existing(output, options.force)
        check_kind(_plot(options, options.study or source.recipe.name))
    if source.recipe.stream is not None:
        raise UsageError(
            f"{source.recipe.name} is fed piece by piece, and the search knows whole samples only",
            hint="`mobilekit export` makes its bundle",
        )
    targets = _targets(source, options.targets, progress)
    variants = _variants(source, targets, options.schemes)
    base = (options.quantize or source.recipe.quantize).model_copy(update={"max_drop": None, "floating": ()})
    name = options.study or source.recipe.name
    url = storage_url(options.storage or str(FOLDER / f"{name}.db"))
    check_storage(url)
    spec = options.data or source.recipe.data
    found = find(source.recipe, spec, dataset, progress)
    if found is None:
        raise DataError(
            "an accuracy budget needs samples, and no data was given",
            hint="name some: --data digits, or --data imagefolder:photos",
        )
    int8 = QAT if source.ranges is not None else STATIC
    return _Plan(
        name=name,
        url=url,
        variants=variants,
        plain=tuple(Space(variants, base, lambda: 0).plain(targets, int8)),
        reference=Candidate(targets[0], "fp32"),
        dataset=found,
        data=spec or DataSpec(name=found.name),
        base=base,
    )


def _targets(source: ModelSource, asked: Sequence[str] | None, progress: Progress) -> list[str]:
    """Those that can be executed and timed here. One that was asked for and cannot be is refused.

    Raises UnknownName, MissingDependency.
    """
    able = []
    for one in map(target, dict.fromkeys(asked or source.recipe.export.targets)):
        reason = one.missing() or untimed(runner_for(Path(f"model{one.suffix}")))
        if reason is None:
            able.append(one.name)
        elif asked:
            raise MissingDependency(
                f"{one.name} cannot be measured on this machine, and tune goes by measuring: {reason}"
            )
        else:
            progress.warn(f"{one.name} is left out, since it cannot be measured on this machine: {reason}")
    if not able:
        raise MissingDependency("none of the recipe's targets can be measured on this machine", hint="mobilekit doctor")
    return able


def _variants(
    source: ModelSource, targets: Sequence[str], schemes: Sequence[str] | None
) -> tuple[tuple[str, str], ...]:
    """What is searched. Raises UsageError for a scheme that a target does not take, or the model does not have."""
    if schemes:
        pairs = [(one.name, name) for one, name in check_schemes(targets, schemes)]
        if QAT in schemes:
            settings_for(QAT, source, None)  # refuses what was not trained so
        return tuple(pairs)
    return tuple(
        (name, one) for name in targets for one in target(name).schemes if one != QAT or source.ranges is not None
    )


def _searched(
    source: ModelSource, workshop: Workshop, plan: _Plan, options: TuneOptions, progress: Progress
) -> tuple[TuneResult, Finals | None]:
    if workshop.labels_missing:
        progress.warn(workshop.labels_missing)
    about = _about(source, workshop, plan, options)
    space = Space(plan.variants, plan.base, lambda: len(workshop.ranking.in_order))
    with (
        Study.opened(plan.name, plan.url, about, seed=options.seed) as study,
        Clock(workshop.make(plan.reference).path, workshop.timed, threads=workshop.threads) as clock,
    ):
        search = Search(study, about, space, workshop, clock, plan.plain, options.objective, options.max_drop, progress)
        notes = search.run(options.trials, options.timeout)
        ended = None if options.search_only else search.finals(options.final_seconds)
        trials = search.trials()
    best = front(trials, options.objective)
    result = TuneResult(
        model=source.recipe.name,
        study=plan.name,
        storage=study.storage,
        objective=options.objective,
        max_drop=options.max_drop,
        trials=trials,
        front=tuple(one.number for one in best),
        finalists=ended.finalists if ended else (),
        winner=ended.winner[1] if ended and ended.winner else None,
        met=ended is not None and ended.met,
        notes=(*notes, *(ended.notes if ended else ())),
        seconds=0,
        environment=describe(),
    )
    return result, ended


def _plot(options: TuneOptions, name: str) -> Path:
    return options.plot or FOLDER / f"{name}.svg"


def _about(source: ModelSource, workshop: Workshop, plan: _Plan, options: TuneOptions) -> Fingerprint:
    """What a study is about: searches that differ in any of it have nothing to tell each other."""
    return {
        "model": source.recipe.name,
        "weights": _weights_sha256(workshop.captured),
        "data": plan.dataset.name,
        "calibration samples": f"{len(workshop.calibration)} ({workshop.calibration.indices_sha256[:12]})",
        "samples to choose by": f"{len(workshop.selection)} ({workshop.selection.indices_sha256[:12]})",
        "max drop": f"{options.max_drop:g}",
        "objective": options.objective,
        "variants": ", ".join(":".join(one) for one in plan.variants),
        "threads": str(workshop.threads),
        "quantize": plan.base.model_dump_json(exclude_defaults=True),
    }


def _weights_sha256(captured: Captured) -> str:
    """Over the names and bytes of all weights and buffers."""
    import torch

    found = hashlib.sha256()
    for name, tensor in sorted(captured.program.state_dict.items()):
        found.update(name.encode())
        found.update(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:16]


def _outcome(bundle: Bundle, candidate: Candidate) -> Outcome | None:
    verification = bundle.artifact(candidate.target, candidate.scheme).verification
    metrics = verification.metrics if verification else None
    if metrics is None or metrics.lost_points is None:
        return None
    return Outcome(
        samples=metrics.samples,
        top1=metrics.top1,
        top1_eager=metrics.top1_eager,
        drop_points=metrics.lost_points,
    )


def _other_file(bundle: Bundle, candidate: Candidate, trial: Trial) -> tuple[str, ...]:
    """A note, should the bundle's artifact not be the one that was measured."""
    if bundle.artifact(candidate.target, candidate.scheme).sha256 == trial.sha256:
        return ()
    return ("The bundle's artifact was made anew and is not, byte for byte, the file that the finals measured.",)
