"""Prices, cuts and bounds against definitions, linear programs and exact sums."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import scipy.optimize

from ccsolve.kernels.knapsack_dual import Climb, climb
from ccsolve.kernels.knapsack_master import Proposals, best_prices
from ccsolve.kernels.knapsack_pricing import Priced, price, survivors
from ccsolve.kernels.knapsack_tables import column_maxima, possible_options, turned


def drawn(seed: int, budgets: int = 3) -> Priced:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 7, 9)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    losses = rng.standard_normal(offsets[-1])
    costs = rng.random((budgets, offsets[-1]))
    weight = np.maximum.reduceat(np.abs(losses), offsets[:-1]).sum()
    return Priced(losses, costs, offsets, 4.0 * rng.random(budgets), float(weight))


def priced(table: Priced, prices: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    choice, spent = np.zeros(len(table.offsets) - 1, np.int64), np.zeros(len(prices))
    bound = price(table, prices, choice, spent, np.zeros(len(choice)))
    return bound, choice, spent


def exact_dual(table: Priced, prices: np.ndarray) -> Fraction:
    λ = [Fraction(value) for value in prices.tolist()]
    total = -sum(
        (a * Fraction(b) for a, b in zip(λ, table.limits.tolist(), strict=True)),
        Fraction(0),
    )
    for first, last in itertools.pairwise(table.offsets):
        total += min(
            Fraction(float(table.losses[j]))
            + sum(
                (
                    a * Fraction(float(c))
                    for a, c in zip(λ, table.costs[:, j], strict=True)
                ),
                Fraction(0),
            )
            for j in range(first, last)
        )
    return total


@pytest.mark.parametrize("seed", range(20))
def test_the_bound_is_just_below_the_exact_value(seed: int):
    table = drawn(seed)
    prices = np.random.default_rng(seed).random(3) * 10.0 ** (seed % 7 - 3)
    prices[seed % 3] = 0.0
    bound, choice, spent = priced(table, prices)
    value = exact_dual(table, prices)
    assert Fraction(bound) <= value
    assert float(value) - bound <= 1e-13 * (table.weight + prices @ table.limits)
    values = table.losses + prices @ table.costs
    for layer, at in enumerate(choice):
        own = slice(*table.offsets[layer : layer + 2])
        assert values[at] == pytest.approx(values[own].min(), rel=1e-12)
    np.testing.assert_allclose(spent, table.costs[:, choice].sum(axis=1), rtol=1e-12)


def test_survivors_are_the_options_of_small_reduced_cost():
    table, prices = drawn(1), np.array([0.5, 0.0, 2.0])
    values = table.losses + prices @ table.costs
    least = np.minimum.reduceat(values, table.offsets[:-1])
    kept = np.empty(len(values), dtype=np.int64)
    count = survivors(table, prices, least, 0.4, kept)
    reduced = values - np.repeat(least, np.diff(table.offsets))
    assert kept[:count].tolist() == np.flatnonzero(reduced <= 0.4).tolist()


def proposals(losses: np.ndarray, excess: np.ndarray) -> Proposals:
    count = len(losses)
    choices = np.zeros((count, 1), dtype=np.int64)
    return Proposals(losses, excess, choices, np.zeros(count))


@pytest.mark.parametrize("budgets", [1, 2, 3, 4])
def test_the_master_agrees_with_a_linear_program(budgets: int):
    rng = np.random.default_rng(budgets)
    for _ in range(60):
        count = int(rng.integers(1, 25))
        losses = 10.0 * rng.random(count)
        excess = rng.standard_normal((count, budgets)) + rng.choice([-0.5, 0.0, 0.5])
        ceiling, prices = 30.0, np.zeros(budgets)
        found = proposals(losses, excess)
        theta = best_prices(found, count, ceiling, prices)
        cuts = np.column_stack([-excess, np.ones(count)])
        free = [(0.0, None)] * budgets + [(None, ceiling)]
        objective = np.concatenate([np.zeros(budgets), [-1.0]])
        best = scipy.optimize.linprog(objective, cuts, losses, bounds=free)
        assert theta == pytest.approx(-best.fun, abs=1e-5)
        assert (losses + excess @ prices).min() >= min(theta, ceiling) - 1e-5
        assert found.weights.sum() <= 1 + 1e-9
        assert (found.weights @ excess <= 1e-6).all()


@pytest.mark.parametrize("seed", range(10))
def test_the_climb_ends_at_the_relaxations_value(seed: int):
    table = drawn(seed, 1 + seed % 4)
    layers, budgets = len(table.offsets) - 1, len(table.limits)
    ceiling = table.weight + 1.0
    state = Climb(
        prices=np.zeros(budgets),
        best=np.zeros(budgets),
        choice=np.zeros(layers, np.int64),
        least=np.zeros(layers),
        spent=np.zeros(budgets),
        figures=np.array([-np.inf, np.inf]),
        held=np.zeros(1, np.int64),
        ceiling=ceiling,
    )
    store = Proposals(
        np.zeros(400),
        np.zeros((400, budgets)),
        np.zeros((400, layers), np.int64),
        np.zeros(400),
    )
    passes = 0
    while not climb(table, store, state, 1, 1e-9):
        passes += 1
    one_each = np.repeat(np.eye(layers), np.diff(table.offsets), axis=1)
    relaxed = scipy.optimize.linprog(
        table.losses, table.costs, table.limits, one_each, np.ones(layers)
    )
    if relaxed.status == 2:
        assert state.figures[0] > table.weight
    else:
        assert state.figures[0] == pytest.approx(relaxed.fun, abs=1e-6)
    assert passes < 200


def test_possible_options_by_definition():
    rng = np.random.default_rng(0)
    for seed in range(30):
        table = drawn(seed, 2)
        costs, starts = np.ascontiguousarray(table.costs.T), table.offsets[:-1]
        limits = rng.random(2) * 5.0
        kept = np.zeros(len(costs), dtype=np.bool_)
        empty = possible_options(costs, table.offsets, limits, kept)
        least = np.minimum.reduceat(costs, starts)
        others = np.repeat(least.sum(axis=0) - least, np.diff(table.offsets), axis=0)
        wanted = (costs + others <= limits).all(axis=1)
        assert (kept == wanted).all()
        counts = np.add.reduceat(wanted.astype(int), starts)
        without = np.flatnonzero(counts == 0)
        assert empty == (without[0] if len(without) else -1)


def test_costs_are_turned_and_scaled():
    costs = np.random.default_rng(0).random((6, 3))
    options, units = np.array([0, 2, 5]), np.array([1.0, 2.0, 4.0])
    out, maxima = np.zeros((3, 3)), np.zeros(3)
    turned(costs, options, units, out)
    column_maxima(costs, options, maxima)
    assert (out == (costs[options] * units).T).all()
    assert (maxima == costs[options].max(axis=0)).all()
