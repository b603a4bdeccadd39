"""Verified: what running an artifact showed in an earlier export of the very same files and samples, on this machine.

Kept are the figures and the outputs that golden vectors are made of. Refuses to keep what a plug-in's runner showed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from mobilekit.bundle.manifest import Artifact, StreamEntry, Verification
from mobilekit.cache import Cache, digest
from mobilekit.files import write_atomically
from mobilekit.pipeline.keys import Basis, VerifyKey, code, is_ours, samples_sha256
from mobilekit.pipeline.measuring import Inputs
from mobilekit.runners import Array
from mobilekit.runners.registry import runner_for

_FIGURES, _OUTPUTS = "verification.json", "outputs.safetensors"
_NAME = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True)
class Verified:
    """The memory of one export; see measuring.Memory."""

    cache: Cache
    work: Path
    name: str
    basis: Basis
    eager: Artifact
    samples: Inputs
    labels: Sequence[int] | None
    _: KW_ONLY
    judged: bool
    stream: StreamEntry | None
    golden: int
    """Of how many samples the outputs are kept."""

    def recall(self, artifact: Artifact) -> tuple[Verification, list[tuple[Array, ...]]] | None:
        """The figures and the first outputs; None where they are not known."""
        key = self._key(artifact)
        place = self.work / "kept" / digest(key) if key else self.work
        if key is None or not self.cache.take(key, place):
            return None
        from safetensors.numpy import load_file

        try:
            verification = Verification.model_validate_json((place / _FIGURES).read_bytes())
        except ValidationError:
            return None
        return verification, _rows(load_file(place / _OUTPUTS))

    def keep(self, artifact: Artifact, verification: Verification, outputs: Inputs) -> None:
        """Remember this for another export."""
        key = self._key(artifact)
        if key is None:
            return
        import numpy as np
        from safetensors.numpy import save

        arrays = {
            f"{sample}.{output}": np.ascontiguousarray(array).reshape(array.shape)
            for sample, row in enumerate(outputs[: self.golden])
            for output, array in enumerate(row)
        }
        figures, first = self.work / _FIGURES, self.work / _OUTPUTS
        write_atomically(figures, verification.model_dump_json())
        write_atomically(first, save(arrays))
        about = f"{self.name} {artifact.target} {artifact.scheme}"
        self.cache.keep(key, about, {_FIGURES: figures, _OUTPUTS: first})

    def _key(self, artifact: Artifact) -> VerifyKey | None:
        runner = runner_for(Path(artifact.file))
        if not is_ours(runner):
            return None
        return VerifyKey(
            code_sha256=code(),
            basis=self.basis,
            eager_sha256=self.eager.sha256,
            artifact_sha256=artifact.sha256,
            scheme=artifact.scheme,
            inputs=artifact.inputs,
            outputs=self.eager.outputs,
            samples_sha256=self._samples_sha256,
            judged=self.judged,
            runner=runner.name,
            stream=self.stream,
            golden=self.golden,
        )

    @cached_property
    def _samples_sha256(self) -> str:
        return samples_sha256(self.samples, self.labels)


def _rows(arrays: dict[str, Array]) -> list[tuple[Array, ...]]:
    """Sample by sample, as `keep` named them."""
    rows: dict[int, dict[int, Array]] = {}
    for name, array in arrays.items():
        if found := _NAME.fullmatch(name):
            rows.setdefault(int(found[1]), {})[int(found[2])] = array
    return [tuple(row[output] for output in sorted(row)) for _, row in sorted(rows.items())]
