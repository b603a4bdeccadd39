"""Images per second of training's input side: mobilekit's against the plain torchvision DataLoader loop.

    python benchmarks/input_pipeline.py --data cifar10
    python benchmarks/input_pipeline.py --data imagefolder:PATH --json results.json

Both get the same uint8 images of the same data set, in memory (torchvision's CIFAR10 holds them so too), and make of
them float32 batches of 128, cropped with a padding of 4, mirrored and normalized, in random order. `alone` is that and
nothing else; `training` is a resnet20 step on each batch as well. Each contender runs in a process of its own; they
take turns in the order A B C C B A, and a turn is one pass over `--images` images after a warm-up of a tenth of them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

BATCH = 128
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
PEER, PEER_WORKERS, OURS = "torchvision, 0 workers", "torchvision, 2 workers", "mobilekit"
CONTENDERS = (PEER, PEER_WORKERS, OURS)


def torchvision_batches(images: np.ndarray, labels: np.ndarray, workers: int) -> Iterator[tuple[object, object]]:
    """The loop of every tutorial: a Dataset of PIL images, transforms per image, a DataLoader."""
    import torch
    from PIL import Image
    from torchvision import transforms

    transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )

    class InMemory(torch.utils.data.Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return len(images)

        def __getitem__(self, index: int) -> tuple[object, int]:
            return transform(Image.fromarray(images[index])), int(labels[index])

    yield from torch.utils.data.DataLoader(
        InMemory(), batch_size=BATCH, shuffle=True, num_workers=workers, drop_last=True, persistent_workers=False
    )


def mobilekit_batches(images: np.ndarray, labels: np.ndarray, epoch: int) -> Iterator[tuple[object, object]]:
    """What mobilekit's training loop does for a batch, by the same functions."""
    import torch

    from mobilekit.spec import ImagePreprocess
    from mobilekit.spec.train import AugmentSpec
    from mobilekit.train import Part
    from mobilekit.train.data import place, shuffled_batches
    from mobilekit.train.feed import Feed

    placed = place(Part((images,), labels), torch.device("cpu"))
    feed = Feed(ImagePreprocess(mean=MEAN, std=STD), AugmentSpec(shift_pixels=4, flip=True))
    drawing = torch.Generator().manual_seed(epoch)
    for batch in shuffled_batches(placed, BATCH, seed=0, epoch=epoch):
        yield feed(batch.inputs, drawing)[0], batch.labels


def batches_of(contender: str, images: np.ndarray, labels: np.ndarray) -> Iterator[tuple[object, object]]:
    if contender == OURS:
        return mobilekit_batches(images, labels, 1)
    return torchvision_batches(images, labels, 2 if contender == PEER_WORKERS else 0)


def stepper(channels_last: bool) -> Callable[[object, object], None]:
    """One SGD step of resnet20 on a batch; mobilekit trains it channels-last, the tutorials do not."""
    import torch

    from mobilekit.model import resolve

    module = resolve("resnet20").build().train()
    if channels_last:
        module = module.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9, nesterov=True)

    def step(inputs: object, labels: object) -> None:
        loss = torch.nn.functional.cross_entropy(module(inputs), labels)  # type: ignore[arg-type]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        loss.item()

    return step


def turn(contender: str, file: Path, images: int, training: bool) -> float:
    """Images per second of one pass, after a warm-up."""
    with np.load(file) as data:
        pixels, labels = data["images"], data["labels"]
    step = stepper(contender == OURS) if training else lambda inputs, labels: None
    for count in (max(BATCH * 3, images // 10), images):
        start, seen = time.perf_counter(), 0
        for inputs, wanted in batches_of(contender, pixels[:count], labels[:count]):
            step(inputs, wanted)
            seen += BATCH
        seconds = time.perf_counter() - start
    return seen / seconds


def read(data: str, images: int) -> tuple[np.ndarray, np.ndarray]:
    from mobilekit.data import materialize_pixels, open_dataset, subset
    from mobilekit.spec import ImagePreprocess, Resize

    preprocess = ImagePreprocess(resize=Resize(size=(32, 32)))
    return materialize_pixels(subset(open_dataset(data).split("train"), images, seed=0), preprocess)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cifar10", help="a data set of mobilekit's")
    parser.add_argument("--images", type=int, default=20_000, help="per turn of `alone`; `training` takes a tenth")
    parser.add_argument("--turns", type=int, default=6, help="of each contender")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--turn", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.turn:
        contender, file, images, kind = arguments.turn
        print(turn(contender, Path(file), int(images), kind == "training"))
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "images.npz"
        pixels, labels = read(arguments.data, arguments.images)
        np.savez(file, images=pixels, labels=labels)
        found: dict[str, dict[str, list[float]]] = {}
        for kind, images in (("alone", len(pixels)), ("training", max(BATCH * 4, len(pixels) // 10))):
            figures = found.setdefault(kind, {contender: [] for contender in CONTENDERS})
            for number in range(arguments.turns):
                for contender in CONTENDERS if number % 2 == 0 else CONTENDERS[::-1]:
                    command = [sys.executable, __file__, "--turn", contender, str(file), str(images), kind]
                    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
                    figures[contender].append(float(ended.stdout))
    show(found, arguments.turns)
    if arguments.json:
        arguments.json.write_text(json.dumps(record(found, arguments.data), indent=2) + "\n")


def show(found: dict[str, dict[str, list[float]]], turns: int) -> None:
    print(f"images per second, median of {turns} turns (lowest to highest), and against the best torchvision loop")
    for kind, figures in found.items():
        best = max(statistics.median(figures[peer]) for peer in (PEER, PEER_WORKERS))
        for contender, values in figures.items():
            middle = statistics.median(values)
            spread = f"({min(values):,.0f} to {max(values):,.0f})"
            print(f"{kind:9} {contender:24} {middle:10,.0f}  {spread:24} {middle / best:6.2f}x")


def record(found: dict[str, dict[str, list[float]]], data: str) -> dict[str, object]:
    from mobilekit.environment import describe

    return {"data": data, "images_per_second": found, "environment": describe().model_dump(mode="json")}


if __name__ == "__main__":
    main()
