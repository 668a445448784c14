"""What the arms share: the trained network, the ranks, and the images."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

import ccsolve
import ccsolve_torch as cct
from benchmarks.admm_training.rows import Settings
from benchmarks.cifar10 import (
    calibration_images,
    every_training_image,
    in_batches,
    test_images,
    trained,
)
from ccsolve.recipes.chains import chainables

Images = tuple[Tensor, Tensor]
CALIBRATION = 1000

POSITIONS = 64
"""Of every image and layer, where columns are read for the moments."""


class Scene(NamedTuple):
    """A trained network, ranks for its blocks, and images."""

    model: nn.Module
    factors: Mapping[str, cct.Factor]
    example: Tensor
    training: Images
    calibration: list[Images]
    tests: Images


def scene_of(folder: Path, settings: Settings, tests: int) -> Scene:
    """Give ResNet-20, trained, and ranks at which its blocks have fewer parameters."""
    model, (images, labels) = trained(folder, depth=20), test_images(folder)
    calibration = in_batches(*calibration_images(folder, CALIBRATION, seed=0), size=50)
    x, y = every_training_image(folder)
    return Scene(
        model,
        ranks(model, calibration, settings.fewer, settings.metric),
        images[:2],
        (x[: settings.images], y[: settings.images]),
        calibration,
        (images[:tests], labels[:tests]),
    )


def ranks(
    model: nn.Module, calibration: list[Images], fewer: float, metric: str
) -> dict[str, cct.Factor]:
    """Give the block convolutions' ranks by the program of recipe "tt"."""
    stats = cct.collect(
        model, calibration, layers="moments", sketches=1, positions=POSITIONS
    )
    layers = chainables(stats)
    blocks = {n: layer for n, layer in layers.items() if n.startswith("layer")}
    whole = sum(layer.dense()["params"] for layer in blocks.values())
    plan = ccsolve.plan(
        stats,
        params=int(stats.cost().params - whole + whole / fewer),
        recipe="tt",
        metric=metric,
        fixed={name: 0 for name in layers if name not in blocks},
    )
    return dict(plan.factors)
