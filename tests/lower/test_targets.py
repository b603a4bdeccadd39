"""Which scheme goes with which target, and what is said about the rest."""

from __future__ import annotations

import pytest

from mobilekit.errors import UnknownName, UsageError
from mobilekit.lower import TARGETS, check_schemes, target


def test_pairs_in_the_order_asked_without_repeats() -> None:
    pairs = check_schemes(["onnx", "xnnpack", "onnx"], ["int8", "fp32", "int8"])
    assert [(one.name, scheme) for one, scheme in pairs] == [
        ("onnx", "int8"),
        ("onnx", "fp32"),
        ("xnnpack", "int8"),
        ("xnnpack", "fp32"),
    ]


def test_a_pair_that_does_not_exist_says_what_the_target_takes() -> None:
    with pytest.raises(UsageError) as refused:
        check_schemes(["xnnpack", "coreml"], ["fp16", "fp32"])
    assert "xnnpack does not take fp16; it takes fp32, int8" in str(refused.value)
    assert "coreml" not in str(refused.value)


@pytest.mark.parametrize(
    ("targets", "schemes", "guess"), [(["xnpack"], ["fp32"], "xnnpack"), (["onnx"], ["int-8"], "int8")]
)
def test_near_misses_name_the_nearest(targets: list[str], schemes: list[str], guess: str) -> None:
    with pytest.raises(UnknownName, match=f"did you mean '{guess}'"):
        check_schemes(targets, schemes)


def test_every_target_describes_itself() -> None:
    for name, one in TARGETS.items():
        assert target(name) is one
        assert one.name == name
        assert one.summary and one.suffix.startswith(".") and one.minimum_runtime()
