import itertools
import math

import numpy as np
import pytest

from ccsolve.errors import Infeasible, InvalidProblem
from ccsolve.iterate import Limits
from ccsolve.problems import RateAllocation
from ccsolve.solution import Claim, verify
from ccsolve.solvers.allocation import pairs

GRAPHS = {
    "chain": [(0, 1), (1, 2), (2, 3), (3, 4)],
    "star": [(0, 2), (1, 2), (2, 3), (2, 4)],
    "two trees": [(0, 3), (3, 4)],
    "alone": [],
    "cycle": [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)],
    "triangles": [(0, 1), (1, 2), (0, 2), (2, 3), (3, 4), (2, 4)],
    "dense": list(itertools.combinations(range(5), 2)),
}


def allocation(graph, budgets, seed, *, whole=False, most=4):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, most + 1, 5)

    def table(*shape):
        return rng.integers(0, 9, shape) * 1.0 if whole else 9 * rng.random(shape)

    losses = [table(size) - 4 for size in sizes]
    costs = [table(size, budgets) for size in sizes]
    paid = {(a, b): table(sizes[a], sizes[b], budgets) for a, b in GRAPHS[graph]}
    lost = {
        (a, b): table(sizes[a], sizes[b]) - 4
        for a, b in GRAPHS[graph]
        if rng.random() < 0.4
    }
    tables = [*costs, *(pair.reshape(-1, budgets) for pair in paid.values())]
    least = np.sum([part.min(axis=0) for part in tables], axis=0)
    highest = np.sum([part.max(axis=0) for part in tables], axis=0)
    allowed = least + rng.uniform(0.2, 0.8, budgets) * (highest - least)
    return RateAllocation(losses, costs, allowed, paid, pair_losses=lost)


def best_of(problem):
    points = map(np.array, itertools.product(*map(range, problem.sizes)))
    return min(
        (problem.objective(x) for x in points if problem.violation(x) == 0),
        default=math.inf,
    )


def solved(problem, **options):
    limits = Limits(
        gap=0.0,
        resolution=problem.resolution,
        step_limit=options.pop("step_limit", None),
    )
    return pairs.solve(problem, limits, **options)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("budgets", [1, 2, 3])
@pytest.mark.parametrize("graph", GRAPHS)
def test_small_ones_are_solved_and_proven(graph, budgets, seed):
    problem = allocation(graph, budgets, seed, whole=seed % 2 == 1)
    best = best_of(problem)
    if best == math.inf:
        with pytest.raises(Infeasible):
            solved(problem)
        return
    solution = solved(problem)
    verify(problem, solution)
    assert solution.claim(0.0) is Claim.OPTIMAL
    assert solution.objective == pytest.approx(best, abs=problem.resolution)
    assert solution.duals["budgets"].shape == (budgets,)
    assert (solution.duals["budgets"] >= 0).all()


@pytest.mark.parametrize("step_limit", [1, 3, 10, 30, 100])
@pytest.mark.parametrize("graph", ["chain", "triangles"])
def test_limits_give_what_is_known(graph, step_limit):
    problem = allocation(graph, 2, 6)
    solution = solved(problem, step_limit=step_limit)
    verify(problem, solution)
    assert solution.bound <= best_of(problem) + problem.resolution


@pytest.mark.parametrize("room", [1, 3])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("graph", ["chain", "star", "dense"])
def test_little_room_leaves_bounds_true(graph, seed, room):
    problem = allocation(graph, 3, seed)
    best = best_of(problem)
    try:
        solution = solved(problem, room=room)
    except Infeasible:
        assert best == math.inf
        return
    verify(problem, solution)
    assert solution.bound <= best + problem.resolution


def test_budgets_that_fail_together_are_found_out():
    losses, costs = [[0.0, 1.0]] * 2, [[[0.0, 2.0], [2.0, 0.0]]] * 2
    table = np.zeros((2, 2, 2))
    with pytest.raises(Infeasible, match="together"):
        solved(RateAllocation(losses, costs, [1.0, 1.0], {(0, 1): table + 0.1}))


@pytest.mark.parametrize("graph", ["chain", "dense"])
def test_pairs_that_no_choice_can_afford_are_found_out(graph):
    # Every layer's cheap option is dear next to another layer's cheap one.
    sizes, dear = [2] * 5, np.array([[9.0, 1.0], [1.0, 9.0]])
    tables = {edge: dear for edge in GRAPHS[graph]}
    costs = [[0.0, 3.0] for _ in sizes]
    problem = RateAllocation([[0.0, 1.0]] * 5, costs, len(tables) + 1.0, tables)
    assert best_of(problem) == math.inf
    least = min(
        float(problem.spent(np.array(x))[0])
        for x in itertools.product(*map(range, sizes))
    )
    with pytest.raises(Infeasible, match=r"budgets\[0\] = ") as caught:
        solved(problem)
    message = str(caught.value)
    assert f"the cheapest choice takes {least:g}" in message
    assert "together" not in message


def test_only_budgets_that_fail_alone_are_named():
    dear = np.array([[[9.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [9.0, 0.0]]])
    costs = [[[0.0, 0.0], [3.0, 0.0]]] * 2
    problem = RateAllocation([[0.0, 1.0]] * 2, costs, [2.0, 1.0], {(0, 1): dear})
    with pytest.raises(Infeasible, match=r"budgets\[0\] = 2, but .* takes 4") as caught:
        solved(problem)
    assert "budgets[1]" not in str(caught.value)


def test_budgets_that_fail_together_are_given_with_their_least_alone():
    """One layer or the other takes 3 of a budget, and each choice one of them."""
    table = np.array([[[3.0, 0.5], [3.0, 0.5]], [[0.5, 3.0], [0.5, 3.0]]])
    free = [np.zeros((2, 2))] * 2
    problem = RateAllocation([[0.0, 1.0]] * 2, free, [1.0, 2.0], {(0, 1): table})
    with pytest.raises(Infeasible, match="together") as caught:
        solved(problem)
    for part in ("budgets[0] = 1 takes 0.5", "budgets[1] = 2 takes 0.5"):
        assert part in str(caught.value)


@pytest.mark.parametrize("graph", ["chain", "cycle"])
def test_ample_budgets_leave_the_least_loss(graph):
    problem = allocation(graph, 2, 1)
    ample = RateAllocation(
        problem.losses,
        problem.costs,
        [1e4, 1e4],
        problem.pair_costs,
        pair_losses=problem.pair_losses,
    )
    solution = solved(ample)
    assert solution.gap == 0
    assert solution.objective == pytest.approx(best_of(ample))
    assert not solution.duals["budgets"].any()


def test_pairs_without_costs_count_their_losses():
    losses, costs = [[0.0, 0.1], [0.0, 0.1]], [[1.0, 1.0], [1.0, 1.0]]
    apart = {(0, 1): [[5.0, 0.0], [0.0, 5.0]]}
    problem = RateAllocation(losses, costs, 2.0, pair_losses=apart)
    solution = solved(problem)
    assert solution.objective == pytest.approx(0.1) and solution.gap == 0


@pytest.mark.parametrize("sizes", [[1], [3], [1, 1], [1, 4], [2, 1, 3]])
def test_layers_of_one_option_and_single_layers(sizes):
    rng = np.random.default_rng(0)
    losses, costs = [rng.random(k) for k in sizes], [rng.random(k) for k in sizes]
    tables = {(a, a + 1): rng.random(sizes[a : a + 2]) for a in range(len(sizes) - 1)}
    problem = RateAllocation(losses, costs, 1.3 * len(sizes), tables)
    solution = solved(problem)
    assert solution.gap == 0 and solution.objective == pytest.approx(best_of(problem))


@pytest.mark.parametrize("graph", ["chain", "dense"])
def test_nothing_to_lose(graph):
    problem = allocation(graph, 1, 3)
    free = RateAllocation(
        [np.zeros(size) for size in problem.sizes],
        problem.costs,
        problem.budgets,
        problem.pair_costs,
    )
    solution = solved(free)
    assert solution.objective == 0 and solution.gap == 0
    assert free.violation(solution.x) == 0


@pytest.mark.parametrize("graph", ["star", "dense"])
def test_the_same_seed_gives_the_same_answer(graph):
    problem = allocation(graph, 2, 0, most=6)
    first, second = (solved(problem, seed=5, step_limit=40) for _ in range(2))
    np.testing.assert_array_equal(first.x, second.x)
    assert first.bound == second.bound and len(first.trace) == len(second.trace)


@pytest.mark.parametrize("room", [0, -1, 2.5, True, "many"])
def test_rooms_are_whole_numbers_from_1(room):
    with pytest.raises(InvalidProblem, match="room"):
        solved(allocation("chain", 1, 0), room=room)


def widths(edges, layers, options, budgets, seed):
    """Give layers of widths 1/options .. 1 whose neighbours' widths multiply."""
    rng = np.random.default_rng(seed)
    width = np.arange(1, options + 1) / options
    losses = [
        np.exp(rng.normal(0, 1) - rng.uniform(2, 6) * width) for _ in range(layers)
    ]
    free = [np.zeros((options, budgets))] * layers
    factors = rng.uniform(0.3, 1.7, (len(edges), budgets))
    tables = {
        edge: np.multiply.outer(np.outer(width, width), factor)
        for edge, factor in zip(edges, factors, strict=True)
    }
    return RateAllocation(losses, free, 0.4 * factors.sum(axis=0), tables)


@pytest.mark.parametrize("budgets", [1, 3])
def test_networks_of_blocks_on_streams_are_solved(budgets):
    # Three streams, each with six blocks, and a block from every stream to the next.
    blocks = [(v % 3, v) for v in range(3, 21)] + [(0, 4), (1, 5)]
    problem = widths(blocks, 21, 24, budgets, seed=1)
    solution = solved(problem)
    verify(problem, solution)
    assert solution.gap == 0


def test_large_tables_are_thinned_first():
    edges = [(v, v + 1) for v in range(11)]
    problem = widths(edges, 12, 160, 1, seed=0)
    solution = solved(problem)
    verify(problem, solution)
    assert solution.gap == 0


@pytest.mark.parametrize("layers", [8, 12])
def test_dense_graphs_have_a_narrow_gap(layers):
    edges = list(itertools.combinations(range(layers), 2))
    problem = widths(edges, layers, 16, 1, seed=0)
    solution = solved(problem, step_limit=400)
    verify(problem, solution)
    assert solution.gap < 0.01
