"""Picture: the partition of a .pte as one SVG file, in the order it runs: delegates, and the kernels between them.

Self-contained, light and dark (prefers-color-scheme), also inside an HTML page: its classes begin with `mk-`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from mobilekit.errors import UsageError
from mobilekit.files import MADE_BY
from mobilekit.inspection.causes import Fallback
from mobilekit.inspection.costs import Profile
from mobilekit.inspection.summary import Inspection, PteDetails, histogram, size_text

_WIDTH, _MARGIN, _GAP = 760, 20, 22
_LINE, _PADDING = 20, 12
_LETTER = 7.1  # pixels of an average letter at 13 px, with room to spare
_MOST_BLOCKS = 400
_STYLE = """
.mk-sheet{fill:#fff}.mk-text{font:13px system-ui,sans-serif;fill:#1c2430}.mk-dim{fill:#5a6675}
.mk-head{font-weight:600}.mk-title{font-size:17px;font-weight:600}.mk-right{text-anchor:end}
.mk-delegate{fill:#dff1ee;stroke:#1b8a7a}.mk-kernel{fill:#fdeedb;stroke:#c2700f}.mk-end{fill:#eef1f5;stroke:#8793a3}
.mk-track{fill:#0001}.mk-bar-delegate{fill:#1b8a7a}.mk-bar-kernel{fill:#c2700f}
.mk-arrow{stroke:#8793a3;stroke-width:1.5;fill:none}
@media (prefers-color-scheme:dark){.mk-sheet{fill:#12171f}.mk-text{fill:#e6ebf2}.mk-dim{fill:#9aa7b8}
.mk-delegate{fill:#12332f;stroke:#3dbfac}.mk-kernel{fill:#3a2810;stroke:#e8a04c}.mk-end{fill:#1d242e;stroke:#66748a}
.mk-track{fill:#fff2}.mk-bar-delegate{fill:#3dbfac}.mk-bar-kernel{fill:#e8a04c}.mk-arrow{stroke:#66748a}}
"""


@dataclass(frozen=True)
class _Block:
    """A box: its kind, its first line, further lines, and its share of the time where that was measured."""

    kind: str
    head: str
    lines: tuple[str, ...] = ()
    share: float | None = None

    @property
    def height(self) -> int:
        return 2 * _PADDING + _LINE * (1 + len(self.lines)) - 4


def partition_svg(found: Inspection) -> str:
    """The picture as text; each block has its share of the time where that was measured. Raises UsageError."""
    if not isinstance(found.details, PteDetails):
        raise UsageError(f"{found.path}: only a .pte is divided into delegates and kernels, so only that has a picture")
    profile = found.profile
    blocks = [
        _Block("end", "inputs", tuple(_tensor_line(one.name, one.dtype, one.shape) for one in found.inputs)),
        *_blocks(found.details, profile),
        _Block("end", "outputs", tuple(_tensor_line(one.name, one.dtype, one.shape) for one in found.outputs)),
    ]
    if len(blocks) > _MOST_BLOCKS:
        rest = len(blocks) - _MOST_BLOCKS
        blocks = [*blocks[: _MOST_BLOCKS - 1], _Block("end", f"{rest} further blocks are not drawn"), blocks[-1]]
    title = found.path.replace("\\", "/").rpartition("/")[2]
    parts = [_text(_MARGIN, 34, title, "mk-title"), _text(_MARGIN, 56, _summary(found.details, profile), "mk-dim")]
    at = 76
    for index, block in enumerate(blocks):
        parts.extend(_drawn(block, at))
        at += block.height
        if index < len(blocks) - 1:
            parts.append(_arrow(at))
            at += _GAP
    height = at + _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" data-from="{MADE_BY}" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" aria-label="{escape(f"Partition of {title}")}">'
        f'<style>{_STYLE}</style><rect class="mk-sheet" width="{_WIDTH}" height="{height}"/>{"".join(parts)}</svg>\n'
    )


def _summary(details: PteDetails, profile: Profile | None) -> str:
    kernels = sum(one.count for one in details.fallbacks)
    calls = sum(call.delegate is not None for call in details.calls)
    text = f"{_many(calls, 'delegate call')}, {_many(kernels, 'kernel call')} outside"
    if profile is None:
        return text
    inside, outside = (profile.share_of(details.calls, delegates=which) for which in (True, False))
    return f"{text}; of the time {inside:.0%} in delegates, {outside:.0%} in kernels outside"


def _blocks(details: PteDetails, profile: Profile | None) -> Iterator[_Block]:
    causes = {place: one for one in details.fallbacks for place in one.instructions}
    numbered = list(enumerate(details.calls))
    for delegated, group in groupby(numbered, key=lambda item: item[1].delegate is not None):
        entries = list(group)
        if delegated:
            for place, call in entries:
                delegate = details.delegates[call.delegate or 0]
                head = f"delegate {call.delegate}: {delegate.backend}"
                size = f"{_many(delegate.node_count, 'node')}, {size_text(delegate.weight_bytes)} of weights"
                lines: tuple[str, ...] = (size_text(delegate.bytes),)
                if delegate.nodes:
                    lines = (size, histogram(delegate.nodes))
                yield _Block("delegate", head, lines, profile.of((place,)) if profile else None)
        else:
            places = [place for place, _ in entries]
            lines = tuple(_kernel_lines([call.operator or "" for _, call in entries], places, causes))
            head = f"{_many(len(entries), 'kernel')} outside delegates"
            yield _Block("kernel", head, lines, profile.of(places) if profile else None)


def _kernel_lines(operators: Sequence[str], places: Sequence[int], causes: dict[int, Fallback]) -> Iterator[str]:
    """`2 x aten::expand_copy.out: XNNPACK has no ...`, each operator and cause once."""
    counts: Counter[tuple[str, str]] = Counter()
    for operator, place in zip(operators, places, strict=True):
        counts[operator, causes[place].why if place in causes else ""] += 1
    for (operator, why), count in counts.items():
        yield f"{count} x {operator}: {why}" if why else f"{count} x {operator}"


def _drawn(block: _Block, top: int) -> Iterator[str]:
    width = _WIDTH - 2 * _MARGIN
    yield (
        f'<rect class="mk-{block.kind}" x="{_MARGIN}" y="{top}" width="{width}" height="{block.height}" rx="8" '
        f'stroke-width="1"/>'
    )
    line = top + _PADDING + 11
    yield _text(_MARGIN + 14, line, block.head, "mk-head", room=width - 200)
    if block.share is not None:
        right, track = _WIDTH - _MARGIN - 14, 110
        bar = max(0.0, min(1.0, block.share)) * track
        yield _text(right, line, f"{block.share:.1%}", "mk-head mk-right")
        yield f'<rect class="mk-track" x="{right - 55 - track}" y="{line - 10}" width="{track}" height="10" rx="5"/>'
        yield (
            f'<rect class="mk-bar-{block.kind}" x="{right - 55 - track}" y="{line - 10}" width="{bar:.1f}" '
            f'height="10" rx="5"/>'
        )
    for number, text in enumerate(block.lines, 1):
        yield _text(_MARGIN + 14, line + number * _LINE, text, "mk-dim", room=width - 28)


def _arrow(top: int) -> str:
    middle, bottom = _WIDTH // 2, top + _GAP - 3
    return f'<path class="mk-arrow" d="M{middle} {top + 3}V{bottom}m-4 -5l4 5l4 -5"/>'


def _text(x: int, y: int, text: str, kind: str, *, room: int = _WIDTH - 2 * _MARGIN) -> str:
    """One line, cut off where it would leave its box; the whole of it as a tooltip then."""
    most = int(room / _LETTER)
    shown = text if len(text) <= most else text[: most - 1].rstrip() + "…"
    tip = f"<title>{escape(text)}</title>" if shown != text else ""
    return f'<text class="mk-text {kind}" x="{x}" y="{y}">{tip}{escape(shown)}</text>'


def _tensor_line(name: str, dtype: str, shape: Sequence[int | str]) -> str:
    return f"{name}: {dtype} [{', '.join(map(str, shape))}]"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
