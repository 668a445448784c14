"""Time of `collect` on ResNet-50 against a plain forward and backward pass.

    python -m benchmarks.collect_speed [--device cuda] [--images 1024] [--size 224]
                                       [--batch 64] [--out FILE]

Random weights and images: time does not depend on them. Both sides see the same batches
in turns, the median of three turns counts. `ratio` is the time of `collect` without the
export of the network, which is paid once and given beside it, over the number of its
backward passes per batch times the time of plain passes: 1 would be a plain training
step for every backward pass. The peak of memory is that of the device's allocator.
"""

import argparse
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import ResNetConfig, ResNetForImageClassification

import ccsolve_torch as cct
from ccsolve_torch.running.latency import timed

TURNS = 3

# Options of `collect`, and its backward passes per batch.
CASES: dict[str, tuple[dict[str, Any], int]] = {
    "fisher": ({"curvature": "fisher"}, 1),
    "1 sketch": ({"sketches": 1}, 2),
    "4 sketches": ({"sketches": 4}, 5),
}

Batches = list[tuple[Tensor, Tensor]]


class Logits(nn.Module):
    """The network's logits alone."""

    def __init__(self, network: nn.Module) -> None:
        """Wrap a network whose output has them as an attribute."""
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Give (N, classes)."""
        return self.network(x).logits


def resnet50(device: torch.device) -> nn.Module:
    """Give ResNet-50 with 1,000 classes and random weights, in evaluation mode."""
    torch.manual_seed(0)
    return (
        Logits(
            ResNetForImageClassification(
                ResNetConfig(num_labels=1000)  # pyright: ignore[reportCallIssue]
            )
        )
        .to(device)
        .eval()
    )


def images(device: torch.device, count: int, size: int, batch: int) -> Batches:
    """Give random images and labels in batches, on the device."""
    draw = torch.Generator().manual_seed(0)
    return [
        (
            torch.randn(len(part), 3, size, size, generator=draw).to(device),
            torch.randint(0, 1000, (len(part),), generator=draw).to(device),
        )
        for part in torch.arange(count).split(batch)
    ]


def plain(model: nn.Module, batches: Batches) -> None:
    """Run one forward and one backward pass on every batch."""
    for x, y in batches:
        functional.cross_entropy(model(x), y).backward()
        model.zero_grad(set_to_none=True)


def rows(model: nn.Module, batches: Batches, device: torch.device) -> Iterator[dict]:
    """Give a row per case."""
    timed(lambda: plain(model, batches[:1]), device)
    for case, (options, backwards) in CASES.items():
        spent: dict[str, list[float]] = {"plain": [], "collect": [], "trace": []}
        peak = 0
        for _ in range(TURNS):
            spent["plain"].append(timed(lambda: plain(model, batches), device))
            spent["trace"].append(
                timed(lambda: cct.trace(model, batches[0][0]), device)
            )
            _forget(device)
            spent["collect"].append(
                timed(
                    lambda given=options: cct.collect(
                        model, batches, layers="none", **given
                    ),
                    device,
                )
            )
            peak = max(peak, _peak(device))
        median = {name: statistics.median(values) for name, values in spent.items()}
        own = median["collect"] - median["trace"]
        yield {
            "case": case,
            "backwards": backwards,
            **{f"{name}_s": round(value, 3) for name, value in median.items()},
            "ratio": round(own / (backwards * median["plain"]), 3),
            "peak_bytes": peak,
        }


def _forget(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0


def main() -> None:
    """Measure, print the rows, write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--size", type=int, default=224, help="pixels of a side")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--out", type=Path, help="append one JSON line per case")
    chosen = parser.parse_args()
    device = torch.device(chosen.device)
    model = resnet50(device)
    batches = images(device, chosen.images, chosen.size, chosen.batch)
    about = {**vars(chosen), "torch": torch.__version__}
    about["out"] = None
    for row in rows(model, batches, device):
        line = json.dumps({**row, **about})
        print(line, flush=True)
        if chosen.out is not None:
            with chosen.out.open("a", encoding="utf-8") as file:
                file.write(line + "\n")


if __name__ == "__main__":
    main()
