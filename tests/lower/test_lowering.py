"""Every target and scheme on tiny models: what is written runs in its own runtime and gives eager's outputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mobilekit.capture import example_inputs
from mobilekit.errors import LowerError
from mobilekit.lower import TARGETS, Lowered
from mobilekit.runners import Worker
from mobilekit.verify import sqnr_db

pytestmark = pytest.mark.slow
RUNNERS = {"xnnpack": "pte", "onnx": "onnx"}
LEAST_DB = {"fp32": 90.0, "int8": 15.0}
PAIRS = [(target, scheme) for target in RUNNERS for scheme in LEAST_DB]
"""fp32: the order of sums; int8: eight calibration samples of noise on an untrained net leave 20 and more."""


Lower = Callable[[str, str], Lowered]


@pytest.fixture(scope="session")
def lowered(case: Any, tmp_path_factory: pytest.TempPathFactory) -> Lower:
    """Each artifact of the case, made when it is first asked for: lowering takes seconds."""
    made: dict[tuple[str, str], Lowered] = {}

    def get(target: str, scheme: str) -> Lowered:
        if (target, scheme) not in made:
            made[target, scheme] = lower(case, target, scheme, tmp_path_factory.mktemp(f"{target}-{scheme}"))
        return made[target, scheme]

    return get


def lower(case: Any, target: str, scheme: str, folder: Path) -> Lowered:
    one = TARGETS[target]
    return one.lower(
        case.programs["int8" if scheme == "int8" else "fp32"],
        scheme,
        folder / f"model{one.suffix}",
        inputs=case.captured.inputs,
        outputs=case.captured.outputs,
    )


@pytest.mark.parametrize(("target", "scheme"), PAIRS)
def test_artifact_gives_eagers_outputs_at_batch_1_and_5(case: Any, target: str, scheme: str, lowered: Lower) -> None:
    artifact = lowered(target, scheme)
    module = case.captured.program.module()
    wide = [tensor.repeat(3, *[1] * (tensor.dim() - 1))[:5] for tensor in example_inputs(case.captured.inputs, seed=9)]
    batches = [[tensor[:size].contiguous() for tensor in wide] for size in (1, 5)]
    with torch.no_grad():
        wanted = [(module(*batch).numpy(),) for batch in batches]
    with Worker(RUNNERS[target], artifact.path, threads=1) as worker:
        got = worker.run([tuple(tensor.numpy() for tensor in batch) for batch in batches])
    assert [outputs[0].shape[0] for outputs in got] == [1, 5]
    apart = sqnr_db(wanted, got)
    assert apart is None or apart >= LEAST_DB[scheme]


@pytest.mark.parametrize("scheme", ["fp32", "int8"])
def test_the_whole_net_is_one_delegate(scheme: str, lowered: Lower) -> None:
    artifact = lowered("xnnpack", scheme)
    assert artifact.backends == ("XnnpackBackend",)
    assert artifact.operators == ()
    assert artifact.delegation is not None
    assert (artifact.delegation.delegates, artifact.delegation.portable_nodes) == (1, 0)


def test_onnx_has_the_declared_names_and_one_file(case: Any, lowered: Lower) -> None:
    import onnx

    artifact = lowered("onnx", "int8")
    assert [path.name for path in artifact.path.parent.iterdir()] == ["model.onnx"]
    model = onnx.load(artifact.path)
    onnx.checker.check_model(model)
    inputs = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in model.graph.input
    }
    assert inputs == {spec.name: list(spec.shape) for spec in case.captured.inputs}
    assert [value.name for value in model.graph.output] == ["output"]
    assert "ai.onnx::QuantizeLinear" in artifact.operators
    assert not any(one.metadata_props for one in (*model.graph.node, *model.graph.value_info, model.graph, model))


@pytest.mark.parametrize("scheme", ["fp32", "fp16", "int8"])
def test_core_ml_package_keeps_the_contracts_interface(case: Any, scheme: str, lowered: Lower) -> None:
    import coremltools as ct

    artifact = lowered("coreml", scheme)
    description = ct.models.MLModel(str(artifact.path), skip_model_load=True).get_spec().description
    float32 = ct.proto.FeatureTypes_pb2.ArrayFeatureType.FLOAT32
    assert [feature.name for feature in description.input] == [spec.name for spec in case.captured.inputs]
    assert [feature.name for feature in description.output] == ["output"]
    assert {f.type.multiArrayType.dataType for f in (*description.input, *description.output)} == {float32}
    bounds = description.input[0].type.multiArrayType.shapeRange.sizeRanges[0]
    declared = case.captured.inputs[0].dynamic["batch"]
    assert (bounds.lowerBound, bounds.upperBound) == (declared.min, declared.max)
    assert ("quantize" in artifact.operators) == (scheme == "int8")


def test_core_ml_refuses_a_tensor_called_like_a_word_of_its_language(tmp_path: Path) -> None:
    from mobilekit.capture import capture
    from mobilekit.spec import parse_inputs

    taken = capture(torch.nn.Linear(4, 2).eval(), parse_inputs(["state:1,4"]))
    with pytest.raises(LowerError, match="cannot be called 'state'") as caught:
        TARGETS["coreml"].lower(
            taken.program, "fp32", tmp_path / "net.mlpackage", inputs=taken.inputs, outputs=taken.outputs
        )
    assert caught.value.hint is not None and "state_0" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_an_output_may_be_called_like_a_buffer_or_a_step(tmp_path: Path) -> None:
    """torchvision's SSD gives out its anchors, which it holds under that name."""
    from mobilekit.capture import capture
    from mobilekit.spec import parse_inputs

    class Anchored(torch.nn.Module):
        anchors: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("anchors", torch.tensor([3.0, 4.0]))

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            scores = x * self.anchors  # "mul" to the exporter
            return {"scores": scores, "anchors": self.anchors.clone(), "mul": scores + x}

    taken = capture(Anchored().eval(), parse_inputs(["x:1,2"]))
    lowered = TARGETS["onnx"].lower(
        taken.program, "fp32", tmp_path / "net.onnx", inputs=taken.inputs, outputs=taken.outputs
    )
    with Worker("onnx", lowered.path, threads=1) as worker:
        scores, anchors, more = worker.run([(np.ones((1, 2), np.float32),)])[0]
    assert (scores.tolist(), anchors.tolist(), more.tolist()) == ([[3, 4]], [3, 4], [[4, 5]])


def test_what_does_nothing_is_taken_by_every_target(tmp_path: Path) -> None:
    """A pad by nothing and an alias, as Swin's windows leave them where they fit."""
    from mobilekit.capture import capture
    from mobilekit.spec import parse_inputs

    class Fitting(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.ops.aten.alias(torch.nn.functional.pad(x + x, (0, 0))) + x

    taken = capture(Fitting().eval(), parse_inputs(["x:1,2"]))
    assert {"aten.alias.default", "aten.pad.default"} <= {str(node.target) for node in taken.program.graph.nodes}
    for name, target in TARGETS.items():
        path = tmp_path / f"net{target.suffix}"
        lowered = target.lower(taken.program, "fp32", path, inputs=taken.inputs, outputs=taken.outputs)
        assert lowered.path.exists()
        if name == "xnnpack":
            assert lowered.operators == ()


def test_core_ml_takes_what_becomes_zero(tmp_path: Path) -> None:
    """As the masks of Swin V2 begin."""
    from mobilekit.capture import capture
    from mobilekit.spec import parse_inputs

    class Zeroed(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + torch.ops.aten.zero(x)

    taken = capture(Zeroed().eval(), parse_inputs(["x:1,2"]))
    path = tmp_path / "net.mlpackage"
    assert (
        TARGETS["coreml"].lower(taken.program, "fp32", path, inputs=taken.inputs, outputs=taken.outputs).path.exists()
    )


@pytest.mark.parametrize("target", ["xnnpack", "onnx"])
def test_the_same_program_gives_the_same_bytes_and_no_path_of_this_machine(
    case: Any, target: str, lowered: Lower, tmp_path: Path
) -> None:
    content = lowered(target, "int8").path.read_bytes()
    assert lower(case, target, "int8", tmp_path).path.read_bytes() == content
    assert b"site-packages" not in content
    assert str(Path(__file__).parent).encode() not in content


def test_lowering_leaves_the_program_alone(case: Any, tmp_path: Path) -> None:
    program = case.captured.program
    before = str(program.graph), {name: tensor.clone() for name, tensor in program.state_dict.items()}
    for target in TARGETS:
        lower(case, target, "fp32", tmp_path)
    assert str(program.graph) == before[0]
    assert all(torch.equal(program.state_dict[name], tensor) for name, tensor in before[1].items())


@pytest.mark.parametrize("target", list(TARGETS))
def test_an_operator_without_a_kernel_is_a_lower_error(target: str, tmp_path: Path) -> None:
    from mobilekit.capture import capture
    from mobilekit.spec import parse_inputs

    class Odd(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.linalg.eigvals(x).abs()

    captured = capture(Odd(), parse_inputs(["x:3,3"]))
    one = TARGETS[target]
    with pytest.raises(LowerError) as refused:
        one.lower(
            captured.program,
            "fp32",
            tmp_path / f"model{one.suffix}",
            inputs=captured.inputs,
            outputs=captured.outputs,
        )
    assert refused.value.message.startswith(f"{target}: ")
    assert len(refused.value.message) < 600
    assert "Traceback" not in refused.value.message
    assert not (tmp_path / f"model{one.suffix}").exists()


def test_fp16_core_ml_weights_are_half(lowered: Lower) -> None:
    sizes = {
        scheme: sum(file.stat().st_size for file in lowered("coreml", scheme).path.rglob("weight.bin"))
        for scheme in ("fp32", "fp16")
    }
    assert 0.4 * sizes["fp32"] < sizes["fp16"] < 0.75 * sizes["fp32"]


def test_outputs_are_not_constant(case: Any) -> None:
    """Guards the comparisons above: an artifact that ignores its input could not pass them."""
    module = case.captured.program.module()
    rows = [module(*example_inputs(case.captured.inputs, seed=seed)).detach().numpy() for seed in (1, 2)]
    assert np.abs(rows[0] - rows[1]).max() > 1e-3
