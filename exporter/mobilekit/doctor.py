"""Doctor: what works on this machine, and the command that mends what doesn't. Installs and changes nothing.

Packages are imported in processes of their own: a broken one may end its process, and doctor must answer then too.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple, Self

from packaging.requirements import InvalidRequirement, Requirement
from pydantic import model_validator

from mobilekit import environment
from mobilekit.errors import SetupError
from mobilekit.spec.base import Spec

Status = Literal["ok", "missing", "broken", "unavailable-here"]
_PYTHONS = ((3, 11), (3, 13))
_PROBE_SECONDS = 120.0
_ROOM_BYTES = 2_000_000_000


class Finding(Spec):
    """One thing that was looked at."""

    area: str
    name: str
    status: Status
    detail: str
    cure: str | None = None

    @model_validator(mode="after")
    def _what_is_broken_has_a_cure(self) -> Self:
        if self.status in ("missing", "broken") and not self.cure:
            raise ValueError("a finding that is missing or broken says what mends it")
        return self


class Probe(NamedTuple):
    """Python to run in a process that has imported nothing yet; what it prints is the finding's detail."""

    area: str
    name: str
    code: str
    package: str


# One process for each group, in this order; torch is imported once for those that need it (coremltools is one).
_PROBES = (
    (
        Probe("import", "torch", "import torch; print(torch.__version__)", "torch"),
        Probe(
            "runtime",
            "ExecuTorch with XNNPACK",
            "import torch\nfrom executorch.extension.pybindings import _C\n"
            "names = sorted(_C._get_registered_backend_names())\n"
            "assert 'XnnpackBackend' in names, f'backends without XnnpackBackend: {names}'\n"
            "print('backends: ' + ', '.join(names))",
            "executorch",
        ),
        Probe(
            "accelerator",
            "for training",
            "import torch\n"
            "print(f'cuda: {torch.cuda.get_device_name(0)}' if torch.cuda.is_available() else "
            "'mps' if torch.backends.mps.is_available() else 'none: training uses the CPU')",
            "torch",
        ),
        Probe("import", "torchvision", "import torchvision; print(torchvision.__version__)", "torchvision"),
        Probe("import", "torchao", "import torchao; print(torchao.__version__)", "torchao"),
        Probe("import", "coremltools", "import coremltools; print(coremltools.__version__)", "coremltools"),
    ),
    (
        Probe(
            "runtime",
            "ONNX Runtime",
            "import os; os.environ['ORT_DISABLE_TELEMETRY'] = '1'\n"
            "import onnxruntime as o; print('providers: ' + ', '.join(o.get_available_providers()))",
            "onnxruntime",
        ),
        Probe("import", "onnx", "import onnx; print(onnx.__version__)", "onnx"),
    ),
)


def diagnose(*, quick: bool = False) -> tuple[Finding, ...]:
    """Look at everything that mobilekit uses. With `quick`, versions only: nothing is imported or started."""
    packages = tuple(_packages())
    findings = [_python(), *packages]
    if not quick:
        absent = {finding.name for finding in packages if finding.status == "missing"}
        groups = [[probe for probe in group if probe.package not in absent] for group in _PROBES]
        with ThreadPoolExecutor(max_workers=len(groups)) as pool:
            findings += [finding for results in pool.map(_run, groups) for finding in results]
    return (*findings, *_core_ml(), *_compiled(), *_machine())


def healthy(findings: Iterable[Finding]) -> bool:
    """True when nothing is missing or broken."""
    return all(finding.status in ("ok", "unavailable-here") for finding in findings)


def _python() -> Finding:
    version = sys.version_info[:2]
    low, high = (".".join(map(str, bound)) for bound in _PYTHONS)
    supported = _PYTHONS[0] <= version <= _PYTHONS[1]
    return Finding(
        area="python",
        name="Python",
        status="ok" if supported else "broken",
        detail=f"{platform.python_version()} at {sys.executable}",
        cure=None if supported else f"use Python {low} to {high}: python{high} -m venv .venv",
    )


def _packages() -> Iterator[Finding]:
    """Installed versions against the ranges of mobilekit's own metadata."""
    requirements = _requirements()
    if not requirements:
        yield Finding(
            area="package",
            name="mobilekit",
            status="missing",
            detail="it runs from a source folder that was not installed, so the versions it needs are not known",
            cure="pip install -e .",
        )
    for requirement in requirements:
        version = environment.version_of(requirement.name)
        fits = version is not None and requirement.specifier.contains(version, prereleases=True)
        yield Finding(
            area="package",
            name=requirement.name,
            status="ok" if fits else "missing" if version is None else "broken",
            detail=version or "not installed"
            if fits or version is None
            else f"{version}, needed: {_range(requirement)}",
            cure=None if fits else f"pip install '{requirement.name}{_range(requirement)}'",
        )


def _range(requirement: Requirement) -> str:
    """`>=2.14.1,<2.15`, the lower bound first."""
    return ",".join(sorted((str(one) for one in requirement.specifier), reverse=True))


def _requirements() -> list[Requirement]:
    """What mobilekit needs on this machine, without its extras."""
    try:
        texts = metadata.requires("mobilekit") or []
        parsed = [Requirement(text) for text in texts]
    except (metadata.PackageNotFoundError, InvalidRequirement):
        return []
    return [one for one in parsed if one.marker is None or one.marker.evaluate({"extra": ""})]


def _run(probes: list[Probe]) -> list[Finding]:
    """Run the probes in one process; when it dies, go on with the next probe in another."""
    findings: list[Finding] = []
    while len(findings) < len(probes):
        left = probes[len(findings) :]
        answers, ending = _answers(left)
        findings += [_finding(probe, good, text) for probe, (good, text) in zip(left, answers, strict=False)]
        if len(answers) < len(left):
            findings.append(_finding(left[len(answers)], False, ending))
    return findings


# Answers go to a descriptor of their own: libraries write to stdout what they like.
_RUNNER = """
import contextlib, io, json, os, sys
answers = os.fdopen(int(sys.argv[1]), "w")
for code in json.loads(sys.argv[2]):
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(code, {})
        answer = [True, printed.getvalue().strip().splitlines()[-1]]
    except BaseException as error:
        answer = [False, f"{type(error).__name__}: {error}".strip().splitlines()[0]]
    print(json.dumps(answer), file=answers, flush=True)
"""


def _answers(probes: list[Probe]) -> tuple[list[tuple[bool, str]], str]:
    """(worked, text) for each probe that answered, and how the process ended."""
    with tempfile.TemporaryFile("w+") as answers:
        codes = json.dumps([probe.code for probe in probes])
        command = [sys.executable, "-W", "ignore", "-c", _RUNNER, str(answers.fileno()), codes]
        try:
            done = subprocess.run(
                command,
                pass_fds=(answers.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_PROBE_SECONDS,
                check=False,
            )
            code = done.returncode
            ending = f"its process died of signal {-code}" if code < 0 else f"its process ended with exit code {code}"
        except subprocess.TimeoutExpired:
            ending = f"no answer within {_PROBE_SECONDS:.0f} s"
        answers.seek(0)
        lines = [json.loads(line) for line in answers if line.endswith("\n")]
    return [(bool(good), str(text)) for good, text in lines], ending


def _finding(probe: Probe, good: bool, text: str) -> Finding:
    requirement = next((one for one in _requirements() if one.name == probe.package), None)
    wanted = f"{probe.package}{_range(requirement)}" if requirement else probe.package
    return Finding(
        area=probe.area,
        name=probe.name,
        status="ok" if good else "broken",
        detail=text,
        cure=None if good else f"pip install --force-reinstall '{wanted}'",
    )


def _core_ml() -> Iterator[Finding]:
    version = environment.version_of("coremltools")
    offered = platform.system() == "Darwin" or (platform.system(), platform.machine()) == ("Linux", "x86_64")
    if version:
        yield Finding(area="core ml", name="convert", status="ok", detail=f"coremltools {version}")
    elif offered:
        cure = "pip install 'mobilekit[coreml]'"
        yield Finding(
            area="core ml", name="convert", status="missing", detail="coremltools is not installed", cure=cure
        )
    else:
        place = f"{platform.system()} on {platform.machine()}"
        yield Finding(
            area="core ml",
            name="convert",
            status="unavailable-here",
            detail=f"coremltools is not offered for {place}",
            cure="export on macOS or Linux x86-64, or without -t coreml",
        )
    mac = platform.system() == "Darwin"
    yield Finding(
        area="core ml",
        name="execute",
        status="ok" if mac else "unavailable-here",
        detail=f"macOS {platform.mac_ver()[0]}" if mac else "needs macOS; artifacts are converted, not executed here",
        cure=None if mac else "on a Mac: mobilekit verify BUNDLE",
    )


def _compiled() -> Iterator[Finding]:
    """Runners that are compiled on first use. Others do without them, so that their absence is no fault."""
    from mobilekit.runners import runner

    for name in ("native", "arm64"):
        reason = runner(name).unavailable()
        detail, _, cure = (reason or "its tools are there; it is compiled on first use").partition(": ")
        status: Status = "unavailable-here" if reason else "ok"
        yield Finding(area="runner", name=name, status=status, detail=detail, cure=cure if reason and cure else None)


def _machine() -> Iterator[Finding]:
    machine = environment.describe().machine
    features = f", {' '.join(machine.features)}" if machine.features else ""
    yield Finding(
        area="machine",
        name="processor",
        status="ok",
        detail=f"{machine.processor}, {machine.cores} usable cores, {machine.memory_bytes / 1e9:.1f} GB{features}",
    )
    yield _espeak()
    yield _folder("this folder", Path.cwd())
    from mobilekit.data.torchvision_sets import data_root

    yield _folder("data cache", data_root())


def _espeak() -> Finding:
    """Only the data set spoken-words needs it, so that its absence is no fault."""
    from mobilekit.data.espeak import INSTALL, espeak_version

    try:
        version = espeak_version()
    except SetupError as error:
        return Finding(area="tool", name="espeak-ng", status="broken", detail=error.message, cure=INSTALL)
    return Finding(
        area="tool",
        name="espeak-ng",
        status="ok" if version else "unavailable-here",
        detail=version or "not installed; only the data set spoken-words needs it",
        cure=None if version else INSTALL,
    )


def _folder(name: str, folder: Path) -> Finding:
    """Room and permission in `folder`, or in the nearest one above that exists."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(there).free
    writable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    cures = {"data cache": "export MOBILEKIT_DATA=FOLDER that you may write to, with room"}
    good = writable and free >= _ROOM_BYTES
    return Finding(
        area="disk",
        name=name,
        status="ok" if good else "broken",
        detail=f"{folder}: {free / 1e9:.1f} GB free{'' if writable else ', not writable'}",
        cure=None if good else cures.get(name, "use a folder that you may write to, with 2 GB free"),
    )
