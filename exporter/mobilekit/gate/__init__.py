"""Gate: a baseline against a candidate -> pass, regression or inconclusive, for each metric of each variant."""

from mobilekit.gate.budgets import Budgets, GateBudgets, load_budgets
from mobilekit.gate.compare import compare_figures
from mobilekit.gate.figures import METRICS, Figures, Metric, figures_of
from mobilekit.gate.latency import Pair, Race, race
from mobilekit.gate.side import Side, matched
from mobilekit.gate.verdicts import Finding, GateResult, Verdict, overall

__all__ = [
    "METRICS",
    "Budgets",
    "Figures",
    "Finding",
    "GateBudgets",
    "GateResult",
    "Metric",
    "Pair",
    "Race",
    "Side",
    "Verdict",
    "compare_figures",
    "figures_of",
    "load_budgets",
    "matched",
    "overall",
    "race",
]
