"""Compare: the figures that need no clock, held against their budgets. Exact: equal artifacts give equal figures."""

from __future__ import annotations

from mobilekit.gate.budgets import GateBudgets
from mobilekit.gate.figures import METRICS, Figures, Metric
from mobilekit.gate.side import Side, Variant, same_samples
from mobilekit.gate.verdicts import Finding, Verdict

_OF_SAMPLES = ("accuracy", "agreement")
_ROUNDING = 1e-9
OTHER_SAMPLES = "measured on other samples; --data NAME runs both on the same"


def compare_figures(baseline: Side, candidate: Side, variant: Variant, budgets: GateBudgets) -> list[Finding]:
    """What is there, what its checks say, and each metric that has a budget. Latency is not among them."""
    before, after = baseline.of(variant), candidate.of(variant)
    if before is None or after is None:
        return [_finding(variant, "present", Verdict.REGRESSION, reason="the candidate does not have this variant")]
    found = [_checks(before, after)]
    allowed = budgets.of(*variant)
    equal_samples = same_samples(baseline.samples, candidate.samples)
    for metric in METRICS:
        budget = getattr(allowed, metric.budget)
        if budget is False:
            continue
        found.append(_metric(metric, before, after, budget, equal_samples))
    return [one for one in found if one is not None]


def _checks(before: Figures, after: Figures) -> Finding | None:
    """The thresholds that verification held the candidate against."""
    if after.passed is None:
        return None
    if after.passed:
        return _finding(after.variant, "checks", Verdict.PASS)
    if before.passed is False:
        return _finding(after.variant, "checks", Verdict.PASS, reason="failed, as in the baseline")
    return _finding(after.variant, "checks", Verdict.REGRESSION, reason="verification failed (mobilekit verify)")


def _metric(metric: Metric, before: Figures, after: Figures, budget: float, equal_samples: bool) -> Finding | None:
    then, now = before.value(metric), after.value(metric)
    if then is None and now is None:
        return None
    known = {"unit": metric.kind, "baseline": then, "candidate": now, "budget": budget}
    variant = before.variant
    if then is None:
        return _finding(variant, metric.name, Verdict.NOT_COMPARED, reason="the baseline has no figure", **known)
    if now is None:
        return _finding(variant, metric.name, Verdict.INCONCLUSIVE, reason="the candidate has no figure", **known)
    if metric.name in _OF_SAMPLES and not equal_samples:
        return _finding(variant, metric.name, Verdict.INCONCLUSIVE, reason=OTHER_SAMPLES, **known)
    if metric.name == "instructions" and before.instructions_cpu != after.instructions_cpu:
        cores = f"{before.instructions_cpu} and {after.instructions_cpu}"
        return _finding(variant, metric.name, Verdict.NOT_COMPARED, reason=f"counted on {cores}", **known)
    worsening = metric.worsening(then, now)
    worse = worsening > budget + _ROUNDING
    verdict = Verdict.REGRESSION if worse else Verdict.PASS
    return _finding(variant, metric.name, verdict, worsening=worsening, **known)


def _finding(variant: Variant, metric: str, verdict: Verdict, **known: object) -> Finding:
    target, scheme = variant
    return Finding.model_validate({"target": target, "scheme": scheme, "metric": metric, "verdict": verdict, **known})
