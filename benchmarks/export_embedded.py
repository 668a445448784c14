"""Make the statistics that ship with ccsolve: our own computed figures, no weights.

    python -m benchmarks.export_embedded --data DIR [--out ccsolve/data]

writes `resnet56_cifar10.safetensors` (the blocks of ResNet-56's 27 inner groups;
folder layout in benchmarks/cifar10.py; two or three minutes).
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import nn

import ccsolve_torch as cct
from benchmarks.cifar10 import in_batches, resnet56, training_images
from ccsolve.statistics import Statistics

IMAGES = 1500


def resnet56_statistics(folder: Path) -> Statistics:
    """Give the exact Gauss-Newton and Fisher blocks of ResNet-56 on CIFAR-10."""
    model = resnet56(folder)
    loader = in_batches(*training_images(folder, IMAGES))
    stats = cct.collect(model, loader, max_rows=0)
    groups = {
        name: replace(
            group,
            ggn=_small(group.ggn),
            fisher=_small(group.fisher),
            scores={"l1": _l1(model, name)},
        )
        for name, group in stats.groups.items()
    }
    data = f"CIFAR-10, first {IMAGES} images of an exact training subset"
    meta = {**stats.meta, "network": "ResNet-56 (option A), 93.39 % on the test set"}
    return replace(stats, groups=groups, meta={**meta, "data": data})


def _l1(model: nn.Module, name: str) -> np.ndarray:
    """Give the L1 norm of every filter of the group's convolution."""
    weight = model.get_submodule(name).weight.detach()  # pyright: ignore
    return weight.abs().flatten(1).sum(dim=1).numpy()


def _small(values: np.ndarray | None) -> np.ndarray | None:
    return None if values is None else values.astype(np.float32)


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the images")
    parser.add_argument("--out", type=Path, default=Path("ccsolve/data"))
    chosen = parser.parse_args()
    path = chosen.out / "resnet56_cifar10.safetensors"
    resnet56_statistics(chosen.data).save(path)
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
