"""A dynamic batch means the same at every size."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import pytest

from mobilekit.errors import RunnerError
from mobilekit.runners import Worker
from mobilekit.spec import DynamicDim, TensorSpec
from mobilekit.verify import verify_dynamic
from mobilekit.verify.dynamic import batch_of, other_sizes

STATIC = TensorSpec(name="x", shape=(1, 2))


def dynamic(low: int, high: int) -> TensorSpec:
    return TensorSpec(name="x", shape=("batch", 2), dynamic={"batch": DynamicDim(min=low, max=high)})


@pytest.mark.parametrize(
    ("low", "high", "names"),
    [
        (1, 8, ["batch_5_against_1_sqnr_db", "batch_8_against_1_sqnr_db"]),
        (1, 3, ["batch_3_against_1_sqnr_db"]),
        (4, 6, ["batch_5_against_4_sqnr_db", "batch_6_against_4_sqnr_db"]),
        (8, 99, ["batch_9_against_8_sqnr_db", "batch_99_against_8_sqnr_db"]),
    ],
)
def test_sizes_agree(classifier, samples, low: int, high: int, names: list[str]) -> None:
    checks = verify_dynamic(classifier(), samples, inputs=[dynamic(low, high)], scheme="fp32")
    assert [check.name for check in checks] == names
    assert all(check.passed for check in checks)


def test_few_samples_repeat(classifier, samples) -> None:
    (check, _) = verify_dynamic(classifier(), samples[:2], inputs=[dynamic(1, 8)], scheme="fp32")
    assert check.passed


def test_a_model_that_mixes_its_batch_is_caught(classifier, samples) -> None:
    """`logits - max over the whole batch` differs as soon as there is a batch."""
    nodes = (("ReduceMax", ["logits"], ["top"]), ("Sub", ["logits", "top"], ["mixed"]))
    path = classifier(outputs={"mixed": ["batch", 3]}, nodes=nodes)
    checks = verify_dynamic(path, samples, inputs=[dynamic(1, 8)], scheme="int8")
    assert [check.passed for check in checks] == [False, False]


def test_outputs_without_a_batch_are_left_out_but_one_must_have_it(classifier, samples) -> None:
    path = classifier(outputs={"logits": ["batch", 3], "top": [1, 1]}, nodes=(("ReduceMax", ["logits"], ["top"]),))
    checks = verify_dynamic(path, samples, inputs=[dynamic(1, 8)], scheme="fp32")
    assert all(check.passed for check in checks)
    path = classifier(outputs={"top": [1, 1]}, nodes=(("ReduceMax", ["logits"], ["top"]),))
    with pytest.raises(RunnerError, match="no output grows with the batch"):
        verify_dynamic(path, samples, inputs=[dynamic(1, 8)], scheme="fp32")


def test_nothing_to_exercise(classifier, samples, tmp_path: Path) -> None:
    assert verify_dynamic(classifier(), samples, inputs=[STATIC], scheme="fp32") == ()
    if platform.system() != "Darwin":
        assert verify_dynamic(tmp_path / "m.mlpackage", samples, inputs=[dynamic(1, 8)], scheme="fp32") == ()


def test_batch_of() -> None:
    assert batch_of([STATIC, dynamic(1, 8)]) == ("batch", DynamicDim(min=1, max=8))
    assert batch_of([STATIC]) is None


def test_the_largest_batch_is_tried_where_memory_allows_it() -> None:
    assert other_sizes(DynamicDim(min=1, max=2), 4) == (2,)
    assert other_sizes(DynamicDim(min=1, max=5), 4) == (5,)
    assert other_sizes(DynamicDim(min=1, max=64), 4) == (5, 64)
    assert other_sizes(DynamicDim(min=1, max=64), 8 << 20) == (5,)


def test_samples_of_a_batch_are_taken_apart(classifier, samples) -> None:
    """What an export of batch=2..8 has: every sample is at the lower bound already."""
    pairs = [(np.concatenate([one[0], other[0]]),) for one, other in zip(samples[:6:2], samples[1:6:2], strict=True)]
    checks = verify_dynamic(classifier(), pairs, inputs=[dynamic(2, 8)], scheme="fp32")
    assert [check.name for check in checks] == ["batch_5_against_2_sqnr_db", "batch_8_against_2_sqnr_db"]
    assert all(check.passed for check in checks)


def test_a_worker_that_is_open_already_is_used_and_stays_open(classifier, samples) -> None:
    path = classifier()
    with Worker("onnx", path, threads=1) as worker:
        pid = worker.pid
        checks = verify_dynamic(path, samples, inputs=[dynamic(1, 8)], scheme="fp32", worker=worker)
        assert all(check.passed for check in checks)
        assert worker.pid == pid
        assert len(worker.run(samples)) == len(samples)
