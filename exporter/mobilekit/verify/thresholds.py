"""Thresholds: what an artifact must reach, by scheme, each with its reason (docs/verification.md has more)."""

from __future__ import annotations

from dataclasses import dataclass

from mobilekit.registry import lookup


@dataclass(frozen=True)
class Limit:
    """A threshold and why it stands where it does."""

    value: float
    why: str


@dataclass(frozen=True)
class Thresholds:
    """What a scheme must reach.

    `slack_samples` samples may always change class or be lost, however few there are: at n = 20 one sample is 5 points.
    """

    sqnr_db: Limit
    agreement: Limit
    top1_drop_points: Limit
    dynamic_sqnr_db: Limit
    slack_samples: int

    def least_agreement(self, samples: int) -> float:
        """The share of samples that must agree, out of `samples`."""
        return max(0.0, min(self.agreement.value, 1 - self.slack_samples / samples))

    def largest_drop(self, samples: int) -> float:
        """The top-1 points that may be lost, out of `samples`."""
        return min(100.0, max(self.top1_drop_points.value, 100 * self.slack_samples / samples))


THRESHOLDS: dict[str, Thresholds] = {
    "fp32": Thresholds(
        sqnr_db=Limit(
            80,
            "the same sums in another order leave 100 to 140 dB; a wrong epsilon or padding rule less than 70",
        ),
        agreement=Limit(0.999, "only a tie to six digits may fall the other way"),
        top1_drop_points=Limit(0.1, "float must not lose accuracy; one sample in a thousand for ties"),
        dynamic_sqnr_db=Limit(80, "another batch size may only change the order of sums"),
        slack_samples=1,
    ),
    "fp16": Thresholds(
        sqnr_db=Limit(
            40, "one rounding to 11 bits leaves 70 dB, a deep network of them 50 to 60; overflow leaves none"
        ),
        agreement=Limit(0.99, "a relative error of 1e-2 turns only near-ties"),
        top1_drop_points=Limit(0.5, "half-precision inference is taken as lossless; more means overflow or underflow"),
        dynamic_sqnr_db=Limit(40, "as for the scheme itself"),
        slack_samples=1,
    ),
    "int8": Thresholds(
        sqnr_db=Limit(
            10, "a tenth of the signal's energy as noise; broken quantization measures about 0 dB, good 20 to 40"
        ),
        agreement=Limit(0.90, "samples that eager itself is unsure of may turn; a broken network agrees at chance"),
        top1_drop_points=Limit(1.0, "99 % of float accuracy, the quality target of MLPerf Inference"),
        dynamic_sqnr_db=Limit(30, "scales are static, so only a value at a rounding edge may fall one step away"),
        slack_samples=2,
    ),
    "int8-dynamic": Thresholds(
        sqnr_db=Limit(10, "as for int8; four small networks measure 45 to 49 dB"),
        agreement=Limit(0.90, "as for int8: samples that eager is unsure of may turn"),
        top1_drop_points=Limit(1.0, "as for int8: 99 % of float accuracy"),
        dynamic_sqnr_db=Limit(20, "ONNX Runtime finds one scale for all samples of a batch, so they share its range"),
        slack_samples=2,
    ),
    "int8-weight-only": Thresholds(
        sqnr_db=Limit(
            20, "rounding the weights alone left 42 to 51 dB of four small networks; a wrong scale or axis about 0"
        ),
        agreement=Limit(0.95, "activations stay float, so only near-ties turn"),
        top1_drop_points=Limit(1.0, "as for int8: 99 % of float accuracy"),
        dynamic_sqnr_db=Limit(40, "float arithmetic, in float16 for Core ML"),
        slack_samples=2,
    ),
    "int4-weight-only": Thresholds(
        sqnr_db=Limit(
            6, "4 bits left 23 to 34 dB of four small networks, and each doubling of depth takes 3; a wrong scale, 0"
        ),
        agreement=Limit(0.85, "as for int8, with more samples to turn"),
        top1_drop_points=Limit(2.0, "4 bits are chosen for size; who loses more should choose 8"),
        dynamic_sqnr_db=Limit(20, "as for int8-dynamic: activations are rounded in the kernel"),
        slack_samples=2,
    ),
    "palettize-4": Thresholds(
        sqnr_db=Limit(
            6, "16 values by k-means leave about 20 dB of a layer's weights, as int4 does; a wrong table about 0"
        ),
        agreement=Limit(0.85, "as for int4-weight-only"),
        top1_drop_points=Limit(2.0, "as for int4-weight-only"),
        dynamic_sqnr_db=Limit(40, "the weights are constants and the arithmetic float16"),
        slack_samples=2,
    ),
    "palettize-6": Thresholds(
        sqnr_db=Limit(15, "64 values by k-means leave about 30 dB of a layer's weights; a wrong table about 0"),
        agreement=Limit(0.90, "as for int8: samples that eager is unsure of may turn"),
        top1_drop_points=Limit(1.0, "as for int8: 99 % of float accuracy"),
        dynamic_sqnr_db=Limit(40, "the weights are constants and the arithmetic float16"),
        slack_samples=2,
    ),
}

THRESHOLDS |= dict.fromkeys(("int8-qat", "mixed"), THRESHOLDS["int8"])


def thresholds(scheme: str) -> Thresholds:
    """The thresholds of a scheme; raises UnknownName with the choices."""
    return lookup("scheme", scheme, THRESHOLDS)
