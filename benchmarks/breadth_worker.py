"""One architecture through capture, quantization and every target: prints a JSON line per artifact. See breadth.py.

Pretrained weights are not needed: random ones are brought to life on real images first (`bring_to_life`), because with
fresh ones the activations of a deep net fade layer by layer, and a ratio to nothing says nothing.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from mobilekit.bundle.pte import read_pte
from mobilekit.capture import Captured, capture
from mobilekit.errors import MobilekitError
from mobilekit.lower import TARGETS
from mobilekit.model import resolve
from mobilekit.quantize import quantize
from mobilekit.quiet import quiet
from mobilekit.runners import Worker
from mobilekit.runners.registry import runner_for
from mobilekit.spec import ImagePreprocess, parse_inputs
from mobilekit.verify.metrics import distance

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NOISE_DB = 40
LIFE, CALIBRATION, TEST = 48, 8, 8
"""How many images: batch norms take their statistics on the first, scales are measured on the next, outputs compared
on the last; none is used twice."""


def images(folder: Path, side: int, count: int, how: ImagePreprocess | None) -> list[torch.Tensor]:
    """`count` crops (1, 3, side, side) of the folder's images, corner after corner, normalized as the model has it."""
    mean, std = (how.mean, how.std) if how is not None else (MEAN, STD)
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    found = []
    for index in range(count):
        image = Image.open(files[index % len(files)]).convert("RGB")
        larger = round(side * 1.15)
        scale = larger / min(image.size)
        image = image.resize((max(larger, round(image.width * scale)), max(larger, round(image.height * scale))))
        corner = index // len(files) % 4
        left = 0 if corner % 2 == 0 else image.width - side
        top = 0 if corner < 2 else image.height - side
        pixels = np.asarray(image.crop((left, top, left + side, top + side)), dtype=np.float32) / 255
        normal = (pixels - np.float32(mean)) / np.float32(std)
        found.append(torch.from_numpy(normal).permute(2, 0, 1)[None].contiguous())
    return found


def bring_to_life(module: nn.Module, batch: torch.Tensor) -> None:
    """Random weights that pass real images on as trained ones would.

    Layer by layer, in the order of one forward pass, each convolution and linear layer is scaled until its output has
    unit variance (Mishkin and Matas 2015, https://arxiv.org/abs/1511.06422), and each batch norm takes the statistics
    of its input. Weights that start at zero (the head of ViT) are drawn first; layer scales start at 1e-6, which
    leaves only the skip connections, and are set to 0.1 as after training.
    """
    generator = torch.Generator().manual_seed(0)
    for name, parameter in module.named_parameters():
        if name.rpartition(".")[2] == "layer_scale":
            nn.init.constant_(parameter, 0.1)
        elif parameter.dim() > 1 and not parameter.any():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.02

    def scale(layer: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        bias = torch.zeros(1) if layer.bias is None else layer.bias
        centred = output - (bias.view(-1, 1, 1) if isinstance(layer, nn.Conv2d) else bias)
        by = float(centred.std().clamp_min(1e-6))
        layer.weight.data /= by
        return output - centred + centred / by

    hooks = [m.register_forward_hook(scale) for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    with torch.no_grad():
        module(batch)
    for hook in hooks:
        hook.remove()
    module.eval()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--side", type=int, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--pair", action="append", required=True, help="target:scheme")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for record in records(args.name, args.side, args.images, [tuple(pair.split(":")) for pair in args.pair]):
        print(json.dumps(record), flush=True)


def records(name: str, side: int, folder: Path, pairs: Sequence[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """One record per (target, scheme), also when a stage before it refused."""
    stage, programs, seconds = "capture", {}, {}
    try:
        source = resolve(f"torchvision:{name}", inputs=parse_inputs([f"image:1,3,{side},{side}"]))
        module = source.build()
        samples = images(folder, side, LIFE + CALIBRATION + TEST, source.recipe.preprocess)
        life, calibration, test = samples[:LIFE], samples[LIFE : LIFE + CALIBRATION], samples[LIFE + CALIBRATION :]
        with quiet():
            bring_to_life(module, torch.cat(life))
        started = time.perf_counter()
        captured = capture(module, source.recipe.inputs, example=(test[0],))
        seconds["capture"] = time.perf_counter() - started
        with torch.no_grad(), quiet():
            reference = [outputs(captured, sample) for sample in test]
            disturbed = distance(reference, [outputs(captured, with_noise(sample)) for sample in test])
    except MobilekitError as error:
        yield from ({**key(target, scheme), **refusal(stage, error)} for target, scheme in pairs)
        return
    programs["fp32"] = captured.program
    for target, scheme in sorted(pairs, key=lambda pair: pair[1]):  # fp32 before int8
        if scheme not in programs:
            started = time.perf_counter()
            try:
                programs[scheme] = quantize(captured, [(sample,) for sample in calibration]).program
            except MobilekitError as error:
                programs[scheme] = error
            seconds["quantize"] = time.perf_counter() - started
        program = programs[scheme]
        if isinstance(program, MobilekitError):
            yield {**key(target, scheme), **refusal("quantize", program)}
            continue
        found = one(captured, program, target, scheme, test, reference, seconds)
        yield {**key(target, scheme), "noise_db": disturbed.sqnr_db and round(disturbed.sqnr_db, 1), **found}


def with_noise(sample: torch.Tensor) -> torch.Tensor:
    """`sample` with white noise NOISE_DB below it: what a network makes of it shows how much of int8's is its own."""
    noise = torch.randn(sample.shape, generator=torch.Generator().manual_seed(0))
    return sample + noise * (sample.square().mean() / noise.square().mean()).sqrt() * 10 ** (-NOISE_DB / 20)


def key(target: str, scheme: str) -> dict[str, Any]:
    return {"target": target, "scheme": scheme}


def refusal(stage: str, error: MobilekitError) -> dict[str, Any]:
    return {"status": "refused", "stage": stage, "error": error.message, "hint": error.hint}


def outputs(captured: Captured, sample: torch.Tensor) -> tuple[np.ndarray, ...]:
    from torch.utils import _pytree as pytree

    return tuple(tensor.numpy() for tensor in pytree.tree_leaves(captured.program.module()(sample)))


def one(
    captured: Captured, program: Any, target: str, scheme: str, samples: Any, reference: Any, seconds: dict[str, float]
) -> dict[str, Any]:
    chosen = TARGETS[target]
    record: dict[str, Any] = {"status": "ok", "seconds_capture": round(seconds["capture"], 2)}
    if scheme != "fp32":
        record["seconds_quantize"] = round(seconds["quantize"], 2)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{chosen.suffix}"
        started = time.perf_counter()
        try:
            lowered = chosen.lower(program, scheme, path, inputs=captured.inputs, outputs=captured.outputs)
        except MobilekitError as error:
            return {**record, **refusal("lower", error)}
        record["seconds_lower"] = round(time.perf_counter() - started, 2)
        if lowered.delegation is not None:
            record["delegates"] = lowered.delegation.delegates
            record["portable"] = {one.name: one.count for one in read_pte(path).operators}
        else:
            record["operators"] = dict(Counter(lowered.operators))
        runner = runner_for(path)
        if runner.unavailable() is not None:
            return {**record, "sqnr_db": None, "executed": False}
        try:
            with Worker(runner.name, path, threads=1, timeout_s=120) as worker:
                got = worker.run([(sample.numpy(),) for sample in samples])
        except MobilekitError as error:
            return {**record, **refusal("run", error)}
        apart = distance(reference, got)
    return {**record, "executed": True, "sqnr_db": None if apart.sqnr_db is None else round(apart.sqnr_db, 1)}


if __name__ == "__main__":
    main()
