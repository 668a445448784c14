import itertools
import math

import numpy as np
import pytest

from ccsolve.kernels.allocation_core import core_of, lattice
from ccsolve.kernels.allocation_lists import (
    BEST,
    DONE,
    DROPPED,
    MORE,
    TARGET,
    Search,
    advance,
    ceil_to_step,
    choice,
    floor_to_step,
)
from ccsolve.kernels.allocation_states import Block, merged, relaxation, thinned


def a_core(seed, n=6):
    rng = np.random.default_rng(seed)
    layer, cost, loss = [], [], []
    for at in range(n):
        x = rng.integers(-9, 10, 4)
        y = rng.integers(0, 6, 4) - x
        points = sorted({(0, 0), *zip(x.tolist(), y.tolist(), strict=True)})
        layer += [at] * len(points)
        cost += [c for c, _ in points]
        loss += [v for _, v in points]
    cost, loss = np.array(cost, dtype=float), np.array(loss, dtype=float)
    return core_of(np.array(layer), cost, loss, loss + cost)[0]


def block(size):
    return Block(
        cost=np.empty(size),
        loss=np.empty(size),
        bound=np.empty(size),
        parent=np.empty(size, np.int32),
        option=np.empty(size, np.int32),
    )


def a_search(core, room, target, width, use_lattice=False):
    n = len(core.start) - 1
    tilt, step = lattice(core) if use_lattice else (0.0, 1.0)
    return Search(
        cost=np.zeros((2, width)),
        loss=np.zeros((2, width)),
        size=np.ones(2, dtype=np.int64),
        side=np.empty(n, dtype=np.int64),
        begin=np.empty(n, dtype=np.int64),
        owner=np.full(n, -1),
        parent=np.empty(n * width, dtype=np.int32),
        option=np.empty(n * width, dtype=np.int32),
        one=block(3 * width),
        two=block(3 * width),
        fresh=block(width),
        numbers=np.array([target, np.inf, np.inf, room, 1e-9, tilt, step, 0.0]),
        counts=np.array([0, 0, 0, 0, 0, -1, 0, 0]),
    )


def plain_best(core, room):
    layers = [range(a, b) for a, b in itertools.pairwise(core.start.tolist())]
    values = [
        core.loss[list(x)].sum()
        for x in itertools.product(*layers)
        if core.cost[list(x)].sum() <= room
    ]
    return min(values, default=math.inf)


@pytest.mark.parametrize("work", [0, 1000])
@pytest.mark.parametrize("use_lattice", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_a_wide_search_finds_the_best_point(seed, use_lattice, work):
    core, room = a_core(seed), float(seed)
    search = a_search(core, room, 1000.0, 5000, use_lattice)
    while advance(core, search, work) == MORE:
        pass
    best = plain_best(core, room)
    assert search.numbers[BEST] == best and search.numbers[DROPPED] == np.inf
    assert search.numbers[TARGET] == best - 1
    taken = np.full(len(search.side), -1)
    choice(search, taken)
    moved = taken[taken >= 0]
    assert core.loss[moved].sum() == best and core.cost[moved].sum() <= room


@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_below_the_best_but_what_was_dropped(seed):
    core, room = a_core(seed, 7), 2.0
    search = a_search(core, room, 1000.0, 3)
    while advance(core, search, 10) == MORE:
        pass
    numbers = search.numbers
    proven = min(numbers[BEST], ceil_to_step(numbers, numbers[DROPPED]))
    assert proven <= plain_best(core, room) <= numbers[BEST]


def test_a_target_below_the_best_ends_without_a_point():
    core = a_core(1)
    best = plain_best(core, 0.0)
    search = a_search(core, 0.0, best - 1, 5000)
    assert advance(core, search, 10**9) == DONE
    assert search.numbers[BEST] == np.inf and search.numbers[DROPPED] == np.inf


def test_steps_round_losses_towards_the_safe_side():
    numbers = np.array([0.0, 0.0, 0.0, 7.0, 1e-9, 1.0, 10.0, 0.0])
    for loss in range(-30, 30):
        allowed = floor_to_step(numbers, float(loss))
        assert allowed <= loss and (allowed + 7) % 10 == 0 and loss - allowed < 10
        least = ceil_to_step(numbers, float(loss))
        assert least >= loss - 1e-6 and (least + 7) % 10 == 0


@pytest.mark.parametrize("seed", range(4))
def test_the_relaxation_of_the_other_layers(seed):
    core = a_core(seed)
    owner = np.array([0, 1, 0, -1, -1, -1])[: len(core.start) - 1]
    knots = np.empty(len(core.up_cost) + len(core.down_cost) + 1)
    values = np.empty(len(knots))
    count = relaxation(core, owner, 0, -1e9, 1e9, knots, values)
    knots, values = knots[:count], values[:count]
    assert (np.diff(knots) > 0).all() and values[np.searchsorted(knots, 0.0)] == 0
    assert (np.diff(np.diff(values) / np.diff(knots)) >= -1e-12).all()
    others = [k for k in range(len(owner)) if owner[k] != 0]
    layers = [range(core.start[k], core.start[k + 1]) for k in others]
    for x in itertools.product(*layers):
        cost, loss = core.cost[list(x)].sum(), core.loss[list(x)].sum()
        assert loss >= np.interp(cost, knots, values) - 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_merging_keeps_what_is_not_dominated(seed):
    rng = np.random.default_rng(seed)
    blocks, points = [], []
    for _ in range(2):
        part, size = block(20), 0
        for c, v in sorted(rng.integers(0, 12, (9, 2)).tolist()):
            if not size or v < part.loss[size - 1]:
                part.cost[size], part.loss[size], size = c, v, size + 1
                points.append((c, v))
        blocks.append((part, size))
    out = block(40)
    (one, n), (two, m) = blocks
    count = merged(one, n, two, m, out)
    found = list(zip(out.cost[:count], out.loss[:count], strict=True))
    assert found == sorted(
        p
        for p in set(points)
        if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in points)
    )


def test_thinning_keeps_the_best_and_spreads_over_ties():
    part = block(10)
    part.cost[:] = np.arange(10)
    part.bound[:] = [5, 1, 5, 5, 5, 9, 5, 5, 5, 0]
    assert thinned(part, 10, 5, 5.0) == 5
    assert part.bound[:5].tolist() == [1, 5, 5, 5, 0]
    kept = part.cost[1:4].tolist()
    assert kept[0] >= 2 and kept[2] >= 6 and len(set(kept)) == 3
