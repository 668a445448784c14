import math

import numpy as np
import pytest

from ccsolve.kernels.allocation_core import common_divisor, core_of, lattice


def layers(seed, slope=-1.0):
    """Options of 4 layers, whole, sorted, with a base at (0, 0) on the lower hull."""
    rng = np.random.default_rng(seed)
    layer, cost, loss = [], [], []
    for at in range(4):
        x = rng.integers(-9, 10, 6)
        y = np.ceil(slope * x + rng.integers(0, 8, 6))
        points = sorted({(0.0, 0.0), *zip(x.tolist(), y.tolist(), strict=True)})
        layer += [at] * len(points)
        cost += [c for c, _ in points]
        loss += [v for _, v in points]
    layer, cost, loss = np.array(layer), np.array(cost, float), np.array(loss, float)
    return layer, cost, loss, loss - slope * cost


@pytest.mark.parametrize("seed", range(6))
def test_what_stays_is_undominated(seed):
    layer, cost, loss, above = layers(seed)
    core, error = core_of(layer, cost, loss, above)
    assert error == 0
    kept = set(core.place.tolist())
    for j in range(len(cost)):
        rivals = (layer == layer[j]) & (cost <= cost[j]) & (loss <= loss[j])
        rivals &= (cost < cost[j]) | (loss < loss[j])
        stays = not rivals.any()
        alone = not any(i in kept for i in np.flatnonzero(layer == layer[j]).tolist())
        base = cost[j] == loss[j] == 0
        assert (j in kept) == ((stays or base) and not alone)
    assert np.array_equal(core.cost, cost[core.place])
    assert np.array_equal(core.loss, loss[core.place])


@pytest.mark.parametrize("seed", range(6))
def test_edges_are_the_hull_on_both_sides_of_the_base(seed):
    core, _ = core_of(*layers(seed))
    assert (np.diff(core.up_saving / core.up_cost) <= 0).all()
    assert (np.diff(core.down_loss / core.down_cost) >= 0).all()
    for k in range(len(core.start) - 1):
        own = slice(core.start[k], core.start[k + 1])
        up = core.up_layer == k
        x = np.concatenate([[0], np.cumsum(core.up_cost[up])])
        y = np.concatenate([[0], -np.cumsum(core.up_saving[up])])
        right = core.cost[own] >= 0
        hull = np.interp(core.cost[own][right], x, y)
        assert (core.loss[own][right] >= hull - 1e-9).all()
        down = core.down_layer == k
        x = np.concatenate([[0], np.cumsum(core.down_cost[down])])
        y = np.concatenate([[0], np.cumsum(core.down_loss[down])])
        left = core.cost[own] <= 0
        hull = np.interp(-core.cost[own][left], x, y)
        assert (core.loss[own][left] >= hull - 1e-9).all()


def test_a_base_above_the_hull_is_told():
    layer, above = np.zeros(3, dtype=np.int64), np.zeros(3)
    cost, loss = np.array([-2.0, 0.0, 2.0]), np.array([1.0, 0.0, -4.0])
    _, error = core_of(layer, cost, loss, above)
    # The chord of the two others passes 1.5 below the base.
    assert error >= 1.5


@pytest.mark.parametrize("values", [[4, 6, -8], [0, 0], [5], [3, 7], [2**50, 2**40]])
def test_common_divisors(values):
    found = common_divisor(np.array(values, dtype=float))
    assert found == max(1, math.gcd(*values))


def test_the_lattice_of_sums_of_weights_and_counts():
    rng = np.random.default_rng(0)
    layer = np.repeat(np.arange(5), 9)
    cost = np.concatenate([np.cumsum(rng.integers(1, 99, 9)) for _ in range(5)])
    loss = -(cost + 10.0 * np.tile(np.arange(1, 10), 5))
    base = np.repeat(cost[4::9], 9), np.repeat(loss[4::9], 9)
    cost, loss = (cost - base[0]).astype(float), loss - base[1]
    core, _ = core_of(layer, cost, loss, np.zeros(45))
    tilt, step = lattice(core)
    assert (tilt, step) == (1.0, 10.0)
    assert not np.remainder(core.loss + tilt * core.cost, step).any()
