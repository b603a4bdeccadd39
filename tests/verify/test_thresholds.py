"""Every threshold has its reason, small sample sizes get their slack, and the page tells the same figures."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.errors import UnknownName
from mobilekit.quantize.schemes import SCHEMES
from mobilekit.verify import THRESHOLDS, thresholds
from mobilekit.verify.stream import STREAM_ERROR

PAGE = Path(__file__).resolve().parents[2] / "docs" / "verification.md"


def test_every_scheme_has_thresholds() -> None:
    assert set(SCHEMES) == set(THRESHOLDS) == set(STREAM_ERROR)


def test_unknown() -> None:
    with pytest.raises(UnknownName, match="did you mean 'int8'"):
        thresholds("int9")


@pytest.mark.parametrize("scheme", THRESHOLDS)
def test_every_threshold_says_why(scheme: str) -> None:
    limits = thresholds(scheme)
    for one in (limits.sqnr_db, limits.agreement, limits.top1_drop_points, limits.dynamic_sqnr_db):
        assert len(one.why) > 20


@pytest.mark.parametrize("scheme", THRESHOLDS)
def test_the_page_tells_the_same_figures(scheme: str) -> None:
    limits = thresholds(scheme)
    figures = (
        f"{limits.sqnr_db.value:g} dB",
        f"{100 * limits.agreement.value:g} %",
        f"{limits.top1_drop_points.value:g}",
        f"{limits.dynamic_sqnr_db.value:g} dB",
        f"{limits.slack_samples}",
    )
    assert f"| {scheme} | {' | '.join(figures)} |" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", THRESHOLDS)
@given(samples=st.integers(1, 100_000))
def test_slack_is_in_whole_samples_and_fades(scheme: str, samples: int) -> None:
    limits = thresholds(scheme)
    assert limits.least_agreement(samples) <= limits.agreement.value
    assert limits.largest_drop(samples) >= limits.top1_drop_points.value
    assert 0 <= limits.least_agreement(samples) <= 1
    assert limits.largest_drop(samples) <= 100
    if samples >= 100_000 // 2:
        assert limits.least_agreement(samples) == limits.agreement.value
        assert limits.largest_drop(samples) == limits.top1_drop_points.value


def test_twenty_samples() -> None:
    assert thresholds("int8").least_agreement(20) == pytest.approx(0.9)
    assert thresholds("int8").largest_drop(20) == pytest.approx(10)
    assert thresholds("fp32").largest_drop(20) == pytest.approx(5)
