"""Instructions by operator: each named once, summed over its calls, and never more than the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.bench import count_instructions
from mobilekit.bench.operators import by_operator, summed
from mobilekit.bundle.contents import Call, Delegate
from mobilekit.bundle.etdump import Span
from mobilekit.bundle.measured import OperatorInstructions
from mobilekit.bundle.pte import PteSummary
from mobilekit.errors import BundleError, RunnerError
from mobilekit.runners.arm64 import counting

GOLDEN = Path(__file__).parents[1] / "golden" / "artifacts"
PROFILE = (GOLDEN / "tiny.etdp").read_bytes()


def call(instruction: int, operator: str | None, delegate: int | None = None, method: str = "forward") -> Call:
    return Call(method=method, chain=0, instruction=instruction, operator=operator, delegate=delegate)


PROGRAM = PteSummary(
    bytes=1, schema_version=0, methods=("forward",), inputs=(), outputs=(), operators=(), planned_memory_bytes=0,
    constant_bytes=0, weights=(),
    delegates=(Delegate(backend="XnnpackBackend", bytes=1), Delegate(backend="OtherBackend", bytes=1)),
    calls=(
        call(0, None, 0), call(1, "aten::mean.out"), call(2, None, 1), call(3, "aten::mean.out"),
        call(4, "aten::add.out", method="other"),
    ),
)  # fmt: skip


def span(kind: str, instruction: int, instructions: int, name: str = "") -> Span:
    """As a counting clock writes it: a microsecond for each instruction."""
    end = 7000 + 1000 * instructions
    return Span.model_validate(
        {"kind": kind, "name": name, "chain": 0, "instruction": instruction, "start": 7000, "end": end}
    )


def run(mean: int, whole: int = 9999) -> list[Span]:
    return [
        span("inside", 0, 100, "Convolution (NHWC, F32) IGEMM #1"),
        span("inside", 0, 20, "Transpose (ND, X32) #1"),
        span("inside", 0, 300, "Convolution (NHWC, F32) IGEMM #2"),
        span("delegate", 0, 800),
        span("kernel", 1, mean),
        span("delegate", 2, 50),
        span("kernel", 3, 5),
        span("method", -1, whole),
        span("kernel", 4, 70000),  # of another method
    ]


def test_operators_are_summed_by_name_over_calls() -> None:
    """What is inside a delegate stands for it; one that says nothing of its inside stands for itself."""
    found = summed([run(40), run(30), run(1_000_000)], PROGRAM)
    assert found == (
        OperatorInstructions(name="Convolution (NHWC, F32) IGEMM", calls=2, instructions=400),
        OperatorInstructions(name="OtherBackend", calls=1, instructions=50),
        OperatorInstructions(name="aten::mean.out", calls=2, instructions=45),
        OperatorInstructions(name="Transpose (ND, X32)", calls=1, instructions=20),
    )


def test_a_profile_is_read_beside_its_artifact(tmp_path: Path) -> None:
    found = by_operator(GOLDEN / "tiny.pte", PROFILE, warmup=1)
    assert {one.name for one in found} >= {"Convolution (NHWC, F32) IGEMM", "aten::mean.out", "aten::cumsum.out"}
    with pytest.raises(RunnerError, match=r"tiny\.pte: .* holds no inference"):
        by_operator(GOLDEN / "tiny.pte", PROFILE, warmup=3)
    with pytest.raises(BundleError, match=r"missing\.pte"):
        by_operator(tmp_path / "missing.pte", PROFILE, warmup=0)


@given(st.integers(0, len(PROFILE)), st.lists(st.tuples(st.integers(0, len(PROFILE) - 1), st.integers(0, 255))))
def test_a_damaged_profile_is_read_or_refused(length: int, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(PROFILE)
    for place, value in changes:
        damaged[place] = value
    try:
        found = by_operator(GOLDEN / "tiny.pte", bytes(damaged[:length]), warmup=0)
    except RunnerError as error:
        assert error.message.startswith("tiny.pte: the profile that ExecuTorch wrote")
    else:
        assert all(one.calls >= 1 for one in found)


@pytest.mark.slow
def test_kernels_outside_delegates_are_counted_without_the_tracer(arm64: str) -> None:
    """Its own work, many times a small kernel's, would make them more than the whole."""
    reason = counting("cortex-a53").unavailable()
    if reason is not None:
        pytest.skip(reason)
    sample = (np.random.default_rng(0).standard_normal((2, 1, 8, 8)).astype(np.float32),)
    found = count_instructions(GOLDEN / "tiny.pte", sample, cpu="cortex-a53", runs=1)
    by_name = {one.name: one for one in found.operators}
    assert by_name["Transpose (ND, X32)"].calls == 2
    # two samples of four channels of 64 values: an addition for each, and the steps from one to the next
    assert 2 * 4 * 64 < by_name["aten::mean.out"].instructions < 2 * 4 * 64 * 200
    assert by_name["aten::cumsum.out"].instructions < 4000
    assert 0.8 * found.per_inference < sum(one.instructions for one in found.operators) <= found.per_inference
