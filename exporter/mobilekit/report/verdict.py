"""Verdict: whether an artifact is worth shipping, in a sentence, from the bundle's own figures.

A quantized artifact pays when it is faster or smaller than the same target in float, and neither slower, larger nor
less accurate than that, or than the accuracy budget allows where there is one; a float one when it is faster than
eager. What was not measured is not judged, and neither is what other programs disturbed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import sqrt
from typing import Literal

from mobilekit.bundle.manifest import Artifact, Latency, Manifest, Quantization
from mobilekit.inspection.summary import size_text
from mobilekit.quantize.schemes import MIXED, QAT
from mobilekit.report.table import REFERENCE, figure, is_quantized
from mobilekit.spec.base import Spec

WORTH_SAYING_RATIO = 1.05
"""Two figures closer than 5 % are the same here: less than that, and caches and layout of memory decide."""
WORTH_SAYING_POINTS = 0.5
"""As much as half precision may lose (verify/thresholds.py), and never less than two samples, which rounding turns."""

Kind = Literal["reference", "pays", "no gain", "does not pay", "failed", "not known"]


class Verdict(Spec):
    """What to do with an artifact, and why."""

    target: str
    precision: str
    kind: Kind
    words: str


@dataclass
class _Case:
    gains: list[str] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    budget: float | None = None
    """Points of top-1 that may be lost, where somebody said so."""


def verdicts(manifest: Manifest) -> tuple[Verdict, ...]:
    """One per artifact, in the bundle's order, eager first."""
    ordered = sorted(manifest.artifacts, key=lambda one: one.target != REFERENCE)
    return tuple(_verdict(manifest, artifact) for artifact in ordered)


def median_interval(latency: Latency) -> tuple[float, float]:
    """Where the median lies with 95 % confidence: as measured, over rounds, where the bundle has that.

    Else from the quartiles: median ± 1.57 IQR / √n (McGill, Tukey, Larsen 1978).
    """
    if latency.median_ci95 is not None:
        return latency.median_ci95.low, latency.median_ci95.high
    half = 1.57 * latency.iqr_ms / sqrt(latency.n)
    return max(0.0, latency.median_ms - half), latency.median_ms + half


def share_interval(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of `n` samples, both in 0 to 1 (Wilson 1927)."""
    z = 1.96
    middle, half = share + z * z / (2 * n), z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))


def _verdict(manifest: Manifest, artifact: Artifact) -> Verdict:
    def said(kind: Kind, words: str) -> Verdict:
        return Verdict(target=artifact.target, precision=artifact.scheme, kind=kind, words=words)

    if artifact.target == REFERENCE:
        return said("reference", "The model as PyTorch runs it: what the others are held against. It is not shipped.")
    verification = artifact.verification
    if verification is None:
        return said("not known", "It was not verified.")
    if not verification.executed:
        return said("not known", f"Converted, not executed here: {verification.reason}.")
    failed = [check for check in verification.checks if not check.passed]
    if failed:
        checks = "; ".join(
            f"{one.name} is {'undefined' if one.value is None else figure(one.value)}, must be {one.bound} "
            f"{figure(one.threshold)}"
            for one in failed
        )
        return said("failed", f"Do not ship it: {checks}.")
    base = _base(manifest, artifact)
    if base is None:
        return said("not known", "There is nothing in this bundle to compare it with.")
    kind, words = _compared(artifact, base, _budget(manifest) if is_quantized(artifact.scheme) else None)
    return said(kind, " ".join((words, *_of_its_own(manifest, artifact))))


def _budget(manifest: Manifest) -> float | None:
    """The accuracy budget that the bundle was made with: whoever gives one means every artifact."""
    given = (one.options.max_drop for one in manifest.quantization if one.options and one.drop_points is not None)
    return next((points for points in given if points is not None), None)


def _of_its_own(manifest: Manifest, artifact: Artifact) -> Iterator[str]:
    """What the schemes whose name does not say what they came to, came to."""
    if artifact.scheme == QAT:
        yield "Float is here the same weights, trained for int8, and not the run that they come from."
    made = next((one for one in manifest.quantization if one.scheme == artifact.scheme == MIXED), None)
    if made is not None and made.drop_points is not None:
        yield _mixture(made)


def _mixture(made: Quantization) -> str:
    """What scheme mixed came to, which depends on the budget."""
    limit = made.options.max_drop if made.options else None
    budget = "the budget" if limit is None else f"the budget of {limit:g} points"
    missed = limit is not None and made.drop_points is not None and made.drop_points > limit
    if not made.floating:
        why = (
            f"{budget} was missed, and layers in float did not help" if missed else f"{budget} needs no layer in float"
        )
        return f"The same as int8: {why}."
    stay = "1 layer stays" if len(made.floating) == 1 else f"{len(made.floating)} layers stay"
    if missed:
        return f"{stay} in float, and {budget} was still missed on the calibration samples."
    return f"{stay} in float for {budget}."


def _base(manifest: Manifest, artifact: Artifact) -> Artifact | None:
    """The same target in float32, or in another float for what is quantized; else eager."""
    floats = [one for one in manifest.artifacts if one.target == artifact.target and not is_quantized(one.scheme)]
    plain = next((one for one in floats if one.scheme == "fp32" != artifact.scheme), None)
    if plain is not None:
        return plain
    if is_quantized(artifact.scheme) and floats:
        return floats[0]
    return next((one for one in manifest.artifacts if one.target == REFERENCE), None)


def _compared(artifact: Artifact, base: Artifact, budget: float | None) -> tuple[Kind, str]:
    case = _Case(budget=budget)
    name = base.target if base.target == REFERENCE else f"{base.target} {base.scheme}"
    _latency(case, artifact, base)
    if base.target != REFERENCE:  # a .pt2 is no file that an app would ship instead
        _size(case, artifact, base)
    _accuracy(case, artifact, base)
    kind: Kind = "not known" if case.unknown else "no gain"
    if case.gains or case.losses:
        kind = "does not pay" if case.losses else "pays"
    return kind, " ".join(_sentences(case, name))


def _sentences(case: _Case, name: str) -> Iterator[str]:
    if case.losses:
        though = f", though {' and '.join(case.gains)}" if case.gains else ""
        yield f"{_capital(' and '.join(case.losses))} than {name}{though}."
    elif case.gains:
        yield f"{_capital(' and '.join(case.gains))} than {name}."
    elif not case.unknown:
        yield f"About as fast, as large and as accurate as {name}."
    yield from case.unknown


def _latency(case: _Case, artifact: Artifact, base: Artifact) -> None:
    from mobilekit.bench import disturbed

    mine, theirs = artifact.benchmark, base.benchmark
    if mine is None or theirs is None or mine.latency is None or theirs.latency is None:
        case.unknown.append("Its speed was not measured.")
        return
    if disturbed(mine) or disturbed(theirs):
        case.unknown.append("Its speed is not judged: other programs took the cores away while it was timed.")
        return
    own, other = mine.latency.median_ms, theirs.latency.median_ms
    apart = median_interval(mine.latency)[1] < median_interval(theirs.latency)[0]
    behind = median_interval(mine.latency)[0] > median_interval(theirs.latency)[1]
    figures = f"({figure(own)} against {figure(other)} ms)"
    if apart and other > WORTH_SAYING_RATIO * own:
        case.gains.append(f"{other / own:.1f} times faster {figures}")
    elif behind and own > WORTH_SAYING_RATIO * other:
        case.losses.append(f"{own / other:.1f} times slower {figures}")


def _size(case: _Case, artifact: Artifact, base: Artifact) -> None:
    own, other = artifact.bytes, base.bytes
    if not own or not other:
        return
    figures = f"({size_text(own)} against {size_text(other)})"
    if other > WORTH_SAYING_RATIO * own:
        case.gains.append(f"{other / own:.1f} times smaller {figures}")
    elif own > WORTH_SAYING_RATIO * other:
        case.losses.append(f"{own / other:.1f} times larger {figures}")


def _accuracy(case: _Case, artifact: Artifact, base: Artifact) -> None:
    mine = artifact.verification.metrics if artifact.verification else None
    theirs = base.verification.metrics if base.verification else None
    if mine is None or theirs is None or mine.top1 is None or theirs.top1 is None:
        case.unknown.append("Its accuracy was not measured.")
        return
    drop, figures = 100 * (theirs.top1 - mine.top1), f"{100 * mine.top1:.1f} against {100 * theirs.top1:.1f} %"
    if case.budget is not None and drop > case.budget + 1e-9:
        case.losses.append(f"{drop:.2f} points less accurate ({figures}; the budget is {case.budget:g} points)")
    elif case.budget is None and drop > max(WORTH_SAYING_POINTS, 200 / max(1, mine.samples)):
        case.losses.append(f"{drop:.1f} points less accurate ({figures})")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
