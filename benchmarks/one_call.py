"""One call, `compress(model, loader, macs=...)`: what each recipe gives for it.

    python -m benchmarks.one_call --data DIR [--depths 20 56] [--parts 0.7 0.5 0.25]
        [--budget latency] [--steps 4] [--recipes ccp allocated]

Nothing but the recipe differs: every channel may go, residual streams too, and the
repair is the default one; no training. Of each: accuracy on test images 2,000 to 9,999
of CIFAR-10 (images 0 to 1,999 and all beside it), the seconds of the call, and how many
times faster a forward pass is than the dense network's, on one thread, for several
batch sizes and both memory formats, the two networks timed in turns. DIR as in
benchmarks/cifar10.py. Rows are appended to OUT; those that it holds are not made again.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import ccsolve_torch as cct
from benchmarks.cifar10 import calibration_images, in_batches, test_images, trained
from benchmarks.json_lines import append_rows, read_rows
from ccsolve_torch.running.latency import measured

RECIPES = ("uniform", "ccp", "allocated", "joint")
BUDGETS = ("macs", "latency")
BATCHES = (1, 16, 64)
FORMATS = {
    "contiguous": torch.contiguous_format,
    "channels last": torch.channels_last,
}
CHOOSING = 2000
"""Test images that settings may be chosen by."""


@dataclass(frozen=True)
class Case:
    """What is asked: a ResNet's depth, the part of the budget that may remain."""

    depth: int
    part: float
    recipe: str
    seed: int
    budget: str = "macs"
    steps: int = 1


@dataclass(frozen=True)
class Row:
    """What a call gave: parts of the dense costs, percentages, and speeds.

    `accuracy` is of the images that decide nothing; `gains` says by format and batch
    size how many times faster a forward pass is than the dense network's.
    """

    depth: int
    part: float
    recipe: str
    seed: int
    budget: str
    steps: int
    macs: float
    params: float
    accuracy: float
    choosing: float
    all: float
    seconds: float
    gains: dict[str, float]
    torch: str

    @property
    def case(self) -> Case:
        """What was asked."""
        return Case(
            self.depth, self.part, self.recipe, self.seed, self.budget, self.steps
        )


def main() -> None:
    """Make the rows that are not there, print and append them."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--depths", type=int, nargs="+", default=[20, 56])
    parser.add_argument("--parts", type=float, nargs="+", default=[0.7, 0.5, 0.25])
    parser.add_argument("--recipes", nargs="+", default=[*RECIPES], choices=RECIPES)
    parser.add_argument("--budget", choices=BUDGETS, default="macs")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--calibration", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    results = Path(__file__).parent / "results" / "one_call.jsonl"
    parser.add_argument("--out", type=Path, default=results)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    known = {row.case for row in read_rows(asked.out, Row)}
    for case in cases(asked):
        if case not in known:
            row = made(asked.data, case, asked.calibration)
            print(row, flush=True)
            append_rows(asked.out, [row])


def cases(asked: argparse.Namespace) -> Iterator[Case]:
    """Give all that is asked for, in the order of its making."""
    for depth in asked.depths:
        for part in asked.parts:
            for recipe in asked.recipes:
                yield Case(depth, part, recipe, asked.seed, asked.budget, asked.steps)


def made(folder: Path, case: Case, calibration: int) -> Row:
    """Compress, score and time one network."""
    model = trained(folder, case.depth)
    loader = in_batches(*calibration_images(folder, calibration, case.seed))
    began = time.perf_counter()
    budget: Any = {case.budget: case.part}
    small: Any = cct.compress(
        model, loader, **budget, recipe=case.recipe, steps=case.steps, timed=False
    )
    seconds = time.perf_counter() - began
    right, report = correct(small, *test_images(folder)), small.report
    return Row(
        **asdict(case),
        macs=report.achieved.macs / report.original.macs,
        params=report.achieved.params / report.original.params,
        accuracy=percent(right[CHOOSING:]),
        choosing=percent(right[:CHOOSING]),
        all=percent(right),
        seconds=seconds,
        gains=gains(model, small),
        torch=torch.__version__,
    )


def percent(right: Tensor) -> float:
    """Give the mean of ones and zeros in per cent."""
    return 100 * right.mean().item()


def correct(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Give 1.0 for every image that is classified as labelled, else 0.0."""
    with torch.inference_mode():
        found = [model(x).argmax(dim=1) == y for x, y in in_batches(images, labels)]
    return torch.cat(found).double()


def gains(model: nn.Module, small: nn.Module, seconds: float = 3.0) -> dict[str, float]:
    """Give how many times faster the smaller network is, by format and batch size."""
    found = {}
    for name, form in FORMATS.items():
        for each in (model, small):
            each.to(memory_format=form)  # pyright: ignore
        for batch in BATCHES:
            x = torch.randn(batch, 3, 32, 32).contiguous(memory_format=form)
            found[f"{name}, {batch}"] = measured(model, small, x, seconds=seconds).gain
    return found


if __name__ == "__main__":
    main()
