"""Rewrites: each gives what its operator gives, in a program too, and the delegate is whole."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mobilekit.bundle.pte import read_pte
from mobilekit.capture import capture
from mobilekit.lower.rewrite import copied
from mobilekit.lower.rewrites import XNNPACK, rewritten
from mobilekit.lower.xnnpack import Xnnpack
from mobilekit.quantize import quantize
from mobilekit.runners import Worker
from mobilekit.spec import parse_inputs
from mobilekit.verify import sqnr_db

aten = torch.ops.aten
IMAGE, TOKENS = (2, 3, 12, 10), (2, 5, 8)

CASES: list[tuple[str, tuple[int, ...], tuple[Any, ...]]] = [
    ("adaptive_avg_pool2d.default", IMAGE, ([12, 10],)),
    ("adaptive_avg_pool2d.default", IMAGE, ([1, 1],)),
    ("adaptive_avg_pool2d.default", IMAGE, ([6, 5],)),
    ("adaptive_avg_pool2d.default", IMAGE, ([5, 7],)),
    ("adaptive_avg_pool2d.default", IMAGE, ([13, 24],)),
    ("avg_pool2d.default", IMAGE, ([3, 3], [1, 1], [1, 1])),
    ("avg_pool2d.default", IMAGE, ([3, 2], [2, 2], [1, 0])),
    ("avg_pool2d.default", IMAGE, ([2, 3], [], [1, 1])),
    ("avg_pool2d.default", IMAGE, ([4], [3], [2])),
    ("cat.default", IMAGE, ()),
    ("chunk.default", IMAGE, (3, 2)),
    ("chunk.default", IMAGE, (4, 3)),
    ("expand.default", IMAGE, ([2, -1, 12, 10],)),
    ("hardsigmoid.default", IMAGE, ()),
    ("layer_norm.default", TOKENS, ([8], torch.linspace(-1, 2, 8), torch.linspace(0, 1, 8), 1e-6)),
    ("layer_norm.default", TOKENS, ([8],)),
    ("linalg_vector_norm.default", TOKENS, (2, [-1], True)),
    ("linalg_vector_norm.default", TOKENS, (2, [2])),
    ("mean.dim", IMAGE, ([2, 3],)),
    ("mean.dim", IMAGE, ([-1, -2],)),
    ("mean.dim", TOKENS, ([1],)),
    ("mean.dim", TOKENS, ([-1], True)),
    ("new_zeros.default", IMAGE, ([4, 5],)),
    ("pad.default", IMAGE, ([0, 0, 0, 0],)),
    ("alias.default", IMAGE, ()),
    ("matmul.default", IMAGE, (torch.linspace(-1, 1, math.prod(IMAGE)).reshape(IMAGE).transpose(-1, -2),)),
    ("matmul.default", TOKENS, (torch.linspace(-1, 1, math.prod(TOKENS)).reshape(TOKENS).mT,)),
    ("roll.default", IMAGE, ([-3, 4], [2, 3])),
    ("roll.default", IMAGE, ([12], [2])),
    ("select.int", IMAGE, (1, -1)),
    ("split.Tensor", IMAGE, (5, -2)),
    ("split_with_sizes.default", IMAGE, ([1, 9], 3)),
    ("squeeze.dim", (2, 1, 3), (1,)),
    ("squeeze.dim", (2, 1, 3), (-1,)),
    ("squeeze.dims", (1, 2, 1), ([0, -1],)),
    ("squeeze.dims", (1, 2, 1), ([0, 1],)),
    ("unbind.int", IMAGE, (1,)),
    ("unsqueeze.default", IMAGE, (0,)),
    ("unsqueeze.default", IMAGE, (-1,)),
    ("unsqueeze.default", IMAGE, (2,)),
]


def operator(name: str) -> Any:
    packet, _, overload = name.partition(".")
    return getattr(getattr(aten, packet), overload)


@pytest.mark.parametrize(("name", "shape", "args"), CASES)
def test_a_rewrite_gives_what_the_operator_gives(name: str, shape: tuple[int, ...], args: tuple[Any, ...]) -> None:
    x = 2 * torch.randn(shape, generator=torch.Generator().manual_seed(0)) + 0.5
    given = [x] if name.startswith("cat") else x
    wanted, got = operator(name)(given, *args), XNNPACK[name](given, *args)
    assert got is not NotImplemented
    torch.testing.assert_close(got, list(wanted) if isinstance(wanted, list | tuple) else wanted, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("scale", [None, 0.3])
@pytest.mark.parametrize("lead", [(2,), (2, 3)])
def test_attention(lead: tuple[int, ...], scale: float | None) -> None:
    q, k, v = (torch.randn(*lead, tokens, 4) for tokens in (5, 7, 7))
    got = XNNPACK["scaled_dot_product_attention.default"](q, k, v, scale=scale)
    torch.testing.assert_close(got, functional.scaled_dot_product_attention(q, k, v, scale=scale))


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("avg_pool2d.default", (torch.zeros(IMAGE), [2, 2], [2, 2], [1, 1], True)),
        ("avg_pool2d.default", (torch.zeros(IMAGE), [2, 2], [2, 2], [1, 1], False, False)),
        ("cat.default", ([torch.zeros(2), torch.zeros(2)],)),
        ("expand.default", (torch.zeros(1, 3), [4, 3])),
        ("layer_norm.default", (torch.zeros(IMAGE), [12, 10])),
        ("linalg_vector_norm.default", (torch.zeros(TOKENS), 1, [-1])),
        ("matmul.default", (torch.zeros(TOKENS), torch.zeros(TOKENS[-1], 2))),
        ("matmul.default", (torch.zeros(3, 4), torch.zeros(4, 2))),
        ("mean.dim", (torch.zeros(IMAGE), [2, 3], True)),
        ("pad.default", (torch.zeros(IMAGE), [0, 1])),
        ("mean.dim", (torch.zeros(IMAGE), [0, 1])),
        ("scaled_dot_product_attention.default", (*[torch.zeros(1, 2, 3, 4)] * 3, torch.zeros(3, 3))),
    ],
)
def test_what_a_rewrite_does_not_cover_stays_as_it_is(name: str, args: tuple[Any, ...]) -> None:
    assert XNNPACK[name](*args) is NotImplemented


class Block(nn.Module):
    """Convolution, norm and attention over tokens, windows and their shift, pools of several sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.qkv = nn.Conv2d(3, 8, 3, padding=1), nn.LayerNorm(8), nn.Linear(8, 24)
        self.token, self.head = nn.Parameter(torch.randn(1, 1, 8)), nn.Linear(8, 4)

    def forward(self, image: Tensor) -> Tensor:
        features = torch.cat(self.stem(image).chunk(2, 1)[::-1], 1)
        rolled = functional.hardsigmoid(torch.roll(features, (-1, -1), (2, 3)))
        pooled = functional.adaptive_avg_pool2d(functional.avg_pool2d(rolled, 3, 1, 1), 5)
        tokens = pooled.flatten(2).transpose(1, 2)
        tokens = self.norm(tokens + self.token)
        q, k, v = self.qkv(tokens).reshape(-1, 25, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        attended = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, 25, 8)
        return self.head(attended.mean(1))


class TorchsAttention(nn.Module):
    """Its packed projection is taken apart by five-dimensional tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        attended: Tensor = self.attention(x, x, x, need_weights=False)[0]
        return attended


def exported(dynamic: bool) -> tuple[torch.export.ExportedProgram, nn.Module]:
    torch.manual_seed(0)
    module = Block().eval()
    shapes = ({0: torch.export.Dim("batch", min=1, max=64)},) if dynamic else None
    size = 3 if dynamic else 1
    with torch.no_grad():
        return torch.export.export(module, (torch.randn(size, 3, 12, 12),), dynamic_shapes=shapes), module


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_rewritten_program_gives_the_same_outputs(dynamic: bool) -> None:
    program, module = exported(dynamic)
    before = str(program.graph), copy.deepcopy(program.state_dict)
    changed = rewritten(copied(program), XNNPACK)
    left = {str(node.target).removeprefix("aten.") for node in changed.graph.nodes} & set(XNNPACK)
    assert left <= {"mean.dim", "avg_pool2d.default", "cat.default", "expand.default"}
    for size in (1, 5, 20) if dynamic else (1,):
        image = torch.randn(size, 3, 12, 12)
        with torch.no_grad():
            torch.testing.assert_close(changed.module()(image), module(image), rtol=1e-4, atol=1e-5)
    assert str(program.graph) == before[0]
    assert all(torch.equal(program.state_dict[name], tensor) for name, tensor in before[1].items())


def test_what_a_rewrite_declines_is_composed_as_torch_does_it() -> None:
    """Asked for its own composition, an operator gave the rewrite again, without end."""

    class Causal(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return functional.scaled_dot_product_attention(x, x, x, is_causal=True)

    tokens = torch.randn(1, 2, 5, 4)
    with torch.no_grad():
        program = torch.export.export(Causal(), (tokens,))
        changed = rewritten(copied(program), XNNPACK)
        assert "scaled_dot_product_attention" not in str(changed.graph)
        torch.testing.assert_close(changed.module()(tokens), Causal()(tokens))


def test_what_depends_on_weights_alone_is_computed_once_and_twice_does_no_harm() -> None:
    class Bias(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(torch.randn(9, 2))
            self.register_buffer("index", torch.randint(0, 9, (16,)))

        def forward(self, x: Tensor) -> Tensor:
            bias = self.table[self.index].view(4, 4, 2).permute(2, 0, 1).contiguous()
            return torch.cat([x[:, :1].chunk(1, 1)[0] + bias, x.mean(1, keepdim=True)], 1)

    module, example = Bias().eval(), torch.randn(1, 2, 4, 4)
    with torch.no_grad():
        program = torch.export.export(module, (example,))
        once = rewritten(copied(program), XNNPACK)
        again = rewritten(copied(once), {"permute.default": lambda x, dims: x.permute(dims), **XNNPACK})
        for changed in (once, again):
            assert "index.Tensor" not in str(changed.graph)
            assert not changed.state_dict
            torch.testing.assert_close(changed.module()(example), module(example))


def test_a_program_without_them_is_returned_itself() -> None:
    program = torch.export.export(nn.Linear(2, 2), (torch.zeros(1, 2),))
    assert rewritten(program, XNNPACK) is program


def attention() -> tuple[torch.export.ExportedProgram, nn.Module, Tensor]:
    torch.manual_seed(0)
    module, tokens = TorchsAttention().eval(), torch.randn(1, 5, 8)
    with torch.no_grad():
        return torch.export.export(module, (tokens,)), module, tokens


def block() -> tuple[torch.export.ExportedProgram, nn.Module, Tensor]:
    return *exported(False), torch.randn(1, 3, 12, 12)


@pytest.mark.slow
@pytest.mark.parametrize(("made", "stock"), [(block, 5), (attention, 1)])
def test_it_becomes_one_delegate_and_gives_the_modules_outputs(made: Any, stock: int, tmp_path: Path) -> None:
    program, module, given = made()
    found = {}
    for name, target in (("stock", Xnnpack(rewrites={})), ("rewritten", Xnnpack())):
        path = tmp_path / f"{name}.pte"
        target.lower(program, "fp32", path, inputs=(), outputs=())
        found[name] = read_pte(path)
        with Worker("pte", path, threads=1) as worker, torch.no_grad():
            got = worker.run([(given.numpy(),)])[0][0]
            torch.testing.assert_close(torch.from_numpy(got), module(given), rtol=1e-4, atol=1e-5)
    assert len(found["stock"].delegates) > stock
    assert len(found["rewritten"].delegates) == 1 and found["rewritten"].operators == ()


@pytest.mark.slow
def test_a_padded_average_loads_in_int8_too(tmp_path: Path) -> None:
    """Zeros written out between two int8 operators, as Inception has them, made a program that did not load."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AvgPool2d(3, 1, 1), nn.Conv2d(8, 4, 1)).eval()
    captured = capture(module, parse_inputs(["image:1,3,12,12"]))
    samples = [(torch.rand(1, 3, 12, 12),) for _ in range(8)]
    program = quantize(captured, samples).program
    path = tmp_path / "net.pte"
    Xnnpack().lower(program, "int8", path, inputs=captured.inputs, outputs=captured.outputs)
    with Worker("pte", path, threads=1) as worker, torch.no_grad():
        for (sample,) in samples:
            wanted, got = program.module()(sample), worker.run([(sample.numpy(),)])[0][0]
            assert (sqnr_db(wanted.numpy(), got) or 400) > 30
