from __future__ import annotations

import pytest

from mobilekit.errors import UnknownName
from mobilekit.quantize import SCHEMES, scheme
from mobilekit.quantize.schemes import nearest


def test_each_scheme_is_called_what_it_is_listed_as() -> None:
    assert {name: scheme(name).name for name in SCHEMES} == {name: name for name in SCHEMES}
    assert [name for name in SCHEMES if scheme(name).calibrated] == ["int8", "int8-qat", "mixed"]
    assert [name for name in SCHEMES if not scheme(name).quantized] == ["fp32", "fp16"]
    assert all(one.summary for one in SCHEMES.values())


@pytest.mark.parametrize(
    ("name", "among", "found"),
    [
        ("fp16", ["int8", "fp32"], "fp32"),
        ("int8-dynamic", ["int8", "int8-weight-only", "fp16"], "int8-weight-only"),
        ("int8", ["fp32", "int8-dynamic", "int8-weight-only"], "int8-dynamic"),
        ("palettize-6", ["palettize-4", "int8", "int8-weight-only"], "int8-weight-only"),
        ("palettize-4", ["int8", "palettize-6", "int4-weight-only"], "int4-weight-only"),
        ("int4-weight-only", ["fp32", "fp16", "int8"], "int8"),
    ],
)
def test_the_nearest_has_as_many_bits_and_then_does_as_much_to_activations(
    name: str, among: list[str], found: str
) -> None:
    assert nearest(name, among) == nearest(name, among[::-1]) == found
    assert nearest(name, [*among, name]) == name


def test_another_name() -> None:
    with pytest.raises(UnknownName, match=r"unknown scheme 'in8', did you mean 'int8'\? .have: int8, "):
        scheme("in8")
