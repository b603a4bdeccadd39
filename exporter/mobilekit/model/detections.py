"""Detections: from a detector's raw outputs to boxes, scores and labels, in NumPy: what an app has to do.

The exported network ends where its arithmetic ends: scores before softmax or sigmoid, boxes as offsets from anchors,
and the anchors. What follows sorts, compares and drops, which runtimes on phones have no operators for; it is the same
for every model of a kind, and is written in an app once. `detect` is the reference for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]

LARGEST_GROWTH = math.log(1000 / 16)
"""Offsets of width and height are cut here before exp(): a box grows to 62.5 times its anchor at most."""


@dataclass(frozen=True)
class Postprocess:
    """The figures that `detect` needs, as the detector has them.

    `scores` "softmax": over classes, of which class 0 is the background, and the best `candidates` of each class go on.
    "sigmoid": each class by itself, and the best `candidates` of each feature level; "sigmoid, centerness": the root of
    the product with the centerness. `boxes` "centre": offsets of centre, width and height, divided by `weights`;
    "edges": distances of the four sides from the anchor's centre, in anchor sizes. `levels`: how many anchors each
    feature level has, in order. `size`: (height, width) of the network's input, in whose pixels boxes are.
    """

    scores: Literal["softmax", "sigmoid", "sigmoid, centerness"]
    boxes: Literal["centre", "edges"]
    levels: tuple[int, ...]
    size: tuple[int, int]
    score_threshold: float
    candidates: int
    iou_threshold: float
    detections: int
    weights: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Detections:
    """The best first. `boxes` float32 (n, 4): x1, y1, x2, y2 in pixels of the input; `labels` are classes."""

    boxes: Floats
    scores: Floats
    labels: Whole


def detect(outputs: Mapping[str, Any], how: Postprocess) -> Detections:
    """One image's detections from the network's outputs by name.

    `class_logits` (1, anchors, classes), `box_regression` (1, anchors, 4), `anchors` (anchors, 4) as x1, y1, x2, y2,
    and for FCOS `centerness` (1, anchors, 1); all float32.
    """
    boxes = _clipped(_decoded(outputs["box_regression"][0], outputs["anchors"], how), how.size)
    found = [
        (boxes[anchors[best]], scores[best], labels[best])
        for anchors, scores, labels in _groups(outputs, how)
        for best in [_best(scores, how.score_threshold, how.candidates)]
    ]
    kept_boxes, scores, labels = (np.concatenate(part) for part in zip(*found, strict=True))
    kept = _suppressed(kept_boxes, scores, labels, how)
    return Detections(kept_boxes[kept], scores[kept], labels[kept])


def _groups(outputs: Mapping[str, Any], how: Postprocess) -> Iterator[tuple[Whole, Floats, Whole]]:
    """(anchor, score, label) of everything that competes for one quota of candidates."""
    logits: Floats = outputs["class_logits"][0]
    count, classes = logits.shape
    if how.scores == "softmax":
        grown = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = grown / grown.sum(axis=1, keepdims=True)
        for label in range(1, classes):
            yield np.arange(count), probabilities[:, label], np.full(count, label)
        return
    scores = _sigmoid(logits)
    if how.scores == "sigmoid, centerness":
        scores = np.sqrt(scores * _sigmoid(outputs["centerness"][0]))
    first = 0
    for size in how.levels:
        anchors, labels = np.divmod(np.arange(size * classes), classes)
        yield anchors + first, scores[first : first + size].reshape(-1), labels
        first += size


def _best(scores: Floats, threshold: float, count: int) -> Whole:
    above = np.flatnonzero(scores > np.float32(threshold))
    return above[np.argsort(-scores[above], kind="stable")][:count]


def _sigmoid(x: Floats) -> Floats:
    with np.errstate(over="ignore"):  # exp of a large number is infinite, and 1 / infinity the right 0
        return np.asarray(1 / (1 + np.exp(-x)), dtype=np.float32)


def _decoded(offsets: Floats, anchors: Floats, how: Postprocess) -> Floats:
    """Boxes (n, 4) from offsets (n, 4) and anchors (n, 4)."""
    sizes = anchors[:, 2:] - anchors[:, :2]
    centres = anchors[:, :2] + np.float32(0.5) * sizes
    if how.boxes == "edges":
        return np.concatenate([centres - offsets[:, :2] * sizes, centres + offsets[:, 2:] * sizes], axis=1)
    weights: Floats = np.array(how.weights, dtype=np.float32)
    offsets = offsets / weights
    moved = offsets[:, :2] * sizes + centres
    grown = np.exp(np.minimum(offsets[:, 2:], np.float32(LARGEST_GROWTH))) * sizes
    return np.concatenate([moved - np.float32(0.5) * grown, moved + np.float32(0.5) * grown], axis=1)


def _clipped(boxes: Floats, size: tuple[int, int]) -> Floats:
    height, width = size
    return np.clip(boxes, 0, np.array([width, height, width, height], dtype=np.float32))


def _suppressed(boxes: Floats, scores: Floats, labels: Whole, how: Postprocess) -> Whole:
    """Non-maximum suppression within each label: the kept boxes' indices, the best score first, `detections` at most.

    A box goes when it overlaps a better one of its label by more than the threshold (intersection over union).
    """
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept: list[int] = []
    waiting = np.argsort(-scores, kind="stable")
    while waiting.size and len(kept) < how.detections:
        best, rest = waiting[0], waiting[1:]
        kept.append(int(best))
        first = np.maximum(boxes[best, :2], boxes[rest, :2])
        last = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        common = np.prod(np.maximum(last - first, 0), axis=1)
        with np.errstate(invalid="ignore"):  # of two empty boxes: 0 / 0, which suppresses nothing
            overlap = common / (areas[best] + areas[rest] - common)
        waiting = rest[~((overlap > how.iou_threshold) & (labels[rest] == labels[best]))]
    return np.asarray(kept, dtype=np.int64)
