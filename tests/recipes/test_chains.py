"""Costs of chains, against convolutions that are counted position by position."""

import pytest

from ccsolve.bonds import ranks_of
from ccsolve.errors import MissingStatistics
from ccsolve.factors import Factor
from ccsolve.recipes.chains import Chainable, Run, chainables
from ccsolve.recipes.trains import stages_of
from ccsolve.statistics import Statistics
from ccsolve.statistics.generate import random_chain


def stages(factor: Factor, shape: tuple[int, ...]):
    return stages_of(factor, shape, ranks_of(factor, shape, "layer")).shapes


def test_shapes_of_stages() -> None:
    shape = (8, 6, 3, 5)
    assert stages(Factor("svd", 4), shape) == [(4, 6, 3, 5), (8, 4, 1, 1)]
    spatial = Factor("svd", 4, split="spatial")
    assert stages(spatial, shape) == [(4, 6, 3, 1), (8, 4, 1, 5)]
    sides = [(2, 6, 1, 1), (4, 2, 3, 5), (8, 4, 1, 1)]
    assert stages(Factor("tucker", (4, 2)), shape) == sides
    assert stages(Factor("tt", (4, 2)), shape) == sides
    axes = Factor("tt", (4, 3, 2), modes=(8, 3, 5, 6))
    assert stages(axes, shape) == [
        (2, 6, 1, 1), (3, 2, 1, 5), (4, 3, 3, 1), (8, 4, 1, 1)
    ]  # fmt: skip


def test_stages_that_save_nothing_are_merged() -> None:
    assert stages(Factor("tucker", (8, 6)), (8, 6, 3)) == [(8, 6, 3)]
    assert stages(Factor("tucker", (8, 2)), (8, 6, 3)) == [(2, 6, 1), (8, 2, 3)]
    assert stages(Factor("tucker", (2, 6)), (8, 6, 3)) == [(2, 6, 3), (8, 2, 1)]
    assert stages(Factor("tt", 3), (8, 6, 1)) == [(3, 6, 1), (8, 3, 1)]


def test_positions_stand_where_strides_do() -> None:
    run = Run((9, 8), (5, 4), 1)
    layer = Chainable((8, 6, 3, 3), 1, False, (run,))
    assert layer.dense() == {"macs": 20 * 432, "params": 432}
    # Read by the first stage as it is, by the others after the stride.
    sides = [(2, 6, 1, 1), (4, 2, 3, 3), (8, 4, 1, 1)]
    assert layer.cost(sides)["macs"] == 72 * 12 + 20 * 72 + 20 * 32
    # The vertical convolution has the stride of its axis alone.
    halves = [(4, 6, 3, 1), (8, 4, 1, 3)]
    assert layer.cost(halves)["macs"] == 5 * 8 * 72 + 20 * 96
    # A pointwise convolution strides at once.
    point = Chainable((8, 6, 1, 1), 1, False, (run,))
    assert point.cost([(2, 6, 1, 1), (8, 2, 1, 1)])["macs"] == 20 * (12 + 16)


def test_transposed_grouped_and_repeated() -> None:
    run = Run((4,), (8,), 1)
    sides = [(2, 6, 1), (4, 2, 3), (8, 4, 1)]
    layer = Chainable((8, 6, 3), 1, True, (run,))
    # Transposed convolutions multiply where they read; what follows, where they made.
    assert layer.cost(sides)["macs"] == 4 * 12 + 4 * 24 + 8 * 32
    twice = Chainable((8, 6, 3), 5, True, (run, run))
    assert twice.cost(sides) == {"macs": 10 * (48 + 96 + 256), "params": 5 * 68}
    tokens = Chainable((8, 6), 1, False, (Run((), (), 7.5),))
    assert tokens.dense() == {"macs": 360, "params": 48}


def test_layers_of_plain_statistics() -> None:
    stats = random_chain((6, 8, 5))
    found = chainables(stats)
    assert list(found) == list(stats.layers)
    total = stats.cost()
    assert sum(item.dense()["macs"] for item in found.values()) == total.macs
    assert not found["conv1"].strides and found["classifier"].strides
    bare = Statistics(stats.groups, operations=stats.operations)
    with pytest.raises(MissingStatistics, match="none can be a chain"):
        chainables(bare)


def test_maps_of_channels_as_trains() -> None:
    shape, modes = (16, 16, 3, 3), (4, 4, 9, 4, 4)
    factor = Factor("tt", (2, 5, 5, 2), modes=modes)
    made = stages_of(factor, shape, (2, 5, 5, 2))
    assert made.shapes == [(5, 16, 1, 1), (5, 5, 3, 3), (16, 5, 1, 1)]
    # Cores (5, 4, 2), (2, 4, 1) and (1, 4, 2), (2, 4, 5).
    assert made.held == [48, 225, 48]
    # Last core first: 4 of the modes of inputs go along, then 4 of those of outputs.
    assert made.work == [4 * 8 + 40, 225, 40 + 4 * 8]
    assert stages_of(factor, shape, (2, 5, 5, 2), groups=2).trains == {}
    layer = Chainable(shape, 1, False, (Run((8, 8), (8, 8), 1),))
    assert layer.as_factored(factor) == {"macs": 64 * 369, "params": 321}


def test_trains_that_save_nothing_are_multiplied_out() -> None:
    shape, modes = (16, 16, 3, 3), (4, 4, 9, 4, 4)
    full = Factor("tt", 1.0, modes=modes)
    assert stages_of(full, shape, (4, 16, 16, 4)).shapes == [shape]
    one = Factor("tt", (4, 5, 16, 4), modes=modes)
    made = stages_of(one, shape, (4, 5, 16, 4))
    assert made.shapes == [(5, 16, 3, 3), (16, 5, 1, 1)] and not made.trains
    half = Factor("tt", (1, 5, 16, 4), modes=modes)
    made = stages_of(half, shape, (1, 4, 16, 4))
    assert made.shapes == [(4, 16, 3, 3), (16, 4, 1, 1)] and list(made.trains) == [1]
