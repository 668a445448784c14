"""Make the statistics that ship with ccsolve: our own computed figures.

    python -m benchmarks.export_embedded --data DIR [--out ccsolve/data]

writes `resnet56_cifar10.safetensors`, the curvature blocks of ResNet-56's 27 inner
groups without any weight (DIR as in benchmarks/cifar10.py; some minutes), and
`digits_resnet.safetensors`, all that can be collected of a small residual network
that is trained here on scikit-learn's digits. Without --data only the latter.
"""

import argparse
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

import ccsolve_torch as cct
from benchmarks.cifar10 import in_batches, resnet56, training_images
from benchmarks.digits import accuracy, digits, trained
from ccsolve.statistics import Statistics

IMAGES = 1500
DIGITS = 256


def resnet56_statistics(folder: Path) -> Statistics:
    """Give the exact Gauss-Newton and Fisher blocks of ResNet-56 on CIFAR-10."""
    model = resnet56(folder)
    loader = in_batches(*training_images(folder, IMAGES))
    stats = _single(cct.collect(model, loader, layers="none", max_rows=0))
    groups = {
        name: replace(group, scores={"l1": _l1(model, name)})
        for name, group in stats.groups.items()
    }
    about = {
        "network": "ResNet-56, option A; 93.39 % of the CIFAR-10 test set",
        "data": f"CIFAR-10, the first {IMAGES} images of an exact training subset",
    }
    return replace(stats, groups=groups, meta={**stats.meta, **about})


def digits_statistics() -> Statistics:
    """Give everything that can be collected of a small network on digits."""
    training, testing = digits()
    model = trained(training)
    loader = [(training[0][:DIGITS], training[1][:DIGITS])]
    stats = _single(cct.collect(model, loader, layers="moments"))
    about = {
        "network": f"ResNet-14; {accuracy(model, testing):.1f} % of its test set",
        "data": f"scikit-learn's digits, {DIGITS} of the training images",
    }
    return replace(stats, meta={**stats.meta, **about})


def _single(stats: Statistics) -> Statistics:
    """Give the statistics with all real arrays in single precision: half the size."""
    return replace(
        stats,
        groups={name: _mapped(group, _small) for name, group in stats.groups.items()},
        layers={name: _mapped(layer, _small) for name, layer in stats.layers.items()},
    )


def _mapped(item: Any, change: Callable[[Any], Any]) -> Any:
    """Give the dataclass with every array in it changed."""
    assert is_dataclass(item)
    values = {field.name: getattr(item, field.name) for field in fields(item)}
    arrays = {k: change(v) for k, v in values.items() if isinstance(v, np.ndarray)}
    return replace(item, **arrays)  # pyright: ignore[reportArgumentType]


def _small(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)


def _l1(model: nn.Module, name: str) -> np.ndarray:
    """Give the L1 norm of every filter of the group's convolution."""
    weight = model.get_submodule(name).weight.detach()  # pyright: ignore
    return weight.abs().flatten(1).sum(dim=1).numpy()


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the CIFAR-10 images")
    parser.add_argument("--out", type=Path, default=Path("ccsolve/data"))
    chosen = parser.parse_args()
    made = {"digits_resnet": digits_statistics()}
    if chosen.data is not None:
        made["resnet56_cifar10"] = resnet56_statistics(chosen.data)
    for name, stats in made.items():
        path = chosen.out / f"{name}.safetensors"
        stats.save(path)
        print(f"{path}: {path.stat().st_size} bytes; {stats.meta['network']}")


if __name__ == "__main__":
    main()
