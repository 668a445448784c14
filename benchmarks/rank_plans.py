"""Ranks by a program, and filters made of filters: what accuracy is left, untrained.

    python -m benchmarks.rank_plans --data DIR

ResNet-20 on CIFAR-10. Chains: ranks from the recipes "svd" and "tucker" in each metric,
and for comparison the same part of the full rank in all 3 x 3 layers,
as large as the budget allows. LinearConv: converted with and without moments. All is
fitted by the moments of the calibration images where the format allows it; no training.
Images 2,000 to 3,999 of the test set, standard error 0.7 at 90 %, 1.1 at 60 %. DIR as
in benchmarks/cifar10.py. Rows are appended to OUT.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

import ccsolve
import ccsolve_torch as cct
from benchmarks.cifar10 import calibration_images, in_batches, test_images, trained
from benchmarks.factored_layers import FACTORS, largest, percent, remaining
from ccsolve.statistics import Statistics

Row = dict[str, Any]

PARTS = (0.75, 0.5)
METRICS = ("loss", "inputs", "weights")


def main() -> None:
    """Measure, print, and append the rows."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--calibration", type=int, default=1000)
    results = Path(__file__).parent / "results" / "rank_plans.jsonl"
    parser.add_argument("--out", type=Path, default=results)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with asked.out.open("a", encoding="utf-8") as file:
        for row in rows(asked.data, asked.calibration):
            print(row, flush=True)
            file.write(json.dumps({**row, "torch": torch.__version__}) + "\n")
            file.flush()


def rows(folder: Path, count: int) -> Iterator[Row]:
    """Give all rows as they come."""
    model, (images, labels) = trained(folder, depth=20), test_images(folder)
    held = in_batches(images[2000:4000], labels[2000:4000])
    loader = in_batches(*calibration_images(folder, count, seed=0))
    stats = cct.collect(model, loader, layers="moments", sketches=2)
    x = images[:2]
    yield {"kind": "dense", "right": percent(model, held)}
    for part in PARTS:
        for of, small in (
            *ranked(model, stats, x, part),
            *by_hand(model, stats, x, part),
            *combined(model, stats, part),
        ):
            found = {"right": percent(small, held)}
            cct.recalibrate(small, loader)
            yield {**of, "part": part, **found, "recalibrated": percent(small, held)}


def ranked(
    model: nn.Module, stats: Statistics, x: torch.Tensor, part: float
) -> Iterator[tuple[Row, Any]]:
    """Give models with chains whose ranks a program shared out."""
    for recipe in ("svd", "tucker"):
        for metric in METRICS:
            plan = ccsolve.plan(stats, macs=part, recipe=recipe, metric=metric)
            small = cct.factorise(model, plan.factors, x, statistics=stats)
            of = {"kind": "program", "format": recipe, "metric": metric}
            solved = {"gap": plan.gap, "seconds": plan.provenance["solver"]["seconds"]}
            yield {**of, **solved, "macs": remaining(small)}, small


def by_hand(
    model: nn.Module, stats: Statistics, x: torch.Tensor, part: float
) -> Iterator[tuple[Row, Any]]:
    """Give models whose ranks are all the same part of their full ranks."""
    names = [n for n, _ in model.named_modules() if n.endswith(("conv1", "conv2"))]
    for name in ("svd", "tucker"):
        small = largest(model, dict.fromkeys(names, FACTORS[name]), x, part, stats)
        yield {"kind": "same part", "format": name, "macs": remaining(small)}, small


def combined(
    model: nn.Module, stats: Statistics, part: float
) -> Iterator[tuple[Row, Any]]:
    """Give models with that part of their filters primary."""
    dense = sum(value.numel() for value in model.parameters())
    for weighing in (stats, None):
        small = cct.linear_convolutions(model, part, statistics=weighing)
        left = sum(value.numel() for value in small.parameters()) / dense
        yield {"kind": "linear", "weighted": weighing is stats, "params": left}, small


if __name__ == "__main__":
    main()
