from dataclasses import replace

import numpy as np

from ccsolve.solvers.allocation.pairing.improvement import improver_of


def fits(program, x):
    return bool((program.at(x)[1] <= program.limits).all())


def test_improved_points_fit_and_no_single_move_gains(cyclic_program, points_of):
    improver, rng = improver_of(cyclic_program, 1e-12), np.random.default_rng(0)
    prices = np.full(len(cyclic_program.limits), 0.5)
    for start in rng.permutation(points_of(cyclic_program))[:20]:
        x = improver.improved(start, prices)
        assert x is not None and fits(cyclic_program, x)
        for layer, size in enumerate(cyclic_program.sizes):
            for option in range(size):
                near = np.where(np.arange(5) == layer, option, x)
                if fits(cyclic_program, near):
                    gain = cyclic_program.at(near)[0] - cyclic_program.at(x)[0]
                    assert gain >= -1e-11


def test_kicked_points_fit(cyclic_program, points_of):
    improver, rng = improver_of(cyclic_program, 1e-12), np.random.default_rng(0)
    prices = np.full(len(cyclic_program.limits), 0.5)
    x = improver.improved(points_of(cyclic_program)[0], prices)
    assert x is not None
    for _ in range(10):
        other = improver.kicked(x, prices, rng)
        assert other is not None and fits(cyclic_program, other)


def test_settled_points_have_a_lagrangian_that_no_move_lowers(cyclic_program):
    improver = improver_of(cyclic_program, 1e-12)
    prices = np.full(len(cyclic_program.limits), 0.7)

    def value(x):
        loss, spent = cyclic_program.at(x)
        return loss + prices @ spent

    x = improver.settled(np.zeros(5, dtype=np.int64), prices)
    for layer, size in enumerate(cyclic_program.sizes):
        for option in range(size):
            near = np.where(np.arange(5) == layer, option, x)
            assert value(near) >= value(x) - 1e-10


def test_budgets_that_nothing_keeps_are_given_up(tree_program):
    nothing = np.zeros_like(tree_program.limits)
    improver = improver_of(replace(tree_program, limits=nothing), 1e-12)
    assert improver.improved(np.zeros(5, dtype=np.int64), nothing + 1.0) is None
