from __future__ import annotations

import pytest

from mobilekit.errors import UnknownName
from mobilekit.quantize import SCHEMES, scheme


def test_each_scheme_is_called_what_it_is_listed_as() -> None:
    assert {name: scheme(name).name for name in SCHEMES} == {name: name for name in SCHEMES}
    assert [name for name in SCHEMES if scheme(name).calibrated] == ["int8"]
    assert all(one.summary for one in SCHEMES.values())


def test_another_name() -> None:
    with pytest.raises(UnknownName, match=r"unknown scheme 'in8', did you mean 'int8'\? .have: int8, fp16, fp32"):
        scheme("in8")
