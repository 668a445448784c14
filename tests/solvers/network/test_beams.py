"""Beams: integer least squares by K-best, and what they make of a network."""

import itertools
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from ccsolve import NetworkSelection, WidthBudget, solve, testing
from ccsolve.kernels.integer_squares import drop_childless, order_by_variance
from ccsolve.problems.generate_network import chain
from ccsolve.problems.network_points import random_point
from ccsolve.problems.network_relaxed import relaxed_widths, slopes_at
from ccsolve.solvers.network import search_and_bound
from ccsolve.solvers.network.searching.beams import Beams, Guide, _decided
from ccsolve.solvers.network.searching.engine import Engine, engine_of
from ccsolve.solvers.network.searching.k_best import WIDTH, k_best
from ccsolve.solvers.network.searching.pool import Pool
from ccsolve.solvers.network.searching.priced import SLACK, Priced


def ended(steps: Generator[Any, None, Any]) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as over:
            return over.value


def triangle(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((2 * n, n)) @ rng.standard_normal((n, n))
    return np.linalg.cholesky(rows.T @ rows).T, rng.uniform(-0.3, 1.3, n)


def costs_of(R: np.ndarray, target: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.square((points - target) @ R.T).sum(axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_all_points_are_found_where_all_are_kept(seed: int):
    R, target = triangle(9, seed)
    every = np.array(list(itertools.product([0, 1], repeat=9)))
    found, costs = ended(k_best(R, target, 512))
    assert len({point.tobytes() for point in found}) == 512
    np.testing.assert_allclose(costs, np.sort(costs_of(R, target, every)), rtol=1e-9)


@pytest.mark.parametrize("spread", [0.0, 6.0])
def test_of_many_points_the_cheapest_are_kept_and_hardly_fewer(spread: float):
    """Of twice as many at the last column; where that is steep, costs are uneven."""
    R, target = triangle(13, 4)
    R[0, 0] *= 10.0**spread
    every = np.array(list(itertools.product([0, 1], repeat=13)))
    found, costs = ended(k_best(R, target, 4096))
    assert 4096 - 4096 // 512 <= len(found) <= 4096
    least = np.sort(costs_of(R, target, every))[: len(found)]
    np.testing.assert_allclose(costs, least, rtol=1e-9)


@pytest.mark.parametrize("kept", [1, 7, 64])
@pytest.mark.parametrize("n", [1, WIDTH, 2 * WIDTH + 5])
def test_costs_are_those_of_the_points_and_rise(n: int, kept: int):
    R, target = triangle(n, kept)
    found, costs = ended(k_best(R, target, kept))
    assert len(found) == min(kept, 2**n)
    assert len({point.tobytes() for point in found}) == len(found)
    np.testing.assert_allclose(costs, costs_of(R, target, found), rtol=1e-8)
    assert (np.diff(costs) >= 0).all()


def test_one_kept_point_is_rounded_plane_by_plane():
    R, target = triangle(40, 5)
    y = np.zeros(40)
    for i in range(39, -1, -1):
        centre = target[i] - R[i, i + 1 :] @ (y[i + 1 :] - target[i + 1 :]) / R[i, i]
        y[i] = centre > 0.5
    (found,), _ = ended(k_best(R, target, 1))
    assert found.tolist() == y.astype(bool).tolist()


def plain_k_best(R: np.ndarray, target: np.ndarray, kept: int) -> np.ndarray:
    points = np.zeros((1, 0))
    for i in range(len(target) - 1, -1, -1):
        both = [np.insert(points, 0, bit, axis=1) for bit in (0.0, 1.0)]
        points = np.concatenate(both)
        costs = np.square((points - target[i:]) @ R[i:, i:].T).sum(axis=1)
        points = points[np.argsort(costs)[:kept]]
    return points


@pytest.mark.parametrize(("n", "kept"), [(5, 3), (16, 40), (40, 7), (70, 300)])
def test_the_tree_holds_what_plain_lists_hold(n: int, kept: int):
    R, target = triangle(n, n + kept)
    found, _ = ended(k_best(R, target, kept))
    plain = plain_k_best(R, target, kept)
    assert {tuple(y) for y in found} == {tuple(y > 0.5) for y in plain}


def test_ties_do_not_cost_cheaper_points():
    """All points of as many ones cost the same there: most are ties."""
    found, costs = ended(k_best(np.eye(40), np.full(40, 0.9), 500, 1))
    assert found.all() and costs[0] == pytest.approx(40 * 0.01)


@pytest.mark.parametrize("seed", range(8))
def test_a_point_that_costs_nothing_is_found_among_ties(seed: int):
    rng = np.random.default_rng(seed)
    R = np.triu(rng.integers(-2, 3, (30, 30))).astype(float)
    np.fill_diagonal(R, rng.choice([-2.0, -1.0, 1.0, 2.0], 30))
    y = rng.integers(0, 2, 30)
    (found,), costs = ended(k_best(R, 1.0 * y, 1 + seed, 1))
    assert costs[0] == 0.0 and found.tolist() == (y > 0).tolist()


@pytest.mark.parametrize("scale", [1e-160, 1e-154, 1e100, 1e150])
def test_points_are_found_at_any_scale(scale: float):
    R, target = triangle(40, 8)
    found, _ = ended(k_best(R, target, 30))
    other, _ = ended(k_best(scale * R, target, 30))
    assert len(other) == 30 and (scale < 1e-155 or (other[0] == found[0]).all())


@pytest.mark.parametrize("bad", [1e160, np.inf, np.nan])
def test_costs_that_overflow_keep_as_many_points(bad: float):
    """What the costs are then says nothing; memory must stay whole."""
    R, target = triangle(40, 8)
    R[7, 30] = bad
    found, _ = ended(k_best(R, target, 100))
    assert len(found) == 100 and len({point.tobytes() for point in found}) == 100


def test_nodes_without_leaves_are_dropped_and_paths_stay():
    parent = np.array([[0, 0, 0, 9], [0, 2, 2, 9], [1, 2, 9, 9]], dtype=np.int32)
    taken = np.array([[5, 6, 7, 9], [1, 2, 3, 9], [8, 4, 9, 9]], dtype=np.int32)
    counts = np.array([3, 3, 2])
    drop_childless(parent, taken, counts)
    assert counts.tolist() == [1, 2, 2]
    paths = []
    for leaf in range(2):
        up = parent[2, leaf]
        paths.append((taken[2, leaf], taken[1, up], taken[0, parent[1, up]]))
    assert paths == [(8, 2, 7), (4, 3, 7)]


@pytest.mark.parametrize("given", [1, 5, 1000])
def test_the_cheapest_are_given(given: int):
    R, target = triangle(30, 3)
    found, costs = ended(k_best(R, target, 50))
    few, least = ended(k_best(R, target, 50, given))
    assert len(few) == min(given, 50)
    np.testing.assert_array_equal(few, found[:given])
    np.testing.assert_array_equal(least, costs[:given])


def test_more_kept_points_are_seldom_worse():
    least = []
    for seed in range(12):
        R, target = triangle(48, seed)
        least.append([ended(k_best(R, target, kept))[1][0] for kept in (1, 16, 256)])
    one, some, many = np.array(least).T
    assert (some <= one + 1e-9).sum() >= 10 and (many <= some + 1e-9).sum() >= 10
    assert many.sum() < some.sum() < one.sum()


@pytest.mark.parametrize("seed", range(3))
def test_the_least_variance_given_those_before_goes_next(seed: int):
    R, _ = triangle(14, seed)
    V = np.linalg.inv(R.T @ R)
    order = np.empty(14, dtype=np.int64)
    order_by_variance(V.copy(), order)
    assert sorted(order) == list(range(14))
    for place, k in enumerate(order):
        before, left = order[:place], order[place:]
        known = V[np.ix_(before, before)]
        between = V[np.ix_(left, before)]
        given = V[np.ix_(left, left)] - between @ np.linalg.pinv(known) @ between.T
        assert given[0, 0] <= given.diagonal().min() * (1 + 1e-6), (place, k)


def test_the_priced_program_is_the_loss_and_the_penalty():
    problem = chain([8, 8, 8], 1, coupled=True)
    engine = engine_of(problem, 0)
    rng, y = np.random.default_rng(0), np.full(24, 0.6)
    prices, k = np.array([0.3, 0.0]), relaxed_widths(problem, y)
    aims = 0.9 * problem.limits
    model = Priced.near(engine, y, prices, aims)
    slope = slopes_at(problem, k)
    ahead = problem.spent_at(k + 1e-6) - problem.spent_at(k - 1e-6)
    np.testing.assert_allclose(2e-6 * slope.sum(axis=1), ahead, rtol=1e-5)

    def value(z: np.ndarray) -> float:
        off = slope[0] @ (relaxed_widths(problem, z) - k) + problem.spent_at(k)[0]
        off -= aims[0]
        return problem.objective(z) + 0.3 * off * (
            1 + off / (SLACK * problem.limits[0])
        )

    points = rng.random((5, 24)).round()
    found = []
    for z in points:
        own = z[engine.order]
        matrix = model.block(np.arange(24))
        found.append(own @ matrix @ own + model.linear @ own - value(z))
        step = 1e-6 * rng.standard_normal(24)
        rise = (own + step) @ matrix @ (own + step) - own @ matrix @ own
        rise += model.linear @ step
        assert rise == pytest.approx(model.slope(own) @ step, rel=1e-3, abs=1e-12)
    np.testing.assert_allclose(found, found[0], rtol=1e-6)


def guided(engine: Engine) -> Guide:
    """A guide half open, at prices that the budgets have at the greedy point."""
    list(engine.shrunk())
    problem = engine.problem
    y = np.where(np.arange(problem.n) % 2, 0.6, 1.0 * engine.best())
    value = problem.objective(y) - problem.constant
    return Guide(y, engine.prices(), value, problem.limits)


def beamed(engine: Engine, guide: Guide, opened: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return ended(Beams(engine).beamed(guide.point, opened, guide, 1.0, 4096, rng))


@pytest.mark.parametrize("tables", [False, True])
def test_beams_end_near_the_budgets_and_below_random_points(tables: bool):
    problem = chain([40, 30, 40], 1, coupled=True, tables=tables)
    engine = engine_of(problem, 0)
    guide, every = guided(engine), np.ones(problem.n, dtype=bool)
    ends = [beamed(engine, guide, every, seed) for seed in range(6)]
    used = [float((problem.spent(z) / problem.limits).max()) for z in ends]
    assert 0.8 < min(used) and max(used) < 1.2
    draw = np.random.default_rng(0)
    at_random = [problem.objective(random_point(problem, draw)) for _ in range(6)]
    assert max(problem.objective(z) for z in ends) < min(at_random)


def test_a_beam_leaves_what_is_not_open_and_what_is_fixed():
    fixed = [1, 0] + [-1] * 22
    problem = chain([8, 8, 8], 0, coupled=True, fixed=fixed, multiple_of=2)
    engine = engine_of(problem, 0)
    guide = guided(engine)
    best = replace(guide, point=1.0 * engine.best())
    stays = beamed(engine, best, np.zeros(24, dtype=bool), 0)
    assert stays.tolist() == (best.point > 0.5).tolist()
    moved = beamed(engine, guide, np.ones(24, dtype=bool), 0)
    assert moved[:2].tolist() == [True, False]
    for width, ladder in zip(problem.widths_of(moved), problem.widths, strict=True):
        assert width in ladder


def test_a_curvature_that_is_not_convex_is_made_so():
    problem = chain([10, 10, 10], 3, coupled=True)
    assert problem.Q is not None
    bent = NetworkSelection(
        problem.Q - 2.0 * np.eye(30), problem.q, problem.groups, problem.budgets
    )
    engine = engine_of(bent, 0)
    model = Priced.near(engine, np.full(30, 0.5), engine.prices(), bent.limits)
    block = model.block(np.arange(30))
    R, ridge = model.root(block, np.full(30, 1e-9))
    assert np.linalg.eigvalsh(block)[0] < -1.0
    np.testing.assert_allclose(R.T @ R, block + np.diag(ridge), atol=1e-9)
    guide, every = guided(engine), np.ones(30, dtype=bool)
    draw = np.random.default_rng(0)
    at_random = [bent.objective(random_point(bent, draw)) for _ in range(9)]
    ends = [bent.objective(beamed(engine, guide, every, s)) for s in range(3)]
    assert max(ends) < np.median(at_random)


def test_the_nearest_channels_are_those_that_the_guide_leaves_open():
    problem = chain([60, 60, 60], 1, coupled=True)
    engine = engine_of(problem, 0)
    guide, rng = guided(engine), np.random.default_rng(0)
    opened = Beams(engine).nearest(guide, 1.0, 0.1, rng)
    assert (opened | ~guide.inner).all()
    assert 1.4 < opened.sum() / guide.inner.sum() < 2.1
    few = [Beams(engine).nearest(guide, 0.6, 5.0, rng) for _ in range(20)]
    assert 0.5 < np.mean([each.sum() for each in few]) / opened.sum() < 0.8
    assert not np.logical_and.reduce(few)[guide.inner].all()


def test_a_beam_that_may_open_nothing_stays_and_says_nothing(
    capfd: pytest.CaptureFixture[str],
):
    fixed = np.tile([1, 0], 11)
    engine = engine_of(chain([8, 6, 8], coupled=True, fixed=fixed), 0)
    guide = Guide(1.0 * fixed, np.zeros(2), 0.0, engine.problem.limits)
    z = beamed(engine, guide, np.ones(22, dtype=bool), 0)
    assert (z == (fixed == 1)).all()
    assert "".join(capfd.readouterr()) == ""


def test_with_their_bounds_prices_relaxed_points_are_best_without_bounds():
    problem = chain([12, 10, 12], 4, coupled=True)
    assert problem.Q is not None
    budget = WidthBudget(17.0, dict.fromkeys(range(3), 1.0))
    problem = NetworkSelection(problem.Q, problem.q, problem.groups, [budget])
    engine, price = engine_of(problem, 0), 3.0

    def priced(z: np.ndarray) -> tuple[float, np.ndarray]:
        return (
            problem.objective(z) + price * float(z.sum()),
            2.0 * problem.form.multiply(z) + problem.q + price,
        )

    box = minimize(priced, np.full(34, 0.5), jac=True, bounds=[(0, 1)] * 34, tol=1e-12)
    y = np.where(np.minimum(box.x, 1.0 - box.x) < 1e-4, np.round(box.x), box.x)
    guide = Guide(y, np.array([price]), 0.0, problem.limits)
    pushes = Beams(engine)._pushes(guide)
    assert (~guide.inner).any() and guide.inner.any() and (pushes >= 0.0).all()
    slope = priced(y)[1] + pushes * (2.0 * y - 1.0)
    np.testing.assert_allclose(slope, 0.0, atol=1e-2 * np.abs(problem.q).max())


def test_more_points_of_a_beam_are_within_a_budget_that_whole_widths_can_spend():
    """Of widths that add up to 40 and a half, half a channel is over."""
    problem = chain([40, 30, 40], 1, coupled=True)
    budget = WidthBudget(40.5, dict.fromkeys(range(3), 1.0))
    problem = NetworkSelection(problem.Q, problem.q, problem.groups, [budget])
    engine = engine_of(problem, 0)
    guide, stays = guided(engine), np.zeros(problem.n, dtype=bool)
    open_, ridge, within = np.arange(problem.n), np.full(problem.n, 0.1), []
    for aim in (40.5, 40.0):
        model = Priced.near(engine, guide.point, guide.prices, np.array([aim]))
        block = model.block(open_)
        points = ended(_decided(model, stays, open_, block, ridge, 1_024))
        within.append((points.sum(axis=1) <= 40.5).mean())
    assert guide.prices[0] > 0.0 and within[0] < 0.9 < within[1]


def test_a_search_that_ends_where_it_was_is_kicked(monkeypatch: pytest.MonkeyPatch):
    kicks: list[int] = []
    kicked = search_and_bound._kicked

    def noted(pool: Pool, *given: Any) -> Any:
        kicks.append(pool.guide is not None)
        return kicked(pool, *given)

    monkeypatch.setattr(search_and_bound, "_kicked", noted)
    problem = chain([6, 5, 6], 0, coupled=True)
    solve(problem, "search_and_bound", time_limit=None, step_limit=400)
    assert sum(kicks) > 1


def tangled(sizes: list[int]) -> NetworkSelection:
    """A chain whose removals can cancel in many ways: the rank of Q is low."""
    made = chain(sizes, coupled=True)
    rows = np.random.default_rng(0).standard_normal((made.n // 3, made.n))
    Q = rows.T @ rows
    loss = {"Q": Q, "q": -2.0 * Q.sum(axis=1), "constant": float(Q.sum())}
    return NetworkSelection(**(made.parts() | loss))


def test_beams_go_between_good_points_once_there_are_enough(
    monkeypatch: pytest.MonkeyPatch,
):
    """There with more of the points that they keep."""
    seen: list[int] = []
    kept: list[int] = []
    guides: set[bytes] = set()
    beamed, one = search_and_bound._beamed, Beams.beamed

    def counted(self: Beams, *given: Any) -> Any:
        kept.append(given[-2])
        return one(self, *given)

    def noted(pool: Pool, beams: Beams, good: Any, aims: Any, rng: Any) -> Any:
        seen.append(0 if good is None else len(good))
        guides.add(np.asarray(pool.guide).tobytes())
        return beamed(pool, beams, good, aims, rng)

    # The kernels compile by a small network of their own, once a process.
    solve(tangled([6, 5, 6]), "search_and_bound", time_limit=None, step_limit=1)
    monkeypatch.setattr(search_and_bound, "_beamed", noted)
    monkeypatch.setattr(Beams, "beamed", counted)
    monkeypatch.setattr(search_and_bound, "ELITES", 3)
    solve(tangled([60, 50, 60]), "search_and_bound", time_limit=None, step_limit=500)
    assert set(seen) == {0, 3} and set(seen[:3]) == {0}
    assert len(guides) > 1
    near, between = search_and_bound.KEPT_NEAR, search_and_bound.KEPT_BETWEEN
    assert kept == [between if good else near for good in seen] and near < between


def test_beams_aim_at_what_has_been_spent(monkeypatch: pytest.MonkeyPatch):
    """At no less than the best point spends; what they aim at only grows."""
    problem = tangled([30, 20, 30])
    aimed: list[np.ndarray] = []
    spent: list[np.ndarray] = []
    beamed, watch = Beams.beamed, Pool.watch

    def noted(self: Beams, y: Any, opened: Any, guide: Guide, *given: Any) -> Any:
        aimed.append(guide.aims)
        assert (guide.aims >= spent[-1]).all()
        return beamed(self, y, opened, guide, *given)

    def watched(self: Pool, steps: Any) -> Any:
        for step in watch(self, steps):
            spent.append(problem.spent(np.asarray(self.x)))
            yield step

    monkeypatch.setattr(Beams, "beamed", noted)
    monkeypatch.setattr(Pool, "watch", watched)
    solve(problem, "search_and_bound", time_limit=None, step_limit=300)
    assert (np.diff(aimed, axis=0) >= 0.0).all() and (aimed[-1] > aimed[0]).any()
    assert (aimed[-1] <= problem.limits).all() and (aimed[0] < problem.limits).any()


def test_the_larger_a_program_the_more_steps_of_the_search_to_each_of_the_bound():
    turns = [search_and_bound._turns_of(n) for n in (10, 200, 400, 1024, 10**5)]
    least, most = search_and_bound.TURNS
    assert turns == [*sorted(set(turns[:4])), most] and turns[0] == least


def test_between_good_points_what_they_agree_on_mostly_stays():
    problem = chain([80, 60, 80], 1, coupled=True)
    engine = engine_of(problem, 0)
    guide, rng, base = guided(engine), np.random.default_rng(0), engine.best()
    y = np.where(np.arange(problem.n) < 40, 0.5, 1.0 * base)
    pool = Pool(base, problem.objective(base), y, guide.prices, guide.value)
    beams, good = Beams(engine), np.repeat(base[None], 8, axis=0)
    aims = problem.spent(base)
    for other in good:
        other[rng.choice(40, 5, replace=False)] ^= True
    ends = [
        ended(search_and_bound._beamed(pool, beams, good, aims, rng)) for _ in range(20)
    ]
    stayed = np.mean([(z[40:] == base[40:]).mean() for z in ends])
    assert 0.7 < stayed < 1.0
    assert len({z.tobytes() for z in ends}) > 1


@pytest.mark.parametrize("seed", range(3))
def test_small_coupled_networks_are_solved(seed: int):
    problem = chain([6, 5, 6], seed, coupled=True)
    found = solve(problem, "search_and_bound", time_limit=None, step_limit=400)
    assert found.objective == pytest.approx(testing.brute_force(problem)[1])


def test_what_cancels_is_found():
    """Pairs of rows that cancel: any network of whole pairs loses nothing."""
    rng = np.random.default_rng(0)
    half = rng.standard_normal((30, 20))
    rows = np.concatenate([half, -half])[rng.permutation(60)]
    labels = np.repeat(np.arange(3), 20)
    Q = rows @ rows.T
    budget = WidthBudget(30.0, dict.fromkeys(range(3), 1.0))
    problem = NetworkSelection(Q, -2.0 * Q @ np.ones(60), labels, [budget])
    found = solve(problem, "search_and_bound", time_limit=None, step_limit=4000)
    lost = found.objective + Q.sum()
    assert lost < 0.05 * np.trace(Q) / 60


@pytest.mark.parametrize("scale", [0.0, 1e-200, 1e-12, 1e9])
def test_beams_bear_any_scale_of_the_loss(scale: float):
    problem = chain([6, 6, 6], 2, coupled=True)
    assert problem.Q is not None
    other = NetworkSelection(
        scale * problem.Q, scale * problem.q - 0.0, problem.groups, problem.budgets
    )
    engine = engine_of(other, 0)
    ends = [beamed(engine, guided(engine), np.ones(18, dtype=bool), s) for s in (0, 1)]
    assert all(z.shape == (18,) for z in ends)
    found = solve(other, "search_and_bound", time_limit=None, step_limit=300)
    best = testing.brute_force(other)[1]
    assert found.objective == pytest.approx(best, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("seed", range(6))
def test_few_directions_are_searched_to_the_end(seed: int):
    """Beams end in the same few points there: kicks go on from these."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((16, 2)) * np.exp(rng.standard_normal((16, 1)))
    Q, labels = rows @ rows.T, np.repeat(np.arange(4), 4)
    cost = {int(g): float(c) for g, c in enumerate(rng.uniform(1.0, 3.0, 4))}
    budget = WidthBudget(0.5 * 4 * sum(cost.values()), cost)
    problem = NetworkSelection(Q, -2.0 * Q @ np.ones(16), labels, [budget])
    found = solve(problem, "search_and_bound", time_limit=None, step_limit=3000)
    best = testing.brute_force(problem)[1]
    assert found.objective == pytest.approx(best, rel=1e-6, abs=1e-9)
