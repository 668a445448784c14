"""Kernels over a whole network against what the problem itself computes."""

import itertools
from typing import Any

import numpy as np
import pytest

from ccsolve import NetworkSelection
from ccsolve.kernels.network_boxes import Costs, descend_factor, descend_matrix
from ccsolve.kernels.network_curves import (
    box_minima,
    least_by_count,
    search_by_count,
)
from ccsolve.kernels.network_exchange import costs_of, exchange
from ccsolve.kernels.network_moves import look, make_step, make_swap, step_fits
from ccsolve.kernels.network_search import FOREVER
from ccsolve.kernels.network_state import VALUE, price_change
from ccsolve.problems.generate_network import FAMILIES, chain
from ccsolve.problems.network_points import chosen
from ccsolve.solvers.network.searching import layout
from ccsolve.solvers.network.searching.engine import Engine, engine_of


def at(engine: Engine) -> np.ndarray:
    z = np.zeros(engine.problem.n, dtype=bool)
    z[engine.order] = engine.walk.sign < 0
    return z


def check(engine: Engine) -> None:
    """The running value, changes, widths and costs are those of the point."""
    problem, walk, z = engine.problem, engine.walk, at(engine)
    value = problem.objective(z)
    assert walk.totals[VALUE] + problem.constant == pytest.approx(value, abs=1e-9)
    for place, i in enumerate(engine.order):
        other = z.copy()
        other[i] = not z[i]
        change = problem.objective(other) - value
        assert walk.change[place] == pytest.approx(change, abs=1e-9)
    assert walk.width.tolist() == problem.widths_of(z).tolist()
    np.testing.assert_allclose(walk.spent, problem.spent(z), rtol=1e-12)


def with_factor(seed: int) -> NetworkSelection:
    made = chain([3, 4, 3], seed)
    factor = np.random.default_rng(seed).standard_normal((2, 10))
    parts: dict[str, Any] = {"factor": factor, "diagonal": np.ones(10)}
    return NetworkSelection(**(made.parts() | parts))


MAKERS: dict[str, Any] = {**FAMILIES, "factor": with_factor}


@pytest.mark.parametrize("family", MAKERS)
@pytest.mark.parametrize("formed", [True, False])
def test_moves_keep_values_and_costs(
    family: str, formed: bool, monkeypatch: pytest.MonkeyPatch
):
    if not formed:
        monkeypatch.setattr(layout, "FORMED_LIMIT", 0)
    engine = engine_of(MAKERS[family](0), seed=0)
    rng = np.random.default_rng(0)
    check(engine)
    for _ in range(100):
        look(engine.net, engine.walk, engine.moves, FOREVER, True, True)
        g = int(rng.integers(engine.problem.count))
        kind = int(rng.integers(3))
        moves = engine.moves
        if kind == 0 and moves.swap[g] < 1e299:
            made = (engine.net, engine.walk, moves, moves.out[g], moves.into[g], g)
            expected = moves.swap[g] + engine.walk.totals[VALUE]
            make_swap(*made)
        elif kind == 1 and moves.down[g] < 1e299:
            expected = moves.down[g] + engine.walk.totals[VALUE]
            make_step(engine.net, engine.walk, moves, g, -1)
        elif kind == 2 and moves.up[g] < 1e299:
            expected = moves.up[g] + engine.walk.totals[VALUE]
            make_step(engine.net, engine.walk, moves, g, 1)
        else:
            continue
        assert engine.walk.totals[VALUE] == pytest.approx(expected, abs=1e-9)
    check(engine)


@pytest.mark.parametrize("family", MAKERS)
@pytest.mark.parametrize("formed", [True, False])
def test_exchanges_keep_values_costs_and_fixings(
    family: str, formed: bool, monkeypatch: pytest.MonkeyPatch
):
    if not formed:
        monkeypatch.setattr(layout, "FORMED_LIMIT", 0)
    problem = MAKERS[family](0)
    engine, allowed = engine_of(problem, seed=0), problem.widths
    prices = np.full(len(problem.budgets), 0.1)
    for _ in range(40):
        exchange(engine.net, engine.walk, prices, 3, 2, 10**6, 2, engine.state)
        check(engine)
        z = at(engine)
        assert problem.violation(z) == 0
        k = problem.widths_of(z)
        assert all(width in ladder for width, ladder in zip(k, allowed, strict=True))


def test_exchanges_end_where_nothing_may_move():
    changes = {"fixed": [1, 1, 0, 1, 1, 0], "budgets": ()}
    held = NetworkSelection(**(chain([3, 3], 0).parts() | changes))
    engine = engine_of(held, seed=0)
    rest = (2, 2, 5, 100, engine.state)
    assert exchange(engine.net, engine.walk, np.zeros(0), *rest)
    assert at(engine).tolist() == [True, True, False, True, True, False]


@pytest.mark.parametrize("family", MAKERS)
@pytest.mark.parametrize("direction", [-1, 1])
def test_costs_of_all_steps_are_those_of_the_widths(family: str, direction: int):
    problem = MAKERS[family](1)
    engine = engine_of(problem, seed=0)
    places = [len(ladder) // 2 for ladder in problem.widths]
    widths = [int(w[p]) for w, p in zip(problem.widths, places, strict=True)]
    engine.start(chosen(problem, np.array(widths), np.zeros(problem.n)))
    rises = np.zeros((len(problem.budgets), problem.count))
    costs_of(engine.net, engine.walk, direction, rises)
    for g, (ladder, place) in enumerate(zip(problem.widths, places, strict=True)):
        after = list(widths)
        if 0 <= place + direction < len(ladder):
            after[g] = int(ladder[place + direction])
        expected = problem.spent_at(after) - problem.spent_at(widths)
        np.testing.assert_allclose(
            rises[:, g], expected, atol=1e-9 * problem.limits.max()
        )


def test_large_factors_are_laid_out_in_single_precision(
    monkeypatch: pytest.MonkeyPatch,
):
    problem = with_factor(0)
    double = engine_of(problem, 0).net.rows.values
    monkeypatch.setattr(layout, "SINGLE", 0)
    single = engine_of(problem, 0).net.rows.values
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, double, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("family", MAKERS)
def test_costs_of_steps_are_those_of_the_widths(family: str):
    problem = MAKERS[family](1)
    engine, rng = engine_of(problem, seed=0), np.random.default_rng(1)
    rise = np.zeros(len(problem.budgets))
    for _ in range(20):
        widths = np.array([rng.choice(ladder) for ladder in problem.widths])
        z = np.zeros(problem.n, dtype=bool)
        for own, width in zip(problem.members, widths, strict=True):
            z[own[:width]] = True
        engine.start(z)
        g, h = rng.permutation(problem.count)[:2]
        by, with_h = rng.integers(-widths[g], 2), rng.integers(-widths[h], 2)
        price_change(engine.net, engine.walk, g, by, h, with_h, rise)
        after = widths.copy()
        after[g], after[h] = after[g] + by, after[h] + with_h
        expected = problem.spent_at(after) - problem.spent_at(widths)
        np.testing.assert_allclose(rise, expected, atol=1e-9 * problem.limits.max())


def test_fitting_steps_are_remembered_until_widths_change():
    engine = engine_of(chain([4, 5, 4], 0), seed=0)
    engine.start(np.zeros(13, dtype=bool))
    scratch = np.zeros(2)
    look(engine.net, engine.walk, engine.moves, FOREVER, False, False)
    assert step_fits(engine.net, engine.walk, engine.moves, -1, 0, scratch)
    assert engine.moves.fitting[3, 0] == 1
    make_step(engine.net, engine.walk, engine.moves, 0, 1)
    assert (engine.moves.fitting == -1).all()


def quadratic(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, n)) + 1.0
    return rows.T @ rows, -rng.random(n) * n


@pytest.mark.parametrize("seed", range(3))
def test_least_by_count_looks_at_every_point(seed: int):
    Q, q = quadratic(7, seed)
    least, best = np.empty(8), np.zeros((8, 7), dtype=bool)
    least_by_count(Q, q, least, best)
    for count in range(8):
        values = []
        for kept in itertools.combinations(range(7), count):
            z = np.isin(np.arange(7), kept)
            values.append(z @ Q @ z + q @ z)
        assert least[count] == pytest.approx(min(values), abs=1e-9)
        z = best[count]
        assert z.sum() == count
        assert z @ Q @ z + q @ z == pytest.approx(least[count], abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_searches_by_count_find_what_there_is(seed: int):
    Q, q = quadratic(9, seed)
    least, best = np.full(10, np.inf), np.zeros((10, 9), dtype=bool)
    state = np.array([1], dtype=np.uint64)
    search_by_count(Q, q, least, best, 1e-12, 30, 3, state)
    exact, _ = np.empty(10), least_by_count(Q, q, np.empty(10), best.copy())
    least_by_count(Q, q, exact, best.copy())
    np.testing.assert_allclose(least, exact, atol=1e-9)
    for count, z in enumerate(best):
        assert z.sum() == count
        assert z @ Q @ z + q @ z == pytest.approx(least[count], abs=1e-9)


def test_box_minima_are_stationary():
    Q, q = quadratic(8, 0)
    totals = np.array([2.0, 5.0])
    Z = np.full((2, 8), 0.5)
    step = 0.5 / np.linalg.eigvalsh(Q).max()
    box_minima(Q, q, step, totals, Z, 4000)
    for z, total in zip(Z, totals, strict=True):
        assert z.sum() == pytest.approx(total, abs=1e-8)
        assert z.min() >= 0 and z.max() <= 1
        slope = 2.0 * Q @ z + q
        free = (z > 1e-6) & (z < 1 - 1e-6)
        level = slope[free].mean() if free.any() else np.median(slope)
        np.testing.assert_allclose(slope[free], level, rtol=1e-3)
        assert (slope[z < 1e-6] >= level - 1e-2 * abs(level)).all()
        assert (slope[z > 1 - 1e-6] <= level + 1e-2 * abs(level)).all()


def costs_at(y: np.ndarray, rng: np.random.Generator) -> Costs:
    """Two budgets of products at a point of three groups; the second has room."""
    groups, square = np.array([0, 0, 0, 1, 1, 1, 2, 2]), rng.random((2, 3, 3))
    square += square.transpose(0, 2, 1)
    square[1] *= 1e-3
    k = np.bincount(groups, weights=y)
    price, steep = np.array([5.0, 1.0]), np.array([3.0, 10.0])
    off = square @ k @ k - 0.5
    return Costs(groups, square, 2.0 * square @ k, off, price, steep)


@pytest.mark.parametrize("kind", ["matrix", "factor"])
def test_coordinates_descend_to_stationary_points_of_the_box(kind: str):
    rng = np.random.default_rng(0)
    rows, linear = rng.standard_normal((8, 12)) + 0.5, -rng.random(8) * 20
    M, free, y = rows @ rows.T, np.ones(8, dtype=bool), np.full(8, 0.5)
    free[2] = False
    costs = costs_at(y, rng)
    if kind == "matrix":
        descend_matrix(M, 0.1, linear, free, y, M @ y + 0.1 * y, costs, 3000, 0.0)
        slope = 2.0 * (M @ y + 0.1 * y) + linear
    else:
        squares = np.square(rows).sum(axis=1)
        descend_factor(rows, squares, linear, free, y, rows.T @ y, costs, 3000, 0.0)
        slope = 2.0 * (M @ y) + linear
    k = np.bincount(costs.groups, weights=y)
    np.testing.assert_allclose(costs.off, costs.square @ k @ k - 0.5, atol=1e-9)
    np.testing.assert_allclose(costs.rates, 2.0 * costs.square @ k, atol=1e-9)
    paid = np.maximum(costs.price + costs.steep * costs.off, 0.0)
    assert (paid > 0.0).tolist() == [True, False]
    slope += (paid @ costs.rates)[costs.groups]
    assert y[2] == 0.5
    assert y.min() >= 0
    assert y.max() <= 1
    for at, g in zip(y[free], slope[free], strict=True):
        assert abs(g) < 1e-6 or (g > 0 and at == 0) or (g < 0 and at == 1)
