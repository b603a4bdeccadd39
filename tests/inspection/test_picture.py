"""The picture of the partition: whole XML, everything in order, nothing of the file's own text taken for markup."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from mobilekit.bundle.contents import Call, TensorInfo
from mobilekit.files import MADE_BY
from mobilekit.inspection import inspect_artifact
from mobilekit.inspection.causes import fallbacks
from mobilekit.inspection.picture import partition_svg
from mobilekit.inspection.summary import PteDetails, bytes_by_dtype, bytes_by_operator, largest


def texts(svg: str) -> list[str]:
    """The words that are seen; a tooltip is not."""
    elements = (element for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("}text"))
    return ["".join([element.text or "", *((child.tail or "") for child in element)]) for element in elements]


def test_blocks_stand_in_the_order_they_run(artifacts: Path) -> None:
    svg = partition_svg(inspect_artifact(artifacts / "tiny.pte"))
    assert MADE_BY in svg[:400]
    heads = [text for text in texts(svg) if re.match(r"inputs|outputs|delegate \d|\d+ kernel", text)]
    assert heads == [
        "inputs",
        "delegate 0: XnnpackBackend",
        "2 kernels outside delegates",
        "delegate 1: XnnpackBackend",
        "outputs",
    ]
    assert any("1 x aten::mean.out: XNNPACK averages" in text for text in texts(svg))
    assert "prefers-color-scheme:dark" in svg and "http" not in svg.replace("http://www.w3.org/2000/svg", "")


def test_a_long_or_evil_name_stays_in_its_box(artifacts: Path) -> None:
    found = inspect_artifact(artifacts / "tiny.pte")
    assert isinstance(found.details, PteDetails)
    evil = "<script>alert(1)</script>&" * 20
    call = Call(method="forward", chain=0, instruction=0, operator=evil, delegate=None)
    details = found.details.model_copy(update={"calls": (call,) * 3, "fallbacks": fallbacks((call,) * 3, ())})
    tensor = TensorInfo(name=evil, dtype="float32", shape=(1,))
    svg = partition_svg(found.model_copy(update={"details": details, "inputs": (tensor,), "path": evil}))
    assert "<script" not in svg
    assert all(len(text) < 130 for text in texts(svg))


def test_very_many_blocks_are_cut_and_that_is_said(artifacts: Path) -> None:
    found = inspect_artifact(artifacts / "tiny.pte")
    assert isinstance(found.details, PteDetails)
    calls = tuple(Call(method="forward", chain=0, instruction=n, operator=None, delegate=n % 2) for n in range(1000))
    svg = partition_svg(found.model_copy(update={"details": found.details.model_copy(update={"calls": calls})}))
    assert any(text.endswith("further blocks are not drawn") for text in texts(svg))


def test_weights_are_summed_and_the_largest_named(artifacts: Path) -> None:
    expected = {
        "pte": ({"FullyConnected": 200, "DepthwiseConv2d": 160}, "delegate 1: FullyConnected 0 filter"),
        "onnx": ({"Gemm": 200, "Conv": 160, "ReduceMean": 16, "CumSum": 8}, "linear.weight"),
        "pt2": ({"aten.linear.default": 200, "aten.conv2d.default": 160}, "linear.weight"),
        "mlpackage": ({"linear": 100, "conv": 72}, "p_linear_weight_to_fp16"),
    }
    for kind, (operators, first) in expected.items():
        weights = inspect_artifact(artifacts / f"tiny.{kind}").weights
        assert bytes_by_operator(weights) == operators, kind
        assert sum(bytes_by_dtype(weights).values()) == sum(operators.values())
        assert largest(weights, 1)[0].name == first
