"""Which scheme goes with which target, and what is said about the rest."""

from __future__ import annotations

import pytest

from mobilekit.errors import UnknownName, UsageError
from mobilekit.lower import TARGETS, check_schemes, target
from mobilekit.quantize import SCHEMES


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
        check_schemes(["xnnpack", "coreml"], ["palettize-4", "fp32"])
    (line,) = refused.value.message.splitlines()[1:]
    assert line.startswith(
        "  xnnpack does not take palettize-4; it takes fp32, fp16, int8, int8-qat, mixed, int8-dynamic, "
    )
    assert line.endswith("nearest is int4-weight-only, or palettize-4 on coreml")
    assert "mobilekit list schemes" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("target", "scheme", "nearest"),
    [
        ("xnnpack", "int8-weight-only", "int8-dynamic, or int8-weight-only on onnx or coreml"),
        ("xnnpack", "palettize-6", "int8-dynamic, or palettize-6 on coreml"),
        ("onnx", "palettize-4", "int4-weight-only, or palettize-4 on coreml"),
        ("onnx", "palettize-6", "int8-weight-only, or palettize-6 on coreml"),
        ("coreml", "int8-dynamic", "int8-weight-only, or int8-dynamic on xnnpack or onnx"),
    ],
)
def test_the_nearest_pairs(target: str, scheme: str, nearest: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_schemes([target], [scheme])
    assert refused.value.message.endswith(f"nearest is {nearest}")


def test_every_pair_says_how_it_is_made_and_when_it_pays() -> None:
    for one in TARGETS.values():
        for name, made in one.schemes.items():
            assert made.scheme == name and name in SCHEMES
            assert len(made.how) > 10 and len(made.pays) > 10 and "|" not in made.how + made.pays
            assert one.minimum_runtime(name) == made.minimum_runtime or made.minimum_runtime is None


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
        assert one.summary and one.suffix.startswith(".") and one.minimum_runtime("fp32")
