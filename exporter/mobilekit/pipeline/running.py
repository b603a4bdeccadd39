"""Running: the runner that was asked for, made ready before the long work, or refused with what it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mobilekit.bench import count_instructions, counter
from mobilekit.bundle.manifest import Artifact
from mobilekit.errors import MissingDependency, UsageError
from mobilekit.progress import SILENT, Progress
from mobilekit.runners import Array, runner
from mobilekit.runners.arm64 import Arm64Runner
from mobilekit.runners.base import OwnProgram


def make_ready(
    name: str | None, artifacts: Sequence[Artifact], *, timed: bool = False, progress: Progress = SILENT
) -> str | None:
    """Compile the runner called `name` where it is a program; its full name, with what it emulates. None: none asked.

    Raises UnknownName, UsageError when it takes none of the artifacts (or is to be timed, and is emulated), and
    SetupError when it cannot run here.
    """
    if name is None:
        return None
    chosen = runner(name)
    if not any(Path(one.file).suffix in chosen.suffixes for one in artifacts):
        raise UsageError(
            f"the runner {name} takes {', '.join(chosen.suffixes)} files, and the bundle has none",
            hint="mobilekit list runners shows what each takes",
        )
    reason = chosen.unavailable()
    if reason is not None:
        raise MissingDependency(f"the runner {name} cannot run here: {reason}", hint="docs/runners.md")
    if isinstance(chosen, OwnProgram):
        if timed and chosen.emulated:
            raise UsageError(
                f"{name} is emulated here, and the emulator's seconds say nothing about the processor's",
                hint="count its instructions instead: mobilekit bench BUNDLE --instructions cortex-a76",
            )
        chosen.build(progress)
    emulates = chosen.cpu if isinstance(chosen, Arm64Runner) else None
    return f"{name}:{emulates}" if emulates and ":" not in name else name


def with_instructions(
    folder: Path, artifacts: Sequence[Artifact], sample: Sequence[Array], cpu: str, progress: Progress = SILENT
) -> tuple[Artifact, ...]:
    """The artifacts, those that were measured and are for ExecuTorch with their instructions on an Arm core."""
    chosen = counter(cpu, progress)
    counted = []
    with progress.task(f"counting instructions on {cpu}", total=len(artifacts)) as task:
        for artifact in artifacts:
            benchmark = artifact.benchmark
            if benchmark is not None and Path(artifact.file).suffix in chosen.suffixes:
                task.say(f"{artifact.target} {artifact.scheme}")
                found = count_instructions(folder / artifact.file, sample, cpu=chosen)
                benchmark = benchmark.model_copy(update={"instructions": found})
            counted.append(artifact.model_copy(update={"benchmark": benchmark}))
            task.advance()
        task.say("")
    return tuple(counted)
