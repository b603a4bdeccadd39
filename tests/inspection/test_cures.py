"""The cures work: what the table advises is lowered, computes the same, and leaves nothing outside the delegates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mobilekit.bundle.pte import read_pte
from mobilekit.inspection.causes import causes
from mobilekit.lower import TARGETS
from mobilekit.runners import Worker
from mobilekit.spec import TensorSpec

SHAPE = (1, 8, 6, 6)
ONES, TRIANGLE = torch.ones(1, 6), torch.ones(6, 6).tril()
EACH = torch.ones(8, 1, 2, 2)
ONE = torch.ones(1)

# cause: (what falls outside, its cure)
CURES: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "reduction": (lambda x: x.sum(-1, keepdim=True), lambda x: functional.linear(x, ONES)),
    "reduction, running": (lambda x: x.cumsum(-1), lambda x: functional.linear(x, TRIANGLE)),
    "power": (lambda x: x.pow(3), lambda x: x * x * x),
    "log-softmax": (lambda x: x.log_softmax(-1), lambda x: x.softmax(-1).log()),
    "softmax-of-an-inner-dimension": (
        lambda x: x.softmax(1),
        lambda x: x.permute(0, 2, 3, 1).softmax(-1).permute(0, 3, 1, 2),
    ),
    "elementwise": (lambda x: x.reciprocal(), lambda x: ONE / x),
    "elementwise, elu": (functional.elu, lambda x: x.clamp(min=0.0) + (x.exp() - 1.0).clamp(max=0.0)),
    "nearest-upsampling": (
        lambda x: functional.interpolate(x, scale_factor=2.0, mode="nearest"),
        lambda x: functional.conv_transpose2d(x, EACH, stride=2, groups=8),
    ),
    "mask-logic": (lambda x: torch.where(x > 0, x, torch.zeros_like(x)), lambda x: x.relu()),
    "strided-slice": (lambda x: x[..., ::2], lambda x: x.view(1, 8, 6, 3, 2)[..., :1].reshape(1, 8, 6, 3)),
    "highest-or-lowest": (
        lambda x: x.reshape(1, 48, 6).amax(-1, keepdim=True),
        lambda x: functional.max_pool2d(x.reshape(1, 1, 48, 6), (1, 6)).reshape(1, 48, 1),
    ),
    "expand": (lambda x: x + x[:, :1].expand(SHAPE), lambda x: x + x[:, :1]),
    "other-pooling": (
        lambda x: functional.avg_pool1d(x.reshape(1, 48, 6), 2).reshape(1, 48, 3),
        lambda x: functional.avg_pool2d(x.reshape(1, 48, 1, 6), (1, 2)).reshape(1, 48, 3),
    ),
}


class Cured(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(cure(x) for _, cure in CURES.values())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_is_cured_runs_inside_delegates(tmp_path: Path) -> None:
    assert {name.partition(",")[0] for name in CURES} <= {one.id for one in causes().cause}
    torch.manual_seed(0)
    x = torch.rand(SHAPE) + 0.5
    for name, (original, cure) in CURES.items():
        torch.testing.assert_close(original(x), cure(x), msg=name)
    program = torch.export.export(Cured().eval(), (x,))
    inputs = (TensorSpec(name="x", shape=SHAPE),)
    outputs = tuple(TensorSpec(name=f"y{index}", shape=tuple(value.shape)) for index, value in enumerate(Cured()(x)))
    path = tmp_path / "cured.pte"
    TARGETS["xnnpack"].lower(program, "fp32", path, inputs=inputs, outputs=outputs)
    assert [f"{one.count} x {one.name}" for one in read_pte(path).operators] == []
    with Worker("pte", path, threads=1) as worker:
        (answers,) = worker.run([(x.numpy(),)])
    for (name, (original, _)), answer in zip(CURES.items(), answers, strict=True):
        torch.testing.assert_close(torch.from_numpy(answer), original(x), msg=name, rtol=1e-4, atol=1e-5)
