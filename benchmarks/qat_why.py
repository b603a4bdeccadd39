"""Why PT2E's own QAT loses accuracy: from the same trained weights, its parts are frozen one by one, ours beside it.

    python benchmarks/qat_why.py runs/mobilenet_v3_small --data imagefolder:cifar > benchmarks/results/qat-why.md

All routes train on the same batches in the same order, by the recipe's optimizer and augmentation, along half a cosine.
Top-1 is of the simulated int8 network and, in brackets, of its weights without any rounding: what the second loses is
the weights' damage, what lies between the two the rounding's. The first figures are before the first step, with ranges
measured on the first training batches.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from qat_step import image_size, stock_qat

from mobilekit.data import open_dataset
from mobilekit.data.sampling import balanced
from mobilekit.environment import describe
from mobilekit.model import ModelSource, resolve
from mobilekit.pipeline.qat import rounding_module
from mobilekit.quantize.observers import Mode, set_mode
from mobilekit.quiet import quiet
from mobilekit.train import TrainingData, load_training_data
from mobilekit.train.data import ordered_batches, place, shuffled_batches
from mobilekit.train.feed import make_feed
from mobilekit.train.loss import PLAIN
from mobilekit.train.optim import make_optimizer, set_learning_rate

CPU = torch.device("cpu")
CALIBRATION_BATCHES = 4


@dataclass(frozen=True)
class Route:
    """One way to train for int8, at a share of the recipe's learning rate. The rest is of PT2E's: whether a weight has
    a scale for each channel, and whether batch norms and ranges move with each batch."""

    name: str
    rate: float
    per_channel: bool = True
    norms: bool = True
    ranges: bool = True
    ours: bool = False


ROUTES = (
    Route("PT2E, its default: one scale for a weight", 0.1, per_channel=False),
    Route("PT2E, a scale for each channel", 0.1),
    Route("ours", 0.1, ours=True),
    Route("PT2E, a scale for each channel, batch norms frozen", 0.1, norms=False),
    Route("PT2E, a scale for each channel, batch norms and ranges frozen", 0.1, norms=False, ranges=False),
    Route("PT2E, a scale for each channel", 0.02),
    Route("ours", 0.02, ours=True),
)


class Stock:
    """PT2E's QAT in the states that the routes ask for."""

    def __init__(self, source: ModelSource, route: Route) -> None:
        image = [3, *image_size(source)]
        self.module, self.route = stock_qat(source.build(), image, per_channel=route.per_channel), route

    def training(self) -> None:
        from torchao.quantization.pt2e import (
            disable_observer,
            enable_fake_quant,
            enable_observer,
            move_exported_model_to_train,
        )

        with quiet():
            move_exported_model_to_train(self.module)
        self.module.apply(enable_fake_quant)
        self.module.apply(enable_observer if self.route.ranges else disable_observer)
        if not self.route.norms:
            self._norms_by_their_statistics()

    def calibrating(self) -> None:
        """Ranges follow; batch norms, weights and outputs stay as they are."""
        from torchao.quantization.pt2e import disable_fake_quant, enable_observer, move_exported_model_to_eval

        with quiet():
            move_exported_model_to_eval(self.module)
        self.module.apply(enable_observer)
        self.module.apply(disable_fake_quant)

    def scoring(self, rounded: bool) -> None:
        from torchao.quantization.pt2e import (
            disable_fake_quant,
            disable_observer,
            enable_fake_quant,
            move_exported_model_to_eval,
        )

        with quiet():
            move_exported_model_to_eval(self.module)
        self.module.apply(disable_observer)
        self.module.apply(enable_fake_quant if rounded else disable_fake_quant)

    def _norms_by_their_statistics(self) -> None:
        graph: Any = self.module.graph
        for node in graph.nodes:
            if str(node.target).startswith("aten.batch_norm"):
                node.args = (*node.args[:5], False, *node.args[6:])
        self.module.recompile()  # type: ignore[operator]


class Ours:
    def __init__(self, source: ModelSource, data: TrainingData) -> None:
        self.module, _ = rounding_module(source, data, 0)

    def training(self) -> None:
        set_mode(self.module, Mode.train)  # type: ignore[arg-type]

    def calibrating(self) -> None:
        set_mode(self.module, Mode.off)  # type: ignore[arg-type]  # it is

    def scoring(self, rounded: bool) -> None:
        set_mode(self.module, Mode.train if rounded else Mode.off)  # type: ignore[arg-type]


def trained(route: Route, source: ModelSource, data: TrainingData, options: argparse.Namespace) -> Iterator[str]:
    """The cells of a row: top-1 before, and after each quarter of the steps."""
    torch.manual_seed(0)
    spec = source.recipe.train
    feed, train, test = make_feed(data, spec.augment), place(data.train, CPU), place(data.test, CPU)
    subject: Stock | Ours = Ours(source, data) if route.ours else Stock(source, route)
    module: Callable[..., Any] = subject.module
    subject.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches = shuffled_batches(train, options.batch, seed=0, epoch=1)
    subject.calibrating()
    with torch.no_grad():
        for batch, _ in zip(ordered_batches(train, options.batch), range(CALIBRATION_BATCHES), strict=False):
            module(*feed(batch.inputs))

    def top1() -> str:
        shares = []
        for rounded in (True, False):
            subject.scoring(rounded)
            with torch.no_grad():
                right = sum(
                    int((module(*feed(batch.inputs)).argmax(1) == batch.labels).sum())
                    for batch in ordered_batches(test, 256)
                )
            shares.append(100 * right / len(test))
        subject.training()
        return f"{shares[0]:.1f} ({shares[1]:.1f})"

    yield top1()
    optimizer = make_optimizer(subject.module, spec)
    drawing = torch.Generator().manual_seed(0)
    for step, batch in zip(range(options.steps), batches, strict=False):
        rate = route.rate * spec.learning_rate * 0.5 * (1 + math.cos(math.pi * step / options.steps))
        set_learning_rate(optimizer, rate)
        loss = PLAIN(module(*feed(batch.inputs, drawing)), batch.labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if (step + 1) % max(1, options.steps // 4) == 0:
            yield top1()
            print(f"{route.name}: step {step + 1}, loss {float(loss.detach()):.3f}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="a trained image classifier")
    parser.add_argument("--data", default="imagefolder:cifar")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--test-samples", type=int, default=2000)
    parser.add_argument("--only", action="append", help="what a route's name must hold; several times")
    options = parser.parse_args()
    source = resolve(options.run)
    recipe = source.recipe
    data = load_training_data(
        open_dataset(options.data, seed=0, labels=recipe.labels),
        recipe.inputs,
        recipe.preprocess,
        seed=0,
        validation_fraction=recipe.train.validation_fraction,
    )
    chosen = balanced(data.test.labels, options.test_samples, 0, "the test images")
    part = type(data.test)(tuple(array[chosen] for array in data.test.inputs), data.test.labels[chosen])
    data = TrainingData(data.source, data.train, data.validation, part, data.preprocess)
    quarter = options.steps // 4
    print(f"# Why PT2E's own QAT loses {recipe.name}\n")
    print(f"`python benchmarks/qat_why.py RUN --steps {options.steps} --batch {options.batch}`, from one trained run,")
    print(
        f"{len(part):,} test images, {describe().machine.processor}. Top-1 of the simulated int8 network, in brackets"
    )
    print("that of the same weights without rounding, in %.\n")
    print(f"| route | rate | before | {' | '.join(f'{quarter * number} steps' for number in range(1, 5))} |")
    print("|-|-|-|-|-|-|-|", flush=True)
    for route in ROUTES:
        if not options.only or any(part in route.name for part in options.only):
            rate = f"{route.rate * recipe.train.learning_rate:g}"
            print(f"| {route.name} | {rate} | {' | '.join(trained(route, source, data, options))} |", flush=True)


if __name__ == "__main__":
    main()
