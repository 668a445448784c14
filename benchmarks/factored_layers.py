"""Layers as chains of smaller ones: how much faster, and what accuracy is left.

    python -m benchmarks.factored_layers                   speed of single 3 x 3 layers
    python -m benchmarks.factored_layers --data DIR        ResNet-20 on CIFAR-10 as well

Speed: one thread, the layer and its chain in turns; of either counts the least of the
medians of five measurements in each of the two memory formats. Accuracy: every 3 x 3
layer of the blocks becomes a chain of the same part of its full rank, as large as the
MACs allow; no training. Images 2,000 to 9,999 of the test set. DIR as in
benchmarks/cifar10.py. Rows are appended to OUT.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

import ccsolve_torch as cct
from benchmarks.cifar10 import calibration_images, in_batches, test_images, trained
from ccsolve.statistics import Statistics
from ccsolve_torch.running.latency import measured

FACTORS = {
    "svd": cct.Factor("svd", 1.0),
    "svd, spatial": cct.Factor("svd", 1.0, split="spatial"),
    "tucker": cct.Factor("tucker", 1.0),
}
LAYERS = ((16, 32), (64, 8), (128, 28), (256, 14))
"""Channels and side of the picture."""

BATCHES = (1, 32)
HALVINGS, REPEATS = 8, 5
FORMATS = (torch.contiguous_format, torch.channels_last)

Row = dict[str, Any]


def main() -> None:
    """Measure, print, and append the rows."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--calibration", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=0.3, help="per measurement")
    results = Path(__file__).parent / "results" / "factored_layers.jsonl"
    parser.add_argument("--out", type=Path, default=results)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with asked.out.open("a", encoding="utf-8") as file:
        for row in rows(asked):
            print(row)
            file.write(json.dumps({**row, "torch": torch.__version__}) + "\n")


def rows(asked: argparse.Namespace) -> Iterator[Row]:
    """Give all rows as they come."""
    for channels, side in LAYERS:
        for name, part in ((n, p) for n in FACTORS for p in (0.5, 0.25)):
            yield from speeds(channels, side, name, part, asked.seconds)
    if asked.data is not None:
        yield from accuracies(asked.data, asked.calibration)


def speeds(
    channels: int, side: int, name: str, part: float, seconds: float
) -> Iterator[Row]:
    """Give how many times faster the chain is that does `part` of the layer's MACs."""
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1)).eval()
    x = torch.randn(1, channels, side, side)
    small = largest(layer, {"0": FACTORS[name]}, x, part)
    for batch in BATCHES:
        times = [
            measured(
                layer.to(memory_format=form),  # pyright: ignore
                small.to(memory_format=form),  # pyright: ignore
                torch.randn(batch, channels, side, side).contiguous(memory_format=form),
                seconds=seconds,
            )
            for form in FORMATS * REPEATS
        ]
        dense, chain = (min(getattr(t, k) for t in times) for k in ("before", "after"))
        of = dict(kind="speed", channels=channels, side=side, batch=batch, format=name)
        found = dict(dense_ms=1e3 * dense, chain_ms=1e3 * chain, gain=dense / chain)
        yield of | dict(part=part, macs=remaining(small)) | found


def accuracies(folder: Path, count: int) -> Iterator[Row]:
    """Give the accuracy of ResNet-20, dense and with chains, recalibrated or not."""
    model, (images, labels) = trained(folder, depth=20), test_images(folder)
    held = in_batches(images[2000:], labels[2000:])
    loader = in_batches(*calibration_images(folder, count, seed=0))
    names = [n for n, m in model.named_modules() if n.endswith(("conv1", "conv2"))]
    x = images[:2]
    stats = cct.collect(model, loader, layers="moments")
    yield dict(kind="accuracy", format="dense", right=percent(model, held))
    cases = [(part, n, s) for part in (0.75, 0.5) for n, s in _weighings(stats)]
    for part, name, weighing in cases:
        chosen = dict.fromkeys(names, FACTORS[name])
        small = largest(model, chosen, x, part, weighing)
        of = dict(kind="accuracy", format=name, weighted=weighing is not None)
        found = dict(right=percent(small, held))
        cct.recalibrate(small, loader)
        found["recalibrated"] = percent(small, held)
        yield of | dict(part=part, macs=remaining(small)) | found


def _weighings(stats: Statistics) -> list[tuple[str, Statistics | None]]:
    return [*((name, None) for name in FACTORS), ("svd", stats)]


def largest(
    model: nn.Module,
    factors: dict[str, cct.Factor],
    x: torch.Tensor,
    part: float,
    statistics: Statistics | None = None,
) -> Any:
    """Give the model with chains of the largest ranks for `part` of the MACs.

    All ranks are the same part of their full ranks.
    """

    def made(rank: float) -> Any:
        ranked = {name: replace(factor, ranks=rank) for name, factor in factors.items()}
        return cct.factorise(model, ranked, x, statistics=statistics)

    low, high = 1e-9, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        fits = remaining(made(middle)) <= part
        low, high = (middle, high) if fits else (low, middle)
    return made(low)


def remaining(small: Any) -> float:
    """Give the part of the MACs that the model with chains does."""
    report = small.factor_report
    return report.achieved.macs / report.original.macs


def percent(model: nn.Module, held: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Give the percentage of samples that the model classifies as labelled."""
    with torch.inference_mode():
        right = sum(int((model(x).argmax(dim=1) == y).sum()) for x, y in held)
    return 100 * right / sum(len(y) for _, y in held)


if __name__ == "__main__":
    main()
