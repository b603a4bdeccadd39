"""An export with a cache, filled or empty, makes what one without makes: the same bytes, the same bundle but for times.

What is in the cache is not done again, and whatever changes is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import mobilekit
from mobilekit.bundle import Bundle
from mobilekit.cache import Cache
from mobilekit.data.arrays import TensorArrays
from mobilekit.data.base import TwoSplits
from mobilekit.errors import LowerError
from mobilekit.files import files_below, sha256
from mobilekit.lower import TARGETS
from mobilekit.lower.onnx import Onnx
from mobilekit.spec import QuantizeSpec

pytestmark = pytest.mark.slow
FROM_CACHE = "from the cache"


class Net(nn.Module):
    """A convolution with a batch norm, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Linear(8 * 16, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(torch.flatten(torch.max_pool2d(torch.relu(self.norm(self.conv(image))), 2), 1))


class Told:
    """A Progress that keeps what was said of each piece of work."""

    def __init__(self) -> None:
        self.said: dict[str, str] = {}
        self.warnings: list[str] = []
        self._title = ""

    def task(self, title: str, total: int | None = None) -> Told:
        self._title = title
        self.said[title] = ""
        return self

    def __enter__(self) -> Told:
        return self

    def __exit__(self, *_: object) -> None: ...

    def advance(self, steps: int = 1) -> None: ...

    def say(self, text: str) -> None:
        self.said[self._title] = text

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def made(self) -> set[str]:
        """What was quantized, lowered and verified now."""
        words = ("quantizing", "lowering", "verifying", "running")
        return {
            title
            for title, said in self.said.items()
            if title.startswith(words) and said not in (FROM_CACHE, "not executed here")
        }


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    return Net().eval()


def _data(seed: int = 0) -> TwoSplits:
    rng = np.random.default_rng(seed)
    parts = [
        TensorArrays("noise", name, (rng.standard_normal((8, 1, 8, 8)).astype(np.float32),), np.arange(8) % 10)
        for name in ("train", "test")
    ]
    return TwoSplits("noise", None, "tensor", *parts)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOBILEKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MOBILEKIT_CACHE_GB", "1")
    return tmp_path / "cache"


@pytest.fixture
def export(net: nn.Module, cache: Path, tmp_path: Path) -> Callable[..., tuple[Bundle, Told]]:
    def run(name: str, module: nn.Module = net, **changes: Any) -> tuple[Bundle, Told]:
        told = Told()
        options: dict[str, Any] = {"targets": ("xnnpack", "onnx"), "quantize": ("fp32", "int8"), "data": _data()}
        bundle = mobilekit.export(
            module,
            torch.zeros(1, 1, 8, 8),
            **{**options, **changes},
            name="net",
            output=tmp_path / name,
            bench=False,
            progress=told,
        )
        return bundle, told

    return run


def test_more_golden_samples_than_an_earlier_export_kept(export: Callable[..., tuple[Bundle, Told]]) -> None:
    for name, asked, there in (("few", 2, 2), ("more", 7, 7), ("beyond", 99, 8)):
        bundle, _ = export(name, golden=asked)
        assert len(bundle.manifest.golden) == there
        assert all(len(sample.outputs) == 5 for sample in bundle.manifest.golden), "eager and four artifacts"


def manifest(bundle: Bundle) -> dict[str, Any]:
    """bundle.json without times: `created`, and the reports, which show it."""
    raw = json.loads((bundle.path / "bundle.json").read_text())
    return {key: value for key, value in raw.items() if key not in ("created", "reports")}


def hashes(bundle: Bundle) -> dict[str, str]:
    """Of all files but those that hold the time."""
    timed = {"bundle.json", "report.html", "report.md", "report.json"}
    every = {str(path.relative_to(bundle.path)): path for path in files_below(bundle.path)}
    return {name: sha256(path) for name, path in every.items() if name not in timed}


def test_the_same_comes_from_the_cache_and_nothing_is_done_again(export) -> None:
    plain, _ = export("plain", cache=False)
    cold, first = export("cold")
    warm, second = export("warm")
    assert hashes(plain) == hashes(cold) == hashes(warm)
    assert manifest(plain) == manifest(cold) == manifest(warm)
    assert len(first.made()) == 1 + 4 + 5
    assert second.made() == set()
    assert list(second.said.values()).count(FROM_CACHE) == 1 + 4 + 5
    assert not list(warm.path.glob(".*"))


def test_only_what_has_changed_is_made_again(export, net: nn.Module) -> None:
    export("first")
    _, more = export("more", quantize=("fp32", "int8", "fp16"))
    assert {title for title in more.made() if "fp16" not in title} == {"running eager on 8 samples"}
    _, observer = export("observer", quantization=QuantizeSpec(observer="percentile", percentile=90))
    assert {"quantizing to int8", "lowering to xnnpack int8"} <= observer.made()
    assert not {title for title in observer.made() if "fp32" in title}
    _, samples = export("samples", data=_data(1))
    assert {title for title in samples.made() if title.startswith("lowering")} == {
        "lowering to xnnpack int8",
        "lowering to onnx int8",
    }
    assert {"verifying xnnpack fp32", "running eager on 8 samples"} <= samples.made()
    other = Net().eval()
    _, weights = export("weights", module=other)
    assert FROM_CACHE not in weights.said.values()


def test_without_the_cache_it_is_neither_read_nor_written(export, cache: Path) -> None:
    few = {"targets": "onnx", "quantize": "fp32"}
    _, told = export("plain", cache=False, **few)
    assert not cache.exists()
    export("cold", **few)
    _, again = export("again", cache=False, **few)
    assert again.made() == told.made()


def test_a_damaged_entry_is_made_again(export, cache: Path) -> None:
    cold, _ = export("cold", targets="onnx")
    (entry,) = (one.path for one in Cache(cache).held() if one.about == "net onnx int8" and one.stage == "lower")
    (entry / "files" / "artifact.onnx").write_bytes(b"nonsense")
    warm, told = export("warm", targets="onnx")
    assert told.made() == {"lowering to onnx int8"}
    assert hashes(cold) == hashes(warm)
    _, last = export("last", targets="onnx")
    assert last.made() == set()


def test_a_cache_that_cannot_be_written_is_told_once_and_stops_nothing(export, cache: Path) -> None:
    cache.write_text("not a folder")
    bundle, told = export("bundle", targets="onnx", quantize="fp32")
    assert len(bundle.manifest.artifacts) == 2
    assert [text for text in told.warnings if "results are not kept" in text] == told.warnings[-1:]


def test_a_plug_ins_target_is_always_asked(export, monkeypatch: pytest.MonkeyPatch) -> None:
    class Foreign(Onnx):
        __module__ = "somebody.elses"

    monkeypatch.setitem(TARGETS, "onnx", Foreign())
    export("cold", targets="onnx", quantize="fp32")
    _, told = export("warm", targets="onnx", quantize="fp32")
    assert told.made() == {"lowering to onnx fp32"}


def test_a_failed_lowering_keeps_what_was_made_before_it(export, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise LowerError("onnx: refused")

    with monkeypatch.context() as patch, pytest.raises(LowerError, match="refused"):
        patch.setattr(Onnx, "lower", refuse)
        export("failed")
    assert not (cache.parent / "failed").exists()
    assert not list(cache.parent.glob(".failed*"))
    _, told = export("mended")
    assert "quantizing to int8" not in told.made()
    assert "lowering to xnnpack fp32" not in told.made()


def test_entries_say_what_they_are_of(export, cache: Path) -> None:
    export("cold", targets="onnx")
    held = Cache(cache).held()
    assert {one.about for one in held if one.stage == "lower"} == {"net onnx fp32", "net onnx int8"}
    key = json.loads((next(one for one in held if one.stage == "quantize").path / "key.json").read_text())
    assert (key["scheme"], key["options"]["observer"]) == ("int8", "auto")
    assert key["basis"]["packages"]["torch"] == torch.__version__.partition("+")[0]
    shutil.rmtree(cache)
