"""Statistics of small chains whose layers can become chains of lower rank."""

from dataclasses import replace

import numpy as np

from ccsolve.statistics import LatencyTable, Statistics
from ccsolve.statistics.generate import random_chain


def with_runs(stats: Statistics, stride: int = 2) -> Statistics:
    """Give statistics that say where their layers run: 3x3 kernels, strided or not."""
    made = 8
    runs = {
        name: {
            "groups": 1,
            "transposed": False,
            "calls": [[[], [], 1]]
            if layer.kind == "linear"
            else [[[made * stride] * 2, [made] * 2, 1]],
        }
        for name, layer in stats.layers.items()
    }
    return replace(stats, meta={"runs": runs})


CHAIN = with_runs(random_chain((6, 8, 5)))
SMALL = with_runs(random_chain((4, 5)))
WIDE = with_runs(random_chain((16, 24, 16)), stride=1)


def with_grouped(stats: Statistics, name: str) -> Statistics:
    """Give statistics in which one layer says that it has two groups."""
    runs = {k: dict(v) for k, v in stats.meta["runs"].items()}
    runs[name]["groups"] = 2
    return replace(stats, meta={"runs": runs})


def latency_stats() -> Statistics:
    table = LatencyTable("whole", np.array([[300.0]]))
    return CHAIN.with_latency([table])


def trained_as_trains(stats: Statistics, modes) -> Statistics:
    """Give statistics whose weights are trains of rank 2 over these modes."""
    rng = np.random.default_rng(0)
    layers = dict(stats.layers)
    for name, some in modes.items():
        n, c, *kernel = layers[name].weight.shape
        bonds = (1, *(2,) * (len(some) - 1), 1)
        whole = np.ones((1, 1))
        for place, mode in enumerate(some):
            core = rng.standard_normal((bonds[place], mode, bonds[place + 1]))
            whole = np.tensordot(whole, core, 1).reshape(-1, bonds[place + 1])
        weight = np.moveaxis(whole.reshape(n, *kernel, c), -1, 1)
        layers[name] = replace(layers[name], weight=weight.astype(np.float32))
    return replace(stats, layers=layers)


TRAINS = {"conv2": (4, 4, 9, 4, 4), "conv3": (4, 6, 9, 4, 4)}
TENSORS = trained_as_trains(with_runs(random_chain((16, 16, 24))), TRAINS)
