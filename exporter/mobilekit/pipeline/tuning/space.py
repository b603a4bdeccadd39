"""Space: what a search may try: targets and schemes, how int8 is calibrated and mended, and which layers stay float.

A candidate is plain data; how one is drawn from an Optuna trial, and what a trial must say to become a given one, is
here too, so that both agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from mobilekit.quantize import Ranking, scheme
from mobilekit.quantize.schemes import MIXED, QAT
from mobilekit.spec import QuantizeSpec
from mobilekit.spec.quantize import RULES

if TYPE_CHECKING:
    import random

    from optuna.trial import BaseTrial

Order = Literal["costly", "light", "depthwise", "first", "last"]
"""Which layers stay float: those by which int8 loses most; those with the least to compute, which gain nothing by int8
and pay for conversions; depthwise convolutions, the largest kernels first, which a runtime may compute no faster in
int8 (of a network without them, as `light`); or a piece at either end, which needs one conversion only."""
ORDERS: list[Order] = list(get_args(Order))
OBSERVERS = ("auto", *RULES)
WEIGHT_OBSERVERS = ("min-max", "mse")


@dataclass(frozen=True)
class Candidate:
    """One artifact that could be made. What is not a scheme's business is None or 0."""

    target: str
    scheme: str
    observer: str | None = None
    weight_observer: str | None = None
    bias_correction: bool | None = None
    equalize: bool | None = None
    floating: int = 0
    order: Order = "costly"

    def params(self) -> dict[str, Any]:
        """What an Optuna trial says to become this one."""
        chosen: dict[str, Any] = {"variant": f"{self.target}:{self.scheme}"}
        if self.observer is not None:
            chosen |= {
                "observer": self.observer,
                "weight_observer": self.weight_observer,
                "bias_correction": self.bias_correction,
                "equalize": self.equalize,
            }
        if self.floating:
            chosen |= {"float_layers": self.floating, "float_order": self.order}
        return chosen

    def options(self, base: QuantizeSpec, ranking: Callable[[], Ranking]) -> QuantizeSpec:
        """How int8 is made for it. `ranking` is asked only where layers stay float."""
        if self.observer is None:
            return base
        named: tuple[str, ...] = ()
        if self.floating:
            found = ranking()
            orders = {
                "costly": found.by_cost,
                "light": found.by_work,
                "depthwise": found.depthwise or found.by_work,
                "first": found.in_order,
                "last": found.in_order[::-1],
            }
            named = orders[self.order][: self.floating]
        return base.model_copy(
            update={
                "observer": self.observer,
                "weight_observer": self.weight_observer,
                "bias_correction": self.bias_correction,
                "equalize": self.equalize,
                "floating": named,
            }
        )

    def name(self, base: QuantizeSpec) -> str:
        """`onnx mixed, 3 costly layers float, observer mse`: what it is, and where it differs from `base`."""
        words = [f"{self.target} {self.scheme}"]
        if self.floating:
            words.append(f"{self.floating} {self.order} layer{'s' if self.floating > 1 else ''} float")
        if self.observer is not None:
            words += [f"observer {self.observer}"] * (self.observer != base.observer)
            words += [f"weights by {self.weight_observer}"] * (self.weight_observer != base.weight_observer)
            for field in ("bias_correction", "equalize"):
                value = getattr(self, field)
                if value != getattr(base, field):
                    words.append(f"{'' if value else 'no '}{field.replace('_', ' ')}")
        return ", ".join(words)


@dataclass(frozen=True)
class Space:
    """`variants`: (target, scheme). `layers` says of how many at most one fewer may stay float; it takes long."""

    variants: tuple[tuple[str, str], ...]
    base: QuantizeSpec
    layers: Callable[[], int]

    def plain(self, targets: Sequence[str], int8: str) -> list[Candidate]:
        """Float and int8 of each target as an export makes them, of those that are in the space."""
        wanted = [(target, name) for target in targets for name in ("fp32", int8)]
        return [self._made(*one) for one in wanted if one in self.variants]

    def hints(self, kernels: Sequence[int]) -> list[Candidate]:
        """What is likely to pay for a network with depthwise convolutions of so many weights a channel, the largest
        first: those above 3x3 in float, where it has any, and all of them."""
        counts = dict.fromkeys(count for count in (sum(size > 9 for size in kernels), len(kernels)) if count)
        return [
            replace(self._made(target, name), floating=count, order="depthwise")
            for target, name in self.variants
            if name == MIXED
            for count in counts
        ]

    def suggested(self, trial: BaseTrial) -> Candidate:
        """The candidate that a trial stands for."""
        target, name = trial.suggest_categorical("variant", [":".join(one) for one in self.variants]).split(":")
        if not _is_calibrated_here(name):
            return Candidate(target, name)
        return Candidate(
            target,
            name,
            observer=trial.suggest_categorical("observer", OBSERVERS),
            weight_observer=trial.suggest_categorical("weight_observer", WEIGHT_OBSERVERS),
            bias_correction=trial.suggest_categorical("bias_correction", [False, True]),
            equalize=trial.suggest_categorical("equalize", [False, True]),
            floating=trial.suggest_int("float_layers", 1, self._most(), log=True) if name == MIXED else 0,
            order=_order(trial.suggest_categorical("float_order", ORDERS)) if name == MIXED else "costly",
        )

    def drawn(self, chance: random.Random) -> Candidate:
        """Any candidate."""
        target, name = chance.choice(self.variants)
        if not _is_calibrated_here(name):
            return Candidate(target, name)
        return Candidate(
            target,
            name,
            observer=chance.choice(OBSERVERS),
            weight_observer=chance.choice(WEIGHT_OBSERVERS),
            bias_correction=chance.random() < 0.5,
            equalize=chance.random() < 0.5,
            floating=chance.randint(1, self._most()) if name == MIXED else 0,
            order=chance.choice(ORDERS) if name == MIXED else "costly",
        )

    def _most(self) -> int:
        return max(1, self.layers() - 1)

    def _made(self, target: str, name: str) -> Candidate:
        if not _is_calibrated_here(name):
            return Candidate(target, name)
        base = self.base
        return Candidate(target, name, base.observer, base.weight_observer, base.bias_correction, base.equalize)


def candidate_of(params: Mapping[str, Any]) -> Candidate:
    """The candidate with these `params()`."""
    target, _, name = str(params["variant"]).partition(":")
    return Candidate(
        target,
        name,
        observer=params.get("observer"),
        weight_observer=params.get("weight_observer"),
        bias_correction=params.get("bias_correction"),
        equalize=params.get("equalize"),
        floating=params.get("float_layers", 0),
        order=params.get("float_order", "costly"),
    )


def _is_calibrated_here(name: str) -> bool:
    """Whether there is a choice of how: what was trained for int8 has its ranges."""
    return scheme(name).calibrated and name != QAT


def _order(text: str) -> Order:
    return next(one for one in ORDERS if one == text)
