"""Compare: a candidate's outputs against eager's and the labels -> Metrics, and Checks against named thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mobilekit.bundle.manifest import Check, Metrics
from mobilekit.errors import RunnerError
from mobilekit.verify.metrics import Outputs, agreeing, correct, distance, predictions
from mobilekit.verify.thresholds import Limit, Thresholds, thresholds

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Comparison:
    """Figures, and the same held against thresholds."""

    metrics: Metrics
    checks: tuple[Check, ...]


def compare(
    reference: Outputs,
    candidate: Outputs,
    *,
    scheme: str,
    labels: Sequence[int] | None = None,
    meaningful: bool = True,
    limits: Thresholds | None = None,
) -> Comparison:
    """Hold `candidate` against `reference` (eager), both one entry per sample, in the same order.

    `labels`: one class index per row, or None. `meaningful` false (random weights, or generated samples) leaves
    labels out and agreement unchecked: which of several equal logits wins is chance. `limits` replaces the scheme's.
    Raises RunnerError when the outputs' shapes differ, UnknownName for the scheme.
    """
    if not reference:
        raise RunnerError("nothing to verify: there are no samples")
    limits = limits or thresholds(scheme)
    metrics = _metrics(reference, candidate, labels if meaningful else None)
    checks = [
        Check(
            name="nonfinite_values",
            value=metrics.nonfinite,
            threshold=0,
            bound="at most",
            passed=metrics.nonfinite == 0,
        ),
        sqnr_check("sqnr_db", metrics.sqnr_db, limits.sqnr_db),
    ]
    if meaningful and metrics.agreement is not None:
        checks.append(_agreement_check(metrics.agreement, metrics.samples, limits))
    if metrics.top1 is not None and metrics.top1_eager is not None:
        checks.append(_top1_check(metrics.top1_eager - metrics.top1, metrics.samples, limits))
    return Comparison(metrics, tuple(checks))


def sqnr_check(name: str, value: float | None, limit: Limit) -> Check:
    """At least `limit`; None (no difference at all) passes."""
    return Check(name=name, value=value, threshold=limit.value, passed=value is None or value >= limit.value)


def _metrics(reference: Outputs, candidate: Outputs, labels: Sequence[int] | None) -> Metrics:
    apart = distance(reference, candidate)
    wanted, given = predictions(reference), predictions(candidate)
    classifies = wanted is not None and given is not None
    samples = len(wanted) if wanted is not None else len(reference)
    return Metrics(
        samples=samples,
        top1=correct(given, labels) / samples if given is not None and classifies and labels is not None else None,
        top1_eager=correct(wanted, labels) / samples
        if wanted is not None and classifies and labels is not None
        else None,
        agreement=agreeing(wanted, given) / samples if wanted is not None and given is not None else None,
        sqnr_db=apart.sqnr_db,
        max_abs_error=apart.max_abs_error,
        nonfinite=apart.nonfinite,
    )


def _agreement_check(agreement: float, samples: int, limits: Thresholds) -> Check:
    least = limits.least_agreement(samples)
    return Check(name="agreement", value=agreement, threshold=least, passed=agreement >= least - _ROUNDING)


def _top1_check(drop: float, samples: int, limits: Thresholds) -> Check:
    points, largest = 100 * drop, limits.largest_drop(samples)
    passed = points <= largest + _ROUNDING
    return Check(name="top1_drop_points", value=points, threshold=largest, bound="at most", passed=passed)
