"""Peak memory of `collect` on layers as wide as those of VGG-16, against what it says.

    python -m benchmarks.collect_memory [--out FILE]

Every row is a process of its own. It collects from a network of the thirteen
convolutions of VGG-16 on images of 32 x 32, with random weights, and from the same
network without statistics (a forward and a backward pass of a batch): the difference is
what the statistics take, and `bound` is what the docstring of `collect` allows them.
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import ccsolve_torch as cct
from ccsolve_torch.collecting.moments import chosen_levels, layer_bytes

WIDTHS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512)
BATCH, BATCHES = 16, 4
SCRATCH = 64e6
"""Bytes of columns that are made at a time, as `collect` says."""

# What is asked of `collect`: layers and max_rows; nothing of a plain pass.
CASES: dict[str, tuple[Any, int]] = {
    "plain": (None, 0),
    "weights": ("weights", 16_384),
    "weights, rows folded": ("weights", 16),
    "gradients": ("gradients", 16_384),
    "moments of one layer": ({"40": "moments"}, 16_384),
    "moments": ("moments", 16_384),
}


def network() -> nn.Sequential:
    """Give the convolutions of VGG-16 with batch norm, and a linear classifier."""
    layers: list[nn.Module] = []
    before = 3
    for width in WIDTHS:
        if width == 0:
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [
            nn.Conv2d(before, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
        before = width
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10)
    )


def batches() -> list[tuple[Tensor, Tensor]]:
    """Give random images and labels."""
    draw = torch.Generator().manual_seed(0)
    return [
        (
            torch.randn(BATCH, 3, 32, 32, generator=draw),
            torch.randint(0, 10, (BATCH,), generator=draw),
        )
        for _ in range(BATCHES)
    ]


def measured(name: str) -> dict[str, Any]:
    """Give the row of one case, measured in this process."""
    torch.manual_seed(0)
    model, data = network().eval(), batches()
    layers, max_rows = CASES[name]
    graph = cct.trace(model, data[0][0])
    start = time.perf_counter()
    if layers is None:
        for x, y in data:
            nn.functional.cross_entropy(model(x), y).backward()
        bound = 0.0
    else:
        cct.collect(model, data, layers=layers, sketches=1, max_rows=max_rows)
        bound = allowed(model, graph, layers, max_rows)
    return {
        "case": name,
        "seconds": round(time.perf_counter() - start, 2),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "bound": bound,
        "samples": BATCH * BATCHES,
        "torch": torch.__version__,
        "machine": platform.machine(),
    }


def allowed(model: nn.Module, graph: cct.Graph, layers: Any, max_rows: int) -> float:
    """Give the bytes that `collect` says it takes besides one batch's activations."""
    parameters = dict(model.named_parameters())
    levels = chosen_levels(layers, graph)
    each = [
        layer_bytes(site, parameters[site.weight], levels[name])
        for name, site in graph.layers.items()
    ]
    sizes = [group.size for group in graph.groups.values()]
    rows = BATCH * BATCHES
    curvature = (
        4 * rows * sum(sizes) if rows <= max_rows else 8 * sum(n * n for n in sizes)
    )
    moments = SCRATCH if "moments" in levels.values() else 0.0
    held = 4 * sum(parameters[site.weight].numel() for site in graph.layers.values())
    return 2 * curvature + sum(each) + max(each) + moments + held


def main() -> None:
    """Measure every case in a process of its own, and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).parent / "results" / "collect_memory.jsonl"
    parser.add_argument("--out", type=Path, default=default)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(measured(given.case)))
        return
    rows = [_row(name) for name in CASES]
    for row in rows:
        row["taken"] = row["peak"] - rows[0]["peak"]
        print(
            f"{row['case']:24} {row['peak'] / 1e6:8.0f} MB, of statistics "
            f"{row['taken'] / 1e6:8.0f}, allowed {row['bound'] / 1e6:8.0f}"
        )
    given.out.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _row(name: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.collect_memory", "--case", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
