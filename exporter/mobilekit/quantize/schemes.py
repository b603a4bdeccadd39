"""Schemes: the numeric precisions an artifact can have. Which target takes which is the target's own to say."""

from __future__ import annotations

from dataclasses import dataclass

from mobilekit.registry import lookup


@dataclass(frozen=True)
class Scheme:
    """A precision by name. `calibrated` schemes measure activations on data before lowering."""

    name: str
    summary: str
    calibrated: bool = False


SCHEMES: dict[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Scheme("fp32", "float32 weights and activations, as trained"),
        Scheme("fp16", "float16 weights and activations, cast by the target's converter"),
        Scheme("int8", "int8 weights per channel and int8 activations per tensor, static (PTQ, PT2E)", calibrated=True),
    )
}


def scheme(name: str) -> Scheme:
    """The scheme called `name`; raises UnknownName with the choices."""
    return lookup("scheme", name, SCHEMES)
