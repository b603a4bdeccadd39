"""The table of causes: valid, true to the partitioner that is installed, and the first entry that fits is taken."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilekit.bundle.contents import Call, TensorInfo
from mobilekit.errors import SpecError
from mobilekit.inspection.causes import UNKNOWN, Causes, cause_of, causes, fallbacks, parse_causes
from mobilekit.inspection.causes_table import table_markdown

ENTRY = """
checked = "executorch 1.5.1"
[[cause]]
id = "one"
operators = ["aten::one.*"]
taken = "never"
why = "there is no such operator"
cure = "write it with another one"
references = ["https://github.com/pytorch/executorch/issues/1"]
"""


def kernel(operator: str, *tensors: tuple[str, tuple[int | str, ...]]) -> Call:
    infos = tuple(TensorInfo(name=f"value {n}", dtype=dtype, shape=shape) for n, (dtype, shape) in enumerate(tensors))
    return Call(method="forward", chain=0, instruction=0, operator=operator, delegate=None, tensors=infos)


@pytest.mark.parametrize(
    ("call", "cause"),
    [
        (kernel("aten::mean.out", ("float32", (1, 8, 4, 4))), "mean-of-other-dimensions"),
        (kernel("aten::cumsum.out", ("float32", (1, 8))), "reduction"),
        (kernel("aten::slice_copy.Tensor_out", ("float32", ("..8", 4))), "dynamic-slice"),
        (kernel("aten::slice_copy.Tensor_out", ("float32", (8, 4))), "strided-slice"),
        (kernel("aten::slice_copy.Tensor_out", ("int64", (8, 4))), "integer-tensor"),
        (kernel("aten::add.out", ("float32", (8,)), ("int64", (8,))), "integer-tensor"),
        (kernel("aten::add.out", ("bfloat16", (8,))), "bfloat16"),
        (kernel("aten::native_group_norm.out", ("float32", (1, 8, 4, 4))), "group-norm"),
        (kernel("aten::upsample_nearest2d.vec_out", ("float32", (1, 8, 4, 4))), "nearest-upsampling"),
        (kernel("aten::expand_copy.out", ("float32", (1, 8))), "expand"),
        (kernel("aten::pow.Tensor_Scalar_out", ("float32", (1, 8))), "power"),
        (kernel("aten::sum.IntList_out", ("float32", (1, 8))), "reduction"),
        (kernel("aten::where.self_out", ("bool", (1, 8))), "mask-logic"),
        (kernel("aten::embedding.out", ("float32", (100, 8)), ("int64", (4,))), "lookup"),
        (kernel("quantized_decomposed::quantize_per_tensor.out", ("int8", (1, 8))), "quantize-alone"),
        (kernel("dim_order_ops::_to_dim_order_copy.out", ("int64", (1,))), "dtype-conversion"),
        (kernel("aten::convolution.out", ("float32", (1, 3, 8, 8, 8))), "three-dimensional-convolution"),
        (kernel("aten::convolution.out", ("float32", (1, 3, 8, 8))), "weights-not-constant"),
        (kernel("mylib::secret.out", ("float32", (1,))), "unknown"),
    ],
)  # fmt: skip
def test_a_kernel_call_has_its_cause(call: Call, cause: str) -> None:
    assert cause_of(call).id == cause


def test_the_table_is_whole() -> None:
    table = causes()
    assert len(table.cause) >= 30
    for cause in table.cause:
        assert not cause.why.endswith(".") and not cause.cure.endswith("."), "they are put into sentences"
        assert all(reference.startswith("https://") for reference in cause.references)


def test_the_page_has_the_table() -> None:
    """python -m mobilekit.inspection.causes_table prints it anew."""
    page = (Path(__file__).parents[2] / "docs" / "inspect.md").read_text()
    assert page.endswith(f"## The table of causes\n\n{table_markdown()}")


def test_what_breadth_found_outside_delegates_is_explained() -> None:
    """Every portable operator that the torchvision families left is in the table."""
    text = (Path(__file__).parents[2] / "benchmarks" / "results" / "breadth.jsonl").read_text()
    found = set(re.findall(r"\b(?:aten|quantized_decomposed|dim_order_ops)::[\w.]+", text))
    assert found
    assert [name for name in sorted(found) if cause_of(kernel(name, ("float32", (1, 8)))) is UNKNOWN] == []


@pytest.mark.slow
def test_the_table_agrees_with_the_partitioner_that_is_installed() -> None:
    """`never`: no operator of the entry is in XNNPACK's partitioner. `sometimes`: at least one is."""
    from mobilekit.quiet import quiet

    with quiet():
        from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS

    taken = {config.target_name.partition(".")[0] for config in ALL_PARTITIONER_CONFIGS}
    wrong = []
    for cause in causes().cause:
        patterns = [one.partition("::")[2].partition(".")[0] for one in cause.operators if "::" in one]
        hits = {name for name in taken for one in patterns if one != "*" and fnmatchcase(name, one)}
        if patterns and bool(hits) != (cause.taken == "sometimes"):
            wrong.append((cause.id, sorted(hits)))
    assert wrong == []


def test_operators_are_grouped_by_cause_and_say_where_they_stand() -> None:
    calls = [
        kernel("aten::mean.out", ("float32", (1, 8))),
        Call(method="forward", chain=0, instruction=1, operator=None, delegate=0),
        kernel("aten::slice_copy.Tensor_out", ("float32", (8,))),
        kernel("aten::slice_copy.Tensor_out", ("float32", ("..8",))),
        kernel("aten::slice_copy.Tensor_out", ("float32", (4,))),
    ]
    found = fallbacks(calls, ("XnnpackBackend",))
    assert [(one.operator, one.cause, one.count, one.instructions) for one in found] == [
        ("aten::slice_copy.Tensor_out", "strided-slice", 2, (2, 4)),
        ("aten::mean.out", "mean-of-other-dimensions", 1, (0,)),
        ("aten::slice_copy.Tensor_out", "dynamic-slice", 1, (3,)),
    ]


def test_another_backend_is_not_explained_by_xnnpacks_table() -> None:
    call = kernel("aten::mean.out", ("float32", (1, 8)))
    (other,) = fallbacks([call], ("VulkanBackend",))
    assert (other.cause, "VulkanBackend" in other.why) == ("unknown", True)
    (none,) = fallbacks([call], ())
    assert none.why.startswith("nothing in this program is delegated")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("https://github.com/pytorch/executorch/issues/1", "see upstream"), "references"),
        (('why = "there is no such operator"', ""), "why"),
        (('taken = "never"', 'taken = "often"'), "taken"),
        (('id = "one"', 'id = "One Two"'), "id"),
        (('cure = "', 'colour = "red"\ncure = "'), "colour"),
        (("[[cause]]", "[[cause]"), "not valid TOML"),
    ],
)
def test_a_table_with_a_mistake_is_refused_and_the_field_is_named(change: tuple[str, str], says: str) -> None:
    assert parse_causes(ENTRY).cause[0].id == "one"
    with pytest.raises(SpecError) as caught:
        parse_causes(ENTRY.replace(*change))
    assert says in f"{caught.value} {caught.value.hint}"


def test_an_id_may_not_occur_twice() -> None:
    entry = ENTRY[ENTRY.index("[[cause]]") :]
    with pytest.raises(SpecError, match="more than once: one"):
        parse_causes(ENTRY + entry)


@given(st.text(max_size=200))
def test_any_text_is_a_table_or_refused(text: str) -> None:
    try:
        assert isinstance(parse_causes(text), Causes)
    except SpecError as error:
        assert "causes.toml" in str(error)


@given(
    operator=st.text(max_size=40),
    dtype=st.sampled_from(["float32", "int64", "bfloat16", "bool", "type 99"]),
    shape=st.lists(st.one_of(st.integers(0, 9), st.sampled_from(["..8", "?"])), max_size=6),
)
def test_any_call_has_exactly_one_cause(operator: str, dtype: str, shape: list[int | str]) -> None:
    cause = cause_of(kernel(operator, (dtype, tuple(shape))))
    assert cause is UNKNOWN or cause.fits(kernel(operator, (dtype, tuple(shape))))
