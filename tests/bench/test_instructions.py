"""Arm instructions: the same count every time, other kernels on another core, and int8 below float."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mobilekit.bench import count_instructions
from mobilekit.errors import UnknownName, UsageError
from mobilekit.quiet import quiet
from mobilekit.runners.arm64 import counting

SAMPLE = (np.random.default_rng(0).standard_normal((1, 16, 16, 16)).astype(np.float32),)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two convolutions of 16 channels over 16 by 16, float and int8; and a third layer more: `larger`."""
    import torch
    from torch import nn

    from mobilekit.capture import capture, example_inputs
    from mobilekit.lower import TARGETS
    from mobilekit.quantize import quantize
    from mobilekit.spec import parse_inputs

    def layers(count: int) -> nn.Module:
        torch.manual_seed(0)
        made = [layer for _ in range(count) for layer in (nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())]
        return nn.Sequential(*made).eval()

    folder, target, found = tmp_path_factory.mktemp("networks"), TARGETS["xnnpack"], {}
    with quiet():
        for name, count, scheme in (("fp32", 2, "fp32"), ("int8", 2, "int8"), ("larger", 3, "fp32")):
            captured = capture(layers(count), parse_inputs(["x:1,16,16,16"]))
            program = captured.program
            if scheme == "int8":
                program = quantize(captured, [example_inputs(captured.inputs, seed=seed) for seed in range(4)]).program
            found[name] = folder / f"{name}.pte"
            target.lower(program, scheme, found[name], inputs=captured.inputs, outputs=captured.outputs)
    return found


@pytest.mark.slow
def test_counts_repeat_and_rank(arm64: str, networks: dict[str, Path]) -> None:
    reason = counting("cortex-a76").unavailable()
    if reason is not None:
        pytest.skip(reason)
    once, again = (count_instructions(networks["fp32"], SAMPLE, cpu="cortex-a76") for _ in range(2))
    assert once.cpu == "cortex-a76"
    assert once.n == 5
    assert once.spread <= 0.002 * once.per_inference
    assert abs(once.per_inference - again.per_inference) <= 0.002 * once.per_inference
    assert once.operators == again.operators
    assert {one.name.partition(" (")[0]: one.calls for one in once.operators}["Convolution"] == 2
    assert 0.8 * once.per_inference < sum(one.instructions for one in once.operators) <= once.per_inference
    # 2 x 16 x 16 x 9 x 256 products, four at a time, and not much besides
    assert 2 * 16 * 16 * 9 * 256 / 4 < once.per_inference < 2 * 16 * 16 * 9 * 256

    int8 = count_instructions(networks["int8"], SAMPLE, cpu="cortex-a76", operators=False)
    assert int8.operators == ()
    assert int8.per_inference < 0.7 * once.per_inference, "dot products: four times as many at once"
    larger = count_instructions(networks["larger"], SAMPLE, cpu="cortex-a76", operators=False)
    assert 1.3 * once.per_inference < larger.per_inference < 1.7 * once.per_inference

    small_core = count_instructions(networks["int8"], SAMPLE, cpu="cortex-a53", operators=False)
    assert small_core.per_inference > 1.3 * int8.per_inference, "without dot products"


def test_what_cannot_be_counted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="unknown cpu 'pentium'"):
        count_instructions(tmp_path / "m.pte", SAMPLE, cpu="pentium")


@pytest.mark.slow
def test_only_executorch_files_are_counted(arm64: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"m\.onnx: instructions are counted for \.pte files only"):
        count_instructions(tmp_path / "m.onnx", SAMPLE, cpu="max")
