"""The gate with a C++ runner and with counted instructions, on a real .pte: the golden one, against itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mobilekit.bundle import manifest as m
from mobilekit.bundle.write import entry_for, write_manifest, write_tensor
from mobilekit.environment import describe
from mobilekit.errors import UsageError
from mobilekit.gate import GateBudgets, Verdict
from mobilekit.pipeline import GateOptions, gate
from mobilekit.runners.arm64 import counting
from mobilekit.spec import TensorSpec

TINY = Path(__file__).parents[1] / "golden" / "artifacts" / "tiny.pte"
ONLY = GateBudgets(bytes_percent=False, planned_memory_percent=False)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("tiny")
    shutil.copy(TINY, folder / "tiny.pte")
    shape = (1, 1, 8, 8)
    tensor = TensorSpec(name="x", shape=shape)
    outputs = (TensorSpec(name="y", shape=(1, 10)),)
    artifact = m.Artifact(
        **entry_for(folder, "tiny.pte").model_dump(),
        target="xnnpack",
        scheme="fp32",
        runtime="executorch",
        minimum_runtime="1",
        inputs=(tensor,),
        outputs=outputs,
    )
    golden = write_tensor(folder, "golden/s0.x.bin", "x", np.ones(shape, np.float32))
    manifest = m.Manifest(
        created="2026-11-21T01:17:00Z",
        model=m.ModelEntry(name="tiny", source="test", parameters=1, trained=True),
        inputs=(tensor,),
        outputs=outputs,
        artifacts=(artifact,),
        golden=(m.GoldenSample(id="s0", inputs=(golden,), input_max_abs_error=0, outputs=()),),
        environment=describe(),
    )
    write_manifest(folder, manifest)
    return str(folder)


@pytest.mark.slow
def test_instructions_are_counted_on_both_sides(arm64: str, bundle: str) -> None:
    reason = counting("cortex-a76").unavailable()
    if reason is not None:
        pytest.skip(reason)
    result = gate(bundle, bundle, GateOptions(budgets=ONLY, instructions="cortex-a76"))
    found = {one.metric: one for one in result.findings}
    assert found["latency"].reason.startswith("the same file")
    one = found["instructions"]
    assert one.verdict is Verdict.PASS
    assert one.baseline is not None and one.baseline > 100
    assert one.worsening == pytest.approx(0, abs=0.2)


@pytest.mark.slow
def test_the_native_runner_is_timed(native: str, bundle: str) -> None:
    result = gate(bundle, bundle, GateOptions(budgets=ONLY, runner=native, equal_files=True, max_seconds=4))
    (found,) = result.findings
    assert found.sessions is not None and found.sessions >= 2
    assert found.baseline is not None and found.candidate is not None
    assert found.verdict is not Verdict.REGRESSION


@pytest.mark.slow
def test_an_emulated_runner_is_not_timed(arm64: str, bundle: str) -> None:
    from mobilekit.runners.registry import runner

    if not getattr(runner("arm64"), "emulated", False):
        pytest.skip("this is an Arm machine: nothing is emulated")
    with pytest.raises(UsageError, match="emulated here"):
        gate(bundle, bundle, GateOptions(runner=arm64, equal_files=True))
