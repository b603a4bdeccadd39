"""Layers: what int8 costs from layer to layer, a column each in the order they are computed, and the worst of them."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from mobilekit.bundle.manifest import LayerNoise, Manifest, Quantization

_WORST = 5
_CEILING = 60.0
"""Decibels. What is above is drawn as high as this: its noise is a thousandth of the signal."""


@dataclass(frozen=True)
class Layers:
    """One quantized program. `targets` are what it was lowered to."""

    scheme: str
    targets: str
    summary: str
    worst: tuple[LayerNoise, ...]
    wide: str
    narrow: str


def layer_charts(manifest: Manifest) -> tuple[Layers, ...]:
    """For each scheme that was calibrated; none for bundles that do not say."""
    return tuple(_of(one, manifest) for one in manifest.quantization if one.layers)


def _of(one: Quantization, manifest: Manifest) -> Layers:
    targets = [artifact.target for artifact in manifest.artifacts if artifact.scheme == one.scheme]
    return Layers(
        scheme=one.scheme,
        targets=", ".join(targets),
        summary=f"{one.quantized} of {one.candidates} convolutions and linear layers compute in int8.",
        worst=worst_layers(one.layers),
        wide=_svg(one.layers, 880, 220),
        narrow=_svg(one.layers, 360, 200),
    )


def worst_layers(layers: tuple[LayerNoise, ...], count: int = _WORST) -> tuple[LayerNoise, ...]:
    """The noisiest, the noisiest first; never one that is equal to float."""
    return tuple(sorted((one for one in layers if one.sqnr_db is not None), key=_decibels)[:count])


def _decibels(one: LayerNoise) -> float:
    return _CEILING if one.sqnr_db is None else one.sqnr_db


def _svg(layers: tuple[LayerNoise, ...], width: int, height: int) -> str:
    left, top, bottom = 36, 22, 24
    across = (width - left) / len(layers)
    ceiling = min(_CEILING, max(20.0, 1.05 * max(map(_decibels, layers))))
    worst = {one.name for one in worst_layers(layers)}

    def up(value: float) -> float:
        return height - bottom - max(0.0, min(value, ceiling)) / ceiling * (height - top - bottom)

    parts = ['<text class="axis" x="0" y="14">SQNR, dB</text>']
    for tick in range(0, int(ceiling) + 1, 10 if ceiling < 45 else 20):
        parts.append(f'<path class="grid" d="M{left} {up(tick):.1f}H{width}"/>')
        parts.append(f'<text class="tick" x="{left - 6}" y="{up(tick) + 4:.1f}" text-anchor="end">{tick}</text>')
    for index, one in enumerate(layers):
        value = "equal" if one.sqnr_db is None else f"{one.sqnr_db:.1f} dB"
        at, base = up(_decibels(one)), height - bottom
        x, thick = left + (index + 0.12) * across, max(0.5, 0.76 * across)
        parts.append(
            f'<g class="{"c3" if one.name in worst else "c2"}"><title>{escape(f"{one.name} ({one.operator}): {value}")}'
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
