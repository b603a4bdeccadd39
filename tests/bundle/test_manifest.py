"""Core values of the manifest survive their JSON, and outcomes are never better than what was run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mobilekit.bundle.manifest import (
    Artifact,
    Check,
    Delegation,
    FileEntry,
    Latency,
    Metrics,
    ModelEntry,
    Verification,
)
from mobilekit.spec.base import Spec
from mobilekit.spec.tensor import TensorSpec

HASHES = st.text("0123456789abcdef", min_size=64, max_size=64)
PATHS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,5}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,5}){0,2}", fullmatch=True)
COUNTS = st.integers(0, 2**63)
FIGURES = st.floats(0, 1e300)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=10)
CHECKS = st.builds(Check, name=TEXTS, value=st.none() | FIGURES, threshold=FIGURES, passed=st.booleans())
METRICS = st.builds(
    Metrics,
    samples=COUNTS,
    top1=st.none() | st.floats(0, 1),
    sqnr_db=st.none() | st.floats(-300, 300),
    max_abs_error=FIGURES,
)
LATENCIES = st.builds(
    Latency,
    n=st.integers(1, 10**6),
    warmup=COUNTS,
    median_ms=FIGURES,
    p90_ms=FIGURES,
    min_ms=FIGURES,
    iqr_ms=FIGURES,
    threads=st.integers(1, 256),
    ratio_to_eager=st.none() | FIGURES,
)
EXECUTED = st.builds(
    Verification, executed=st.just(True), runner=TEXTS, metrics=METRICS, checks=st.lists(CHECKS, max_size=3).map(tuple)
)
NOT_EXECUTED = st.builds(Verification, executed=st.just(False), reason=TEXTS.filter(bool))
ARTIFACTS = st.builds(
    Artifact,
    file=PATHS,
    bytes=COUNTS,
    sha256=HASHES,
    target=TEXTS,
    scheme=TEXTS,
    runtime=TEXTS,
    minimum_runtime=TEXTS,
    backends=st.lists(TEXTS, max_size=2).map(tuple),
    inputs=st.just((TensorSpec(name="x", shape=(1, 2)),)),
    outputs=st.just((TensorSpec(name="y", shape=(1, 2)),)),
    delegation=st.none() | st.builds(Delegation, delegates=COUNTS, delegated_nodes=COUNTS, portable_nodes=COUNTS),
    verification=st.none() | EXECUTED | NOT_EXECUTED,
)
MODELS = st.builds(ModelEntry, name=TEXTS, source=TEXTS, parameters=COUNTS, trained=st.booleans(), commit=TEXTS)


@given(ARTIFACTS | LATENCIES | MODELS | st.builds(FileEntry, file=PATHS, bytes=COUNTS, sha256=HASHES))
def test_values_survive_their_json_exactly(value: Spec) -> None:
    text = value.model_dump_json()
    again = type(value).model_validate_json(text, strict=True)
    assert again == value
    assert again.model_dump_json() == text


@given(EXECUTED | NOT_EXECUTED)
def test_only_what_was_executed_and_checked_has_passed(verification: Verification) -> None:
    if verification.passed:
        assert verification.executed
        assert verification.checks
        assert all(check.passed for check in verification.checks)


def test_nothing_checked_is_not_passed() -> None:
    metrics = Metrics(samples=1, sqnr_db=None, max_abs_error=0)
    assert Verification(executed=True, metrics=metrics).passed is None


def test_values_cannot_be_changed() -> None:
    entry = FileEntry(file="a", bytes=1, sha256="0" * 64)
    with pytest.raises(ValidationError):
        entry.bytes = 2
