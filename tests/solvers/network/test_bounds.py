"""Bounds of sections, minorants and couplings: below every point they speak of."""

from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve import NetworkSelection, WidthBudget, WidthTable, testing
from ccsolve.iterate import Limits
from ccsolve.problems import ChannelSelection
from ccsolve.problems.generate_network import FAMILIES, chain
from ccsolve.problems.network_points import natural_scale, random_point
from ccsolve.problems.network_relaxed import relaxed_widths, slopes_at
from ccsolve.solution import Claim
from ccsolve.solvers.network.bounding import coupling, sections
from ccsolve.solvers.network.bounding import hull as hull_module
from ccsolve.solvers.network.bounding.coupling import coupling_of
from ccsolve.solvers.network.bounding.hull import Hull
from ccsolve.solvers.network.bounding.raising import Raising
from ccsolve.solvers.network.bounding.relaxing import MOST, Relaxation
from ccsolve.solvers.network.bounding.sections import linear_section_of, section_of
from ccsolve.solvers.network.bounding.separable import (
    Separable,
    Split,
    as_given,
    split,
    split_as_given,
)
from ccsolve.solvers.network.bounding.spheres import spheres_of


def matrix(n: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, n))
    return rows.T @ rows + 1.0


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_spheres_bound_every_cardinality(sign: float):
    Q, q = sign * matrix(9, 0), np.random.default_rng(1).standard_normal(9)
    keeps = np.arange(1, 9)
    bounds = spheres_of(Q).bounds(q, keeps)
    for keep, bound in zip(keeps, bounds, strict=True):
        problem = ChannelSelection(Q, q, keep=int(keep))
        optimum = testing.brute_force(problem)[1]
        relaxed = ccsolve.solve(problem, "convex_relaxation", time_limit=None).bound
        assert bound <= optimum
        assert bound >= relaxed - 1e-3 * abs(relaxed)


@pytest.mark.parametrize("enumerable", [18, 0])
def test_sections_bound_every_width(enumerable: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sections, "ENUMERABLE", enumerable)
    Q, q = matrix(8, 2), -np.arange(8.0) * 3
    fixed = np.array([-1, -1, 1, -1, -1, 0, -1, -1])
    widths = np.arange(1, 8)
    section = section_of(Q, q, fixed, widths, {}, 0)
    for place, width in enumerate(widths):
        problem = ChannelSelection(Q, q, keep=int(width), fixed=fixed)
        optimum = testing.brute_force(problem)[1]
        assert section.lower[place] <= optimum <= section.upper[place] + 1e-9
        z = section.mask(place, 8)
        assert problem.violation(z) == 0
        assert problem.objective(z) == pytest.approx(section.upper[place])
        if enumerable:
            assert section.lower[place] == pytest.approx(optimum)


def test_lines_and_proofs_only_raise_bounds(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sections, "ENUMERABLE", 0)
    Q, q = matrix(8, 3), -np.arange(8.0) * 3
    section = section_of(Q, q, np.full(8, -1), np.arange(9), {}, 0)
    optima = [testing.brute_force(ChannelSelection(Q, q, keep=k))[1] for k in range(9)]
    before = section.lower.copy()
    section.support(2.5, Limits(), 0)
    assert (section.lower >= before).all() and (section.lower <= optima).all()
    touching = section.lower + 2.5 * np.arange(9)
    line = np.array(optima) + 2.5 * np.arange(9)
    assert touching.min() == pytest.approx(line.min())
    section.prove(4, Limits(), 0)
    assert section.lower[4] == pytest.approx(optima[4])
    assert (section.lower <= optima).all()


@pytest.mark.parametrize("wanted", [-50.0, 0.0, 3.0, 50.0])
def test_a_line_touches_its_width_where_one_can(wanted: float):
    section = section_of(matrix(8, 3), -np.arange(8.0) * 3, np.full(8, -1),
                         np.arange(9), {}, 0)  # fmt: skip
    touched = 0
    for place in range(9):
        slope = section.slope_at(place, wanted)
        lifted = section.upper + slope * section.counts
        if lifted[place] <= lifted.min() + 1e-9:
            touched += 1
            nearer = slope + 0.01 * np.sign(wanted - slope)
            past = section.upper + nearer * section.counts
            assert slope == wanted or past[place] > past.min()
    # The ends of a curve, and where it is convex.
    assert touched >= 3


def value(function: Separable, problem: NetworkSelection, z: np.ndarray) -> float:
    total = function.constant + function.linear @ z
    for own, block in zip(problem.members, function.blocks, strict=True):
        total += 0.0 if block is None else z[own] @ block @ z[own]
    return float(total)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_minorants_touch_where_they_are_taken(share: float, coupled: NetworkSelection):
    parted, rng = split(coupled, share), np.random.default_rng(0)
    z = random_point(coupled, rng)
    function = parted.tangent_at(z.astype(float))
    assert value(function, coupled, z) == pytest.approx(coupled.objective(z))
    for _ in range(50):
        other = rng.integers(0, 2, coupled.n).astype(float)
        assert value(function, coupled, other) <= coupled.objective(other)
    inside = parted.tangent_at(rng.random(coupled.n))
    for _ in range(50):
        other = rng.integers(0, 2, coupled.n).astype(float)
        assert value(inside, coupled, other) <= coupled.objective(other)


def factored(seed: int, **changes: Any) -> NetworkSelection:
    made = chain([6, 7, 6], seed)
    factor = np.random.default_rng(seed).standard_normal((4, 19))
    parts: dict[str, Any] = {"factor": factor, "diagonal": np.ones(19), **changes}
    return NetworkSelection(**(made.parts() | parts))


@pytest.mark.parametrize("blocks", [True, False])
def test_a_factor_is_convex_as_it_is_given(blocks: bool):
    problem = factored(0) if blocks else factored(0, blocks=None)
    parted, rng = split_as_given(problem), np.random.default_rng(0)
    z = random_point(problem, rng).astype(float)
    touching = parted.tangent_at(z)
    assert value(touching, problem, z) == pytest.approx(problem.objective(z))
    inside = parted.tangent_at(rng.random(problem.n))
    for _ in range(50):
        other = rng.integers(0, 2, problem.n).astype(float)
        assert value(touching, problem, other) <= problem.objective(other)
        assert value(inside, problem, other) <= problem.objective(other)


def splits(coupled: NetworkSelection) -> list[Split]:
    return [split(coupled, 0.0), split(coupled, 0.4), split_as_given(factored(1))]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_mixtures_are_the_best_of_their_points(at: int, coupled: NetworkSelection):
    parted = splits(coupled)[at]
    problem, rng = parted.problem, np.random.default_rng(0)
    hull = Hull(parted)
    for _ in range(6):
        hull.add(random_point(problem, rng))
    _, found = hull.mixed()
    weights = rng.dirichlet(np.ones(6), size=200)
    for a in np.concatenate([np.eye(6), weights]):
        point = a @ np.array(hull.points)
        convex = point @ parted.rest.slope(parted.rest.image(point))
        worth = convex + a @ np.array(hull.values) + problem.constant
        assert worth >= found - 1e-6 * abs(found)
    z = hull.points[0]
    own = parted.own_value(z) + z @ parted.rest.slope(parted.rest.image(z))
    assert own + problem.constant == pytest.approx(problem.objective(z))


def test_a_full_hull_drops_its_least_weight(
    coupled: NetworkSelection, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(hull_module, "MOST", 4)
    hull, rng = Hull(split(coupled, 0.0)), np.random.default_rng(0)
    values = []
    for _ in range(9):
        hull.add(random_point(coupled, rng))
        values.append(hull.mixed()[1])
    assert len(hull.points) == len(hull.values) == len(hull.weights) == 4
    assert values[3] <= values[0]


def settled(parted: Split, rounds: int) -> Relaxation:
    found = Relaxation.at(parted, np.full(parted.problem.n, 0.5))
    for _ in found.settle(rounds):
        pass
    assert found.point.min() >= 0 and found.point.max() <= 1
    assert found.prices.min() >= 0
    return found


@pytest.mark.parametrize(
    "parted",
    [
        split(chain([8, 6, 8], 1, coupled=True, share=0.2), 0.0),
        split(chain([8, 6, 8], 1, coupled=True, share=0.5), 0.0),
        split(chain([8, 6, 8], 1, coupled=True, share=1.0), 0.0),
        split_as_given(factored(1)),
    ],
    ids=["few", "half", "all", "factor"],
)
def test_relaxed_points_are_stationary_within_their_budgets(parted: Split):
    problem, found = parted.problem, settled(parted, 300)
    y, widths = found.point, relaxed_widths(parted.problem, found.point)
    off = problem.spent_at(widths) / problem.limits - 1.0
    assert off.max() <= 1e-3
    assert np.abs(off[found.prices > 0]).max(initial=0.0) <= 1e-3
    slope = 2.0 * parted.rest.slope(parted.rest.image(y)) + parted.linear
    slope += (found.prices @ slopes_at(problem, widths))[problem.groups]
    size = 1e-2 * np.abs(parted.linear).max()
    assert np.abs(slope[(y > 0) & (y < 1)]).max(initial=0.0) <= size
    assert (slope[y == 0] >= -size).all() and (slope[y == 1] <= size).all()


def test_budgets_with_room_have_no_price():
    whole = settled(split(chain([8, 6, 8], 1, coupled=True, share=1.0), 0.0), 20)
    assert whole.prices.tolist() == [0.0, 0.0]
    assert whole.point.mean() > 0.9


def test_relaxed_points_keep_what_is_fixed_also_under_a_latency_table():
    fixed = np.full(22, -1)
    fixed[:3], fixed[9:11] = 1, 0
    problem = chain([8, 6, 8], 1, coupled=True, tables=True, fixed=fixed)
    y = settled(split(problem, 0.0), 20).point
    assert (y[:3] == 1).all() and (y[9:11] == 0).all()
    assert 0.2 < y.mean() < 0.9


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("sizes", [[60] * 6, [30] * 3, [8, 6, 8]], ids=len)
def test_prices_under_a_latency_table_stay_within_reason(
    sizes: list[int], share: float
):
    parted = split(chain(sizes, 1, coupled=True, share=share, tables=True), 0.0)
    problem, found = parted.problem, settled(parted, 20)
    worth = found.prices * problem.limits
    assert worth.max() <= MOST * np.abs(parted.linear).sum() * (1 + 1e-9)
    spent = problem.spent_at(relaxed_widths(problem, found.point))
    assert (spent <= (1.2 if min(sizes) > 20 else 2.0) * problem.limits).all()


def test_without_a_linear_term_budgets_are_priced():
    factor, fixed = np.random.default_rng(0).standard_normal((5, 12)), np.full(12, -1)
    fixed[0] = 1
    budget = WidthBudget(1.2, {0: 1.0})
    problem = NetworkSelection(
        factor=factor, groups=np.zeros(12, int), budgets=[budget], fixed=fixed
    )
    found = settled(split_as_given(problem), 60)
    assert found.prices[0] > 0.0
    assert found.point.sum() <= 1.2 * (1 + 1e-2)


def test_the_first_tangent_touches_at_the_relaxed_point(
    monkeypatch: pytest.MonkeyPatch, coupled: NetworkSelection
):
    touched, tangent_at = [], Split.tangent_at

    def noted(self: Split, point: np.ndarray) -> Separable:
        touched.append(point)
        return tangent_at(self, point)

    ccsolve.solve(coupled, "curves", time_limit=None, step_limit=1)
    monkeypatch.setattr(Split, "tangent_at", noted)
    ccsolve.solve(coupled, "curves", time_limit=None, step_limit=60)
    first, second = touched[:2]
    assert ((first > 0) & (first < 1)).any()
    assert np.isin(second, [0.0, 1.0]).all()


@pytest.mark.parametrize("seed", range(4))
def test_bounds_of_coupled_networks_are_near_on_the_scale_of_losses(seed: int):
    problem = chain([8, 6, 8], seed, coupled=True)
    bound = ccsolve.solve(problem, "curves", time_limit=None, step_limit=1000).bound
    found = ccsolve.solve(problem, time_limit=None, step_limit=400).objective
    assert 0.0 < found - bound < 0.0125 * natural_scale(problem)


def test_sections_without_a_block_are_exact():
    q = np.array([3.0, -1.0, 2.0, -4.0, 0.5])
    section = linear_section_of(q, np.array([-1, -1, 1, -1, 0]), np.arange(1, 5))
    np.testing.assert_allclose(section.upper, [2.0, -2.0, -3.0, 0.0])
    np.testing.assert_allclose(section.lower, section.upper, atol=1e-11)
    assert (section.lower <= section.upper).all()
    for place, width in enumerate(range(1, 5)):
        z = section.mask(place, 5)
        assert z.sum() == width
        assert q[z].sum() == pytest.approx(section.upper[place])
    section.offer(np.array([True, True, True]))
    assert section.upper[3] == pytest.approx(0.0)


def test_hasty_sections_are_finished_to_the_same_bounds(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(sections, "ENUMERABLE", 0)
    Q, q, spheres = matrix(8, 4), -np.arange(8.0) * 3, {}
    free, widths = np.full(8, -1), np.arange(9)
    whole = section_of(Q, q, free, widths, {}, 0)
    hasty = section_of(Q, q, free, widths, spheres, 0, hasty=True)
    assert (hasty.lower <= whole.lower + 1e-9).all()
    hasty.finish(spheres[0], 0)
    np.testing.assert_allclose(hasty.lower, whole.lower, atol=1e-9)
    np.testing.assert_allclose(hasty.upper, whole.upper)


def test_a_separable_form_is_its_own_minorant(wide: NetworkSelection):
    function, rng = as_given(wide), np.random.default_rng(0)
    z = random_point(wide, rng).astype(float)
    assert value(function, wide, z) == pytest.approx(wide.objective(z))
    assert value(function, wide, z) <= wide.objective(z)


@pytest.mark.parametrize("family", ["latency", "twos", "chain"])
def test_couplings_cost_what_widths_do(family: str):
    problem = FAMILIES[family](0)
    active = range(len(problem.budgets))
    made, rng = coupling_of(problem, active), np.random.default_rng(0)
    assert made.is_exact
    for _ in range(20):
        places = [int(rng.integers(len(ladder))) for ladder in problem.widths]
        spent = np.array(problem.spent_at([0] * problem.count)) * 0
        for g, place in enumerate(places):
            spent = spent + made.own[g][place]
        for (g, h), table in made.pairs.items():
            spent = spent + table[places[g], places[h]]
        k = [int(w[p]) for w, p in zip(problem.widths, places, strict=True)]
        expected = problem.spent_at(k) - (problem.limits - made.room)
        np.testing.assert_allclose(spent, expected, atol=1e-9)


def test_bundled_widths_and_joined_tables_cost_no_more(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(coupling, "MOST_ENTRIES", 10)
    table = WidthTable(
        np.add.outer(np.arange(20.0), np.arange(9.0)),
        {0: 1, 1: 1},
        {2: 1},
        np.arange(20),
        np.arange(9),
    )
    budget = WidthBudget(30.0, {0: 1.0}, {(0, 2): 1.0}, (table,), 2.0)
    problem = NetworkSelection(
        np.eye(15), groups=np.repeat([0, 1, 2], 5), budgets=[budget], q=-2 * np.ones(15)
    )
    made = coupling_of(problem, [0])
    assert not made.is_exact
    rng = np.random.default_rng(0)
    for _ in range(20):
        k = rng.integers(0, 6, 3)
        places = [
            int(np.searchsorted(r, w, "right")) - 1
            for r, w in zip(made.rungs, k, strict=True)
        ]
        spent = sum(own[p, 0] for own, p in zip(made.own, places, strict=True))
        spent += sum(t[places[g], places[h], 0] for (g, h), t in made.pairs.items())
        assert spent <= problem.spent_at(k)[0] - (problem.limits[0] - made.room[0])
    found = ccsolve.solve(problem, "curves", step_limit=20, time_limit=None)
    exact = ccsolve.solve(problem, "enumerate_all", time_limit=None)
    assert found.bound <= exact.objective


def test_many_budgets_are_a_relaxation_until_broken():
    made = chain([4, 5, 4], 0)
    steps = [WidthBudget(9.0 + g % 3, {g % 3: 3.0, (g + 1) % 3: 1.0}) for g in range(9)]
    changes: dict[str, Any] = {"budgets": steps}
    problem = NetworkSelection(**(made.parts() | changes))
    raising = Raising(problem, Limits())
    list(raising.begin(as_given(problem)))
    assert len(raising.coupling.active) == 1
    raising.nearest()
    assert 1 < len(raising.coupling.active) <= 4
    found = ccsolve.solve(problem, "curves", step_limit=40, time_limit=None)
    optimum = testing.brute_force(problem)[1]
    assert found.bound <= optimum <= found.objective
    assert found.duals["budgets"].shape == (9,)


def test_separable_networks_are_proven(wide: NetworkSelection):
    found = ccsolve.solve(wide, "curves", time_limit=60.0)
    assert found.claim() is Claim.OPTIMAL
    assert (found.duals["budgets"] >= 0).all()


def test_separable_networks_are_proven_under_steps_of_latency():
    problem = chain([22, 4, 20], 0, tables=True, share=0.6)
    found = ccsolve.solve(problem, "curves", time_limit=60.0)
    assert found.claim() is Claim.OPTIMAL
    for method in ("exchange", "local_search"):
        other = ccsolve.solve(problem, method, step_limit=200, time_limit=None)
        assert other.objective >= found.bound
    draw = np.random.default_rng(0)
    for _ in range(200):
        assert problem.objective(random_point(problem, draw)) >= found.bound
