"""Making: the artifacts of all pairs of target and scheme.

What an earlier export made of the same is taken from the cache; the rest is quantized here, and lowered here and in
processes beside this one. The same bytes come out either way. A program is known by the hash of its file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mobilekit.bundle.manifest import Artifact, Quantization
from mobilekit.bundle.write import entry_for
from mobilekit.cache import Cache, Key, digest
from mobilekit.capture import Captured
from mobilekit.data import Samples
from mobilekit.files import sha256, write_atomically
from mobilekit.lower import Target
from mobilekit.pipeline.capturing import save_program
from mobilekit.pipeline.keys import Basis, LowerKey, QuantizeKey, basis, code, is_known, is_ours, samples_sha256
from mobilekit.pipeline.lowering import Job, Made, Team, finished, processes_beside
from mobilekit.pipeline.quantizing import Settings, calibrated, record_of
from mobilekit.pipeline.storage import storing
from mobilekit.pipeline.streaming import for_quantizing
from mobilekit.progress import Progress
from mobilekit.quantize import prepare, scheme
from mobilekit.runners import Feed

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_PROGRAM, _RECORD = "program.pt2", "record.json"
FROM_CACHE = "from the cache"


@dataclass(frozen=True)
class Order:
    """What is to be made of a captured program, whose file is `float_file` and whose artifacts go to `folder`."""

    name: str
    captured: Captured
    float_file: Path
    pairs: Sequence[tuple[Target, str]]
    settings: Mapping[str, Settings]
    calibration: Samples | None
    feed: Feed | None
    folder: Path
    work: Path
    """A folder for what is not to stay."""

    def file(self, target: Target, scheme_name: str) -> str:
        return f"{self.name}.{target.name}.{scheme_name}{target.suffix}"


@dataclass
class Making:
    """One order under way."""

    order: Order
    cache: Cache
    progress: Progress
    _quantization: dict[str, Quantization] = field(default_factory=dict)
    _programs: dict[Path, ExportedProgram] = field(default_factory=dict)
    _files: dict[str, Path] = field(default_factory=dict)
    _made: dict[tuple[str, str], Made] = field(default_factory=dict)
    _keys: dict[str, LowerKey] = field(default_factory=dict)

    def run(self) -> tuple[Artifact, ...]:
        """All artifacts, in the order's order. Raises QuantizeError, LowerError, StorageError, RunnerError."""
        import torch

        order = self.order
        if not is_known(order.captured.program):
            self.cache = Cache(None)
        self._programs[order.float_file] = order.captured.program
        plain = [pair for pair in order.pairs if not pair[0].schemes[pair[1]].prepared]
        jobs = self._missing(plain, order.float_file)
        later = {}
        for name in dict.fromkeys(name for target, name in order.pairs if target.schemes[name].prepared):
            pairs = [pair for pair in order.pairs if pair[1] == name and pair[0].schemes[name].prepared]
            kept = self._kept_program(name)
            if kept is None:
                later[name] = pairs
            else:
                jobs += self._missing(pairs, kept)
        count = len(jobs) + sum(map(len, later.values()))
        nodes = sum(node.op == "call_function" for node in order.captured.program.graph.nodes)
        beside = processes_beside(count, nodes, order.float_file.stat().st_size)
        with Team(beside, torch.get_num_threads(), order.work / "scratch") as team:
            work: list[tuple[Job, Future[Made]]] = [(job, team.submit(job)) for job in jobs]
            for name, pairs in later.items():
                work += [(job, team.submit(job)) for job in self._missing(pairs, self._quantized(name))]
            for job, made in finished(work, self._program, self.progress):
                self._note(job, made)
        return tuple(self._artifact(target, name) for target, name in order.pairs)

    def quantization(self) -> tuple[Quantization, ...]:
        """What the bundle says of the calibrated schemes that were made, in the order's order."""
        names = dict.fromkeys(name for _, name in self.order.pairs)
        return tuple(self._quantization[name] for name in names if name in self._quantization)

    @cached_property
    def _basis(self) -> Basis:
        import torch

        return basis(torch.get_num_threads())

    def _missing(self, pairs: Sequence[tuple[Target, str]], program: Path) -> list[Job]:
        """What has to be lowered; what is kept is put where it belongs."""
        order, jobs, program_sha256 = self.order, [], sha256(program)
        for target, name in pairs:
            path = order.folder / order.file(target, name)
            inputs, outputs = order.captured.inputs, order.captured.outputs
            key = LowerKey(
                code_sha256=code(),
                basis=self._basis,
                program_sha256=program_sha256,
                target=target.name,
                scheme=name,
                inputs=inputs,
                outputs=outputs,
            )
            kept = self._take(key) if is_ours(target) else None
            if kept is not None:
                with self.progress.task(f"lowering to {target.name} {name}") as task, storing(path):
                    (kept / f"artifact{target.suffix}").rename(path)
                    self._made[target.name, name] = Made.model_validate_json((kept / _RECORD).read_bytes())
                    task.say(FROM_CACHE)
                continue
            if is_ours(target):
                self._keys[str(path)] = key
            jobs.append(
                Job(
                    target=target.name,
                    scheme=name,
                    program=str(program),
                    path=str(path),
                    inputs=inputs,
                    outputs=outputs,
                )
            )
        return jobs

    def _note(self, job: Job, made: Made) -> None:
        self._made[job.target, job.scheme] = made
        if (key := self._keys.get(job.path)) is not None:
            path = Path(job.path)
            said = made.model_copy(update={"seconds": 0.0})
            self._keep(key, f"{job.target} {job.scheme}", {f"artifact{path.suffix}": path}, said.model_dump_json())

    def _artifact(self, target: Target, name: str) -> Artifact:
        made, file = self._made[target.name, name], self.order.file(target, name)
        return Artifact(
            **entry_for(self.order.folder, file).model_dump(),
            target=target.name,
            scheme=name,
            runtime=target.runtime,
            minimum_runtime=target.minimum_runtime(name),
            backends=made.backends,
            operators=made.operators,
            inputs=made.inputs,
            outputs=made.outputs,
            delegation=made.delegation,
            planned_memory_bytes=made.planned_memory_bytes,
        )

    def _kept_program(self, name: str) -> Path | None:
        """The file of a scheme's program, where an earlier export left it."""
        kept = self._take(self._quantize_key(name))
        if kept is None:
            return None
        with self.progress.task(f"quantizing to {name}") as task:
            if scheme(name).calibrated:
                self._quantization[name] = Quantization.model_validate_json((kept / _RECORD).read_bytes())
            task.say(FROM_CACHE)
        return kept / _PROGRAM

    def _quantized(self, name: str) -> Path:
        record = ""
        with self.progress.task(f"quantizing to {name}"):
            if scheme(name).calibrated:
                program = self._calibrated(name)
                record = self._quantization[name].model_dump_json()
            else:
                program = prepare(name, for_quantizing(self.order.captured))
            file = self.order.work / name / _PROGRAM
            save_program(program, file)
        self._programs[file] = program
        self._keep(self._quantize_key(name), name, {_PROGRAM: file}, record)
        return file

    def _calibrated(self, name: str) -> ExportedProgram:
        order, settings = self.order, self.order.settings[name]
        assert order.calibration is not None
        quantized = calibrated(order.captured, order.calibration, settings, feed=order.feed, progress=self.progress)
        self._quantization[name] = record_of(name, quantized, settings.options)
        return quantized.program

    def _quantize_key(self, name: str) -> QuantizeKey:
        order, settings = self.order, self.order.settings.get(name)
        return QuantizeKey(
            code_sha256=code(),
            basis=self._basis,
            program_sha256=self._float_sha256,
            inputs=order.captured.inputs,
            scheme=name,
            options=settings.options if settings else None,
            ranges=settings.ranges if settings else None,
            samples_sha256=self._samples_sha256 if settings else None,
            feed=order.feed,
        )

    @cached_property
    def _float_sha256(self) -> str:
        return sha256(self.order.float_file)

    @cached_property
    def _samples_sha256(self) -> str:
        samples = self.order.calibration
        assert samples is not None
        labels = None if samples.labels is None else samples.labels.tolist()
        return samples_sha256([samples.one(index) for index in range(len(samples))], labels)

    def _program(self, file: Path) -> ExportedProgram:
        from mobilekit.model.pt2 import load_pt2

        if file not in self._programs:
            self._programs[file] = load_pt2(file)
        return self._programs[file]

    def _take(self, key: Key) -> Path | None:
        place = self.order.work / "kept" / digest(key)
        return place if self.cache.take(key, place) else None

    def _keep(self, key: Key, about: str, files: dict[str, Path], record: str) -> None:
        note = self.order.work / _RECORD
        write_atomically(note, record)
        self.cache.keep(key, f"{self.order.name} {about}", {**files, _RECORD: note})
