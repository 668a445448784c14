"""A program of ResNet-50's size: 26,560 channels, a factor of 600 rows, MACs."""

import numpy as np

from ccsolve import NetworkSelection, WidthBudget

STAGES = ((3, 64, 56), (4, 128, 28), (6, 256, 14), (3, 512, 7))
"""Blocks, inner width and side of the maps by stage; blocks end four times as wide."""

ROWS = 600


def layers() -> tuple[list[int], dict[tuple[int, int], float], dict[int, float]]:
    """Give widths, MACs per pair of channels of neighbours, and of the ends alone.

    Every convolution's outputs are a group; the outputs of a block's last one stand for
    the stream that the next block reads.
    """
    sizes, products, ends = [64], {}, {0: 3.0 * 49 * 112**2}
    stream = 0
    for stage, (blocks, inner, side) in enumerate(STAGES):
        for block in range(blocks):
            first = len(sizes)
            sizes += [inner, inner, 4 * inner]
            area = float(side * side)
            products[stream, first] = area * (4 if stage and not block else 1)
            products[first, first + 1] = 9.0 * area
            products[first + 1, first + 2] = area
            if block == 0:
                sizes.append(4 * inner)
                products[stream, first + 3] = area
            stream = first + 2
    ends[stream] = 1000.0
    return sizes, products, ends


def resnet50(rows: int = ROWS, seed: int = 0) -> NetworkSelection:
    """Give the program: the loss of removals is ½‖Gu‖² + ½·dᵀu; half of the MACs stay.

    G has a common mode, scales that differ by layers and channels, and noise: what
    gradients of gates look like; the diagonal is what more rows would add.
    """
    rng = np.random.default_rng(seed)
    sizes, products, ends = layers()
    labels = np.repeat(np.arange(len(sizes)), sizes)
    n = len(labels)
    scale = rng.lognormal(0.0, 0.7, len(sizes))[labels] * rng.lognormal(0.0, 0.7, n)
    G = rng.standard_normal((rows, n)) + 0.3 * rng.standard_normal((rows, 1))
    G *= scale / np.sqrt(rows * np.asarray(sizes)[labels])
    d = 0.3 * np.square(G).sum(axis=0)
    factor, diagonal = np.sqrt(0.5) * G, 0.5 * d
    total = factor.sum(axis=1)
    q = -2.0 * (factor.T @ total) - 2.0 * diagonal
    constant = float(total @ total + diagonal.sum())
    whole = WidthBudget(0.0, ends, products)
    budget = WidthBudget(0.5 * whole.at(sizes), ends, products, name="macs")
    return NetworkSelection(
        q=q, groups=labels, budgets=[budget], constant=constant, factor=factor,
        diagonal=diagonal, min_keep=1,
    )  # fmt: skip
