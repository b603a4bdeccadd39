"""What decides a result is in its key: each field changes it, and samples count by their numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mobilekit.cache import digest
from mobilekit.pipeline.keys import LowerKey, QuantizeKey, VerifyKey, basis, code, is_known, is_ours, samples_sha256
from mobilekit.spec import QuantizeSpec, TensorSpec

X, Y = TensorSpec(name="x", shape=(1, 4)), TensorSpec(name="y", shape=(1, 3))
COMMON = {"code_sha256": "0", "basis": basis(1)}
KEYS = [
    LowerKey(**COMMON, program_sha256="1", target="onnx", scheme="int8", inputs=(X,), outputs=(Y,)),
    QuantizeKey(**COMMON, program_sha256="1", inputs=(X,), scheme="int8", options=QuantizeSpec(), samples_sha256="2"),
    VerifyKey(
        **COMMON,
        eager_sha256="1",
        artifact_sha256="2",
        scheme="int8",
        inputs=(X,),
        outputs=(Y,),
        samples_sha256="3",
        judged=True,
        runner="pte",
        stream=None,
        golden=5,
    ),
]
OTHER = {
    "inputs": (Y,),
    "outputs": (X,),
    "judged": False,
    "golden": 6,
    "options": QuantizeSpec(observer="mse"),
    "basis": basis(2),
    "stage": "other",
}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.stage)
def test_every_field_counts(key: LowerKey | QuantizeKey | VerifyKey) -> None:
    for name in type(key).model_fields:
        if name not in ("ranges", "feed", "stream"):
            assert digest(key.model_copy(update={name: OTHER.get(name, "other")})) != digest(key), name


def test_the_same_has_the_same_key() -> None:
    assert [digest(type(key).model_validate_json(key.model_dump_json())) for key in KEYS] == [*map(digest, KEYS)]
    assert len(code()) == 64


def test_the_basis_names_versions_and_the_processor() -> None:
    here = basis(3)
    assert here.threads == 3
    assert {"torch", "executorch", "onnx", "coremltools", "mobilekit", "onnx-ir"} <= set(here.packages)
    assert here.processor


ARRAYS = st.sampled_from(
    [
        np.zeros((1, 4), np.float32),
        np.ones((1, 4), np.float32),
        np.zeros((4, 1), np.float32),
        np.zeros((1, 4), np.int32),
        np.zeros((1, 4), np.float64),
        np.zeros((1, 2), np.float64),
        np.asarray(0.0, np.float32),
    ]
)


Samples = list[tuple[np.ndarray, ...]]


def _plain(samples: Samples) -> list[list[tuple[str, tuple[int, ...], bytes]]]:
    return [[(one.dtype.str, one.shape, one.tobytes()) for one in sample] for sample in samples]


@given(st.lists(st.tuples(ARRAYS, ARRAYS), max_size=3), st.lists(st.tuples(ARRAYS, ARRAYS), max_size=3))
def test_samples_count_by_what_they_hold(one: Samples, other: Samples) -> None:
    same = _plain(one) == _plain(other)
    assert (samples_sha256(one, None) == samples_sha256(other, None)) == same
    assert samples_sha256(one, [1]) != samples_sha256(one, None) != samples_sha256(one, [2])


def test_the_order_in_memory_does_not_count() -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert samples_sha256([(array,)], None) == samples_sha256([(np.asfortranarray(array),)], None)


def _exported(module: nn.Module) -> torch.export.ExportedProgram:
    return torch.export.export(module, (torch.zeros(1, 4),))


def test_only_torchs_own_operators_are_known() -> None:
    class Custom(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.ops.mobilekit_test_keys.double(x) + 1

    with torch.library._scoped_library("mobilekit_test_keys", "DEF") as library:
        library.define("double(Tensor x) -> Tensor")
        library.impl("double", lambda x: x * 2, "CompositeExplicitAutograd")
        assert not is_known(_exported(Custom()))
    assert is_known(_exported(nn.Linear(4, 3)))


def test_a_plug_ins_code_is_not_ours() -> None:
    from mobilekit.lower import TARGETS

    class Foreign:
        pass

    assert all(map(is_ours, TARGETS.values()))
    assert not is_ours(Foreign())
