"""Trees against all points of small programs, in one go and node by node."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest

from ccsolve.kernels import convex_tree
from ccsolve.kernels.convex_tree import DEPTH, DONE, FOUND, NODES, PAUSED, PIVOTS
from ccsolve.kernels.dual_sweep import ALL, APEX, EITHER, UNDER
from ccsolve.solvers.selection.branching.convex_program import ConvexProgram
from ccsolve.solvers.selection.branching.subtree import Subtree, plant
from ccsolve.solvers.selection.relaxing.duals import NO_CUTS, Cuts

FORMS = list(itertools.product((False, True), repeat=4))
"""With keep, with a budget, with P, with cuts."""


class Found(NamedTuple):
    """What a search gives: the best value, the points seen, the nodes."""

    best: float
    points: list[tuple[int, ...]]
    nodes: int


def random_cuts(n: int, rng: np.random.Generator) -> Cuts:
    count = 2 * n
    kinds = rng.integers(0, 4, count)
    places = np.array([rng.permutation(n)[:3] for _ in range(count)])
    # Cuts of two variables repeat one of them, as the reductions of a channel do.
    pairs = kinds >= UNDER
    places[pairs, 2] = places[pairs, rng.integers(0, 2, int(pairs.sum()))]
    return Cuts(kinds, places, rng.exponential(0.5, count))


def random_convex(form: tuple[bool, ...], seed: int, n: int = 7) -> ConvexProgram:
    keeps, budgeted, paired, cut = form
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((max(1, n - seed % 4), n))
    H = A.T @ A + 10.0 ** -(seed % 3 * 4) * np.eye(n)
    keep = int(rng.integers(1, n)) if keeps else -1
    P = np.triu(rng.exponential(0.3, (n, n)) * (rng.random((n, n)) < 0.5), 1)
    cost, limit = np.empty(0), 0.0
    if budgeted:
        cost = rng.random(n)
        least = float(np.sort(cost)[: max(keep, 0)].sum())
        limit = least + 0.3 * rng.random() * (float(cost.sum()) - least)
    return ConvexProgram(
        H=H,
        P=P + P.T if paired else np.zeros((n, n)),
        cuts=random_cuts(n, rng) if cut and n >= 3 else NO_CUTS,
        linear=2.0 * rng.standard_normal(n),
        constant=float(rng.standard_normal()),
        keep=keep,
        cost=cost,
        limit=limit,
        error=0.0,
    )


def cut_value(kind: int, i: int, j: int, k: int) -> int:
    if kind == APEX:
        return i * (1 - j) * (1 - k) + (1 - i) * j * k
    if kind == ALL:
        return (1 - i) * (1 - j) * (1 - k) + i * j * k
    assert kind in (UNDER, EITHER)
    return i * (1 - j) if kind == UNDER else (1 - i) * (1 - j)


def value(program: ConvexProgram, x: tuple[int, ...]) -> float:
    z = np.array(x, dtype=np.float64)
    total = 0.5 * z @ (program.H + program.P) @ z + program.linear @ z
    for kind, (i, j, k), t in zip(*program.cuts, strict=True):
        total += t * cut_value(int(kind), x[i], x[j], x[k])
    return float(total + program.constant)


def feasible(program: ConvexProgram, x: tuple[int, ...]) -> bool:
    if program.keep >= 0 and sum(x) != program.keep:
        return False
    return not program.cost.size or float(program.cost @ x) <= program.limit


def values(program: ConvexProgram) -> dict[tuple[int, ...], float]:
    every = itertools.product((0, 1), repeat=program.n)
    return {x: value(program, x) for x in every if feasible(program, x)}


def search(
    tree: Subtree, truth: dict[tuple[int, ...], float], portion: int
) -> Iterator[Found]:
    """Search to the end; a threshold is 1e-9 below the best point found."""
    best, points = np.inf, []
    for _ in range(100_000):
        threshold = best - 1e-9
        why = convex_tree.explore(
            tree.program, tree.tree, threshold, tree.tolerance, portion
        )
        if why == FOUND:
            x = tuple(int(k) for k in tree.tree.point)
            points.append(x)
            assert x in truth, "a point that is not feasible"
            best = min(best, truth[x])
        yield Found(best, points, tree.nodes)
        if why == DONE:
            return
        assert why in (FOUND, PAUSED)
    raise AssertionError("the search does not end")


def searched(program: ConvexProgram, portion: int = 10**9) -> Found:
    truth = values(program)
    *_, last = search(plant(program, 0.0), truth, portion)
    return last


@pytest.mark.parametrize("form", FORMS)
def test_the_best_point_is_that_of_all_points(form: tuple[bool, ...]):
    for seed in range(12):
        program = random_convex(form, seed, 3 + seed % 7)
        least = min(values(program).values())
        assert searched(program).best == pytest.approx(least, abs=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_the_best_point_of_many_programs(form: tuple[bool, ...]):
    for seed in range(100, 400):
        program = random_convex(form, seed, 2 + seed % 9)
        least = min(values(program).values())
        assert searched(program).best == pytest.approx(least, abs=1e-8)


@pytest.mark.parametrize("form", FORMS)
def test_portions_change_nothing(form: tuple[bool, ...]):
    for seed in range(4):
        program = random_convex(form, seed)
        assert searched(program, 1) == searched(program, 3) == searched(program)


def below(
    tree: Subtree, truth: dict[tuple[int, ...], float], depth: int
) -> list[float]:
    """Give the values of the points below the node of a depth."""
    fixed = tree.tree.fixed[depth]
    held = np.flatnonzero(fixed >= 0)
    return [v for x, v in truth.items() if all(x[i] == fixed[i] for i in held)]


@pytest.mark.parametrize("noise", [0.0, 1e-6, 0.1])
@pytest.mark.parametrize("form", FORMS)
def test_every_bound_is_below_the_points_of_its_node(
    form: tuple[bool, ...], noise: float
):
    """With a threshold no node reaches, nothing is left out and every node is seen."""
    rng = np.random.default_rng(0)
    for seed in range(3):
        program = random_convex(form, seed, 6)
        truth, tree = values(program), plant(program, 0.0)
        tree.tree.tableaux[:] *= 1.0 + noise * rng.standard_normal(
            tree.tree.tableaux.size
        )
        seen, before = set(), -1
        for _ in range(20_000):
            why = convex_tree.explore(tree.program, tree.tree, 1e100, 0.0, 1)
            if why == FOUND:
                seen.add(tuple(int(k) for k in tree.tree.point))
            depth, nodes = tree.tree.counts[DEPTH], tree.nodes
            if why == DONE:
                break
            if nodes != before:
                before = nodes
                bounded = depth - (tree.tree.state[depth] == convex_tree.OPEN)
                for d in range(bounded + 1):
                    least = min(below(tree, truth, d), default=np.inf)
                    assert tree.tree.bound[d] <= least
        assert why == DONE
        assert seen <= set(truth)
        assert len(seen) == len(truth)


@pytest.mark.parametrize("noise", [1e-3, 1.0, 1e6])
@pytest.mark.parametrize("form", FORMS)
def test_a_broken_tableau_gives_no_wrong_answer(form: tuple[bool, ...], noise: float):
    rng = np.random.default_rng(1)
    for seed in range(6):
        program = random_convex(form, seed, 6)
        truth, tree = values(program), plant(program, 0.0)
        size = tree.tree.tableaux.size
        tree.tree.tableaux[:] *= 1.0 + noise * rng.standard_normal(size)
        tree.tree.x[0, : program.n] += noise * rng.standard_normal(program.n)
        *_, last = search(tree, truth, 10**9)
        assert last.best == pytest.approx(min(truth.values()), abs=1e-8)


@pytest.mark.parametrize("form", FORMS)
def test_what_is_no_number_gives_no_wrong_answer(form: tuple[bool, ...]):
    program = random_convex(form, 0, 6)
    truth = values(program)
    for broken in (np.nan, np.inf, -np.inf):
        tree = plant(program, 0.0)
        tree.tree.tableaux[: (program.n + 2) ** 2 : 3] = broken
        *_, last = search(tree, truth, 10**9)
        assert last.best == pytest.approx(min(truth.values()), abs=1e-8)
        tree = plant(program, 0.0)
        tree.tree.x[0] = broken
        *_, last = search(tree, truth, 10**9)
        assert last.best == pytest.approx(min(truth.values()), abs=1e-8)


def test_a_point_outside_of_the_box_loses_no_node():
    """Its pairs with P are negative, and no variable looks worth a branch."""
    program = random_convex((True, True, True, False), 6, 9)
    truth, tree = values(program), plant(program, 0.0)
    tree.tree.basic[0, :9] = False
    tree.tree.x[0, :9] = np.where(np.arange(9) % 2, 40.0, -40.0)
    tree.tree.reduced[0, :9] = np.where(np.arange(9) % 2, -1.0, 1.0)
    *_, last = search(tree, truth, 10**9)
    assert last.best == pytest.approx(min(truth.values()), abs=1e-8)
    assert searched(program).best == pytest.approx(min(truth.values()), abs=1e-8)


def test_a_threshold_below_all_points_is_proven_at_once():
    program = random_convex((True, False, False, False), 4)
    tree = plant(program, 0.0)
    why = convex_tree.explore(tree.program, tree.tree, -1e100, 0.0, 100)
    assert why == DONE and tree.nodes == 1 and tree.explored == 1.0


def test_the_part_explored_rises_to_one():
    program = random_convex((True, False, False, False), 3, 9)
    truth, tree = values(program), plant(program, 0.0)
    parts = [tree.explored]
    for _ in search(tree, truth, 1):
        parts.append(tree.explored)
    assert parts[0] == 0.0 and parts[-1] == 1.0
    assert parts == sorted(parts)
    assert tree.tree.counts[PIVOTS] > 0 and tree.nodes == tree.tree.counts[NODES]


def test_no_feasible_point_is_no_point():
    program = random_convex((True, True, True, True), 5)
    poor = ConvexProgram(**{**vars(program), "limit": -1.0})
    truth, tree = {}, plant(poor, 0.0)
    *_, last = search(tree, truth, 10**9)
    assert last.best == np.inf and not last.points


def test_all_of_a_program_is_one_point():
    for keep in (0, 5):
        program = random_convex((True, False, True, True), 6, 5)
        whole = ConvexProgram(**{**vars(program), "keep": keep})
        assert set(searched(whole).points) == {(keep // 5,) * 5}


def test_cuts_count_where_they_are_linear():
    """Zero data and one heavy cut: the value is the cut's at every point."""
    n = 5
    for kind in (APEX, ALL, UNDER, EITHER):
        place = [0, 3, 1] if kind <= ALL else [0, 3, 0]
        cuts = Cuts(np.array([kind]), np.array([place]), np.array([8.0]))
        program = ConvexProgram(
            H=1e-6 * np.eye(n),
            P=np.zeros((n, n)),
            cuts=cuts,
            linear=np.full(n, -0.5e-6),
            constant=0.0,
            keep=-1,
            cost=np.empty(0),
            limit=0.0,
            error=0.0,
        )
        tree, truth = plant(program, 0.0), values(program)
        seen = set()
        while convex_tree.explore(tree.program, tree.tree, 4.0, 0.0, 100) != DONE:
            seen.add(tuple(int(k) for k in tree.tree.point))
        assert seen >= {x for x, v in truth.items() if v < 4.0}
