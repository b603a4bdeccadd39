from __future__ import annotations

import pytest
import torch

from mobilekit.capture import example_inputs
from mobilekit.capture.example import check_fit
from mobilekit.errors import CaptureError
from mobilekit.spec import parse_inputs


def test_each_input_in_its_own_kind() -> None:
    specs = parse_inputs(["a:batch=1..8,3", "b:int64:batch,4", "c:float16:2", "d:bool:5", "e:n=1..2", "f:m=4..9"])
    tensors = example_inputs(specs)
    assert [tuple(one.shape) for one in tensors] == [(2, 3), (2, 4), (2,), (5,), (2,), (4,)]
    kinds = [torch.float32, torch.int64, torch.float16, torch.bool, torch.float32, torch.float32]
    assert [one.dtype for one in tensors] == kinds
    assert set(tensors[1].flatten().tolist()) <= {0, 1}
    check_fit(specs, tensors)


def test_the_seed_decides_and_the_random_state_stays() -> None:
    specs = parse_inputs(["2,3"])
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, same, other = (example_inputs(specs, seed=seed)[0] for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, same) and not torch.equal(first, other)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ([(2, 3)], "2 inputs are declared, and 1 example tensors were given"),
        ([(2, 4), (2, 5)], "a: dimension 1 must be 3, given 4"),
        ([(9, 3), (9, 5)], r"a: dimension 0 \(batch\) must be 1 to 8, given 9"),
        ([(2, 3), (2, 5, 1)], "b has 2 dimensions"),
        ([(2, 3), (4, 5)], "dimension 'batch' is 2 in one input and 4 in b"),
    ],
)
def test_examples_that_do_not_fit(given: list[tuple[int, ...]], match: str) -> None:
    specs = parse_inputs(["a:batch=1..8,3", "b:batch,5"])
    with pytest.raises(CaptureError, match=match):
        check_fit(specs, [torch.zeros(shape) for shape in given])


def test_an_example_of_another_dtype() -> None:
    with pytest.raises(CaptureError, match="x must be int64, given float32"):
        check_fit(parse_inputs(["x:int64:2"]), [torch.zeros(2)])
