"""Layers: what int8 costs from layer to layer, and what each alone costs, as columns in the order of computation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from mobilekit.bundle.manifest import LayerNoise, Manifest, Quantization

_WORST = 5
_CEILING = 60.0
"""Decibels. What is above is drawn as high as this: its noise is a thousandth of the signal."""


@dataclass(frozen=True)
class Chart:
    """One figure of every layer: drawn twice, for wide screens and narrow ones, and the worst layers named."""

    text: str
    worst: tuple[tuple[LayerNoise, float], ...]
    wide: str
    narrow: str


@dataclass(frozen=True)
class Layers:
    """One quantized program. `targets` are what it was lowered to."""

    scheme: str
    targets: str
    summary: str
    charts: tuple[Chart, ...]


Figure = Callable[[LayerNoise], float | None]

ARRIVING = "Each column is what arrives at a layer's output, with the noise of the layers before it."
ALONE = "Each column is what the model's outputs would have, were nothing but this layer int8: the lowest cost most."


def layer_charts(manifest: Manifest) -> tuple[Layers, ...]:
    """For each scheme that was calibrated; none for bundles that do not say."""
    return tuple(_of(one, manifest) for one in manifest.quantization if one.layers)


def _of(one: Quantization, manifest: Manifest) -> Layers:
    targets = [artifact.target for artifact in manifest.artifacts if artifact.scheme == one.scheme]
    summary = f"{one.quantized} of {one.candidates} convolutions and linear layers compute in int8."
    if one.floating:
        summary += f" In float for the accuracy budget: {', '.join(one.floating)}."
    charts = [_chart(ARRIVING, one.layers, _arriving, "equal")]
    if any(layer.alone_sqnr_db is not None for layer in one.layers):
        charts.append(_chart(ALONE, one.layers, _alone, "not measured, or no noise"))
    return Layers(scheme=one.scheme, targets=", ".join(targets), summary=summary, charts=tuple(charts))


def _arriving(one: LayerNoise) -> float | None:
    return one.sqnr_db


def _alone(one: LayerNoise) -> float | None:
    return one.alone_sqnr_db


def _chart(text: str, layers: tuple[LayerNoise, ...], figure: Figure, without: str) -> Chart:
    worst = worst_layers(layers, figure)
    wide, narrow = (_svg(layers, figure, without, *size) for size in ((880, 220), (360, 200)))
    return Chart(text, worst, wide, narrow)


def worst_layers(
    layers: tuple[LayerNoise, ...], figure: Figure = _arriving, count: int = _WORST
) -> tuple[tuple[LayerNoise, float], ...]:
    """Those with the lowest figure, the lowest first; never one that has none."""
    found = [(one, value) for one in layers if (value := figure(one)) is not None]
    return tuple(sorted(found, key=lambda pair: pair[1])[:count])


def _svg(layers: tuple[LayerNoise, ...], figure: Figure, without: str, width: int, height: int) -> str:
    left, top, bottom = 36, 22, 24
    across = (width - left) / len(layers)
    values = [_CEILING if (value := figure(one)) is None else value for one in layers]
    ceiling = min(_CEILING, max(20.0, 1.05 * max(values)))
    worst = {one.name for one, _ in worst_layers(layers, figure)}

    def up(value: float) -> float:
        return height - bottom - max(0.0, min(value, ceiling)) / ceiling * (height - top - bottom)

    parts = ['<text class="axis" x="0" y="14">SQNR, dB</text>']
    for tick in range(0, int(ceiling) + 1, 10 if ceiling < 45 else 20):
        parts.append(f'<path class="grid" d="M{left} {up(tick):.1f}H{width}"/>')
        parts.append(f'<text class="tick" x="{left - 6}" y="{up(tick) + 4:.1f}" text-anchor="end">{tick}</text>')
    for index, (one, height_db) in enumerate(zip(layers, values, strict=True)):
        value = figure(one)
        said = without if value is None else f"{value:.1f} dB"
        at, base = up(height_db), height - bottom
        x, thick = left + (index + 0.12) * across, max(0.5, 0.76 * across)
        parts.append(
            f'<g class="{"c3" if one.name in worst else "c2"}"><title>{escape(f"{one.name} ({one.operator}): {said}")}'
            f'</title><path class="dot" d="M{x:.1f} {base}V{at:.1f}h{thick:.1f}V{base}z"/></g>'
        )
    ends = ((left, "start", layers[0].name), (width, "end", layers[-1].name))
    for x, anchor, name in ends if len(layers) > 1 else ends[:1]:
        parts.append(
            f'<text class="tick" x="{x}" y="{height - 6}" text-anchor="{anchor}">{escape(_short(name))}</text>'
        )
    start = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="SQNR of each layer" class="chart">'
    return f"{start}{''.join(parts)}</svg>"


def _short(name: str, most: int = 22) -> str:
    return name if len(name) <= most else f"…{name[1 - most :]}"
