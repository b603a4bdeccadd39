"""Sequential: how sure a mean is while more and more values come in, and one may stop at any time.

An ordinary confidence interval holds for a number of values that was fixed beforehand. Who looks after every value,
and stops as soon as he likes what he sees, cries wolf far more often than it says. The interval here holds at all
numbers at once. It inverts a test by Bayes factors: t-test with the right Haar prior on the spread and a normal prior
N(0, R) on the mean in units of it (Gönen et al. 2005), whose factor is a test martingale under every mean that is
tested and every spread, so that by Ville's inequality it exceeds 1/alpha with a probability of alpha at most, ever
(Hendriksen, de Heide and Grünwald 2021).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

FALSE_ALARMS = 0.01
"""The most regressions that a gate of equal sides may report, all its variants together."""
MISSED = 0.05
"""The most passes of a variant that is slower than its budget."""
LEAST_FOR_PASS, LEAST_FOR_ALARM = 5, 8
"""Processes often have two speeds, by where their memory lies. A few that happen to be of one speed look as if there
were no spread at all: of 400 series of two speeds, 3 % off the budget each, 33 raised an alarm when three sessions were
enough, and tests hold that it is within the level now."""
LEAST_SPREAD = 0.005
"""Sessions that agree better than 0.5 % do so by chance: no spread below it is believed."""
_PRIOR = 50.0  # differences of seven spreads are expected: small numbers of sessions then decide soonest
_MOST_SESSIONS = 100_000


@dataclass(frozen=True)
class Estimate:
    """A mean of `n` values, their standard deviation, and how far the mean may be off at a level."""

    n: int
    mean: float
    spread: float

    def interval(self, alpha: float) -> tuple[float, float]:
        """Holds the true mean with a probability of 1 - alpha at least, at all `n` together."""
        half = half_width(self.n, self.spread, alpha)
        return self.mean - half, self.mean + half


def estimate(values: Sequence[float]) -> Estimate | None:
    """None for fewer than two values."""
    if len(values) < 2:
        return None
    return Estimate(len(values), statistics.fmean(values), max(LEAST_SPREAD, statistics.stdev(values)))


def half_width(n: int, spread: float, alpha: float) -> float:
    """Half of the interval's width; infinite while so few values can show nothing at this level."""
    gain = 1 + n * _PRIOR
    power = (math.sqrt(gain) / alpha) ** (2 / n)
    if n < 2 or power >= gain:
        return math.inf
    return spread * math.sqrt((n - 1) / n * (power - 1) / (1 - power / gain))


def decide(found: Estimate | None, budget: float, comparisons: int) -> bool | None:
    """True: above `budget`; False: within it; None: not yet known.

    For True the level is shared between `comparisons` (Bonferroni): a gate of many variants raises no more false
    alarms than one of a single variant.
    """
    if found is None:
        return None
    if found.n >= LEAST_FOR_ALARM and found.interval(FALSE_ALARMS / max(1, comparisons))[0] > budget:
        return True
    return False if found.n >= LEAST_FOR_PASS and found.interval(MISSED)[1] <= budget else None


def sessions_needed(found: Estimate, budget: float, comparisons: int) -> int | None:
    """How many values in all would decide, if mean and spread stay as they are. None: more than can be waited for."""
    alpha = FALSE_ALARMS / max(1, comparisons) if found.mean > budget else MISSED
    gap = abs(found.mean - budget)
    if half_width(_MOST_SESSIONS, found.spread, alpha) > gap:
        return None
    low, high = LEAST_FOR_ALARM if found.mean > budget else LEAST_FOR_PASS, _MOST_SESSIONS
    while low < high:  # the width falls with n
        middle = (low + high) // 2
        if half_width(middle, found.spread, alpha) <= gap:
            high = middle
        else:
            low = middle + 1
    return low
