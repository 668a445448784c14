"""Exact search: semidefinite bounds above, trees of convex quadratics below."""

import functools
import itertools
import math
from collections.abc import Iterator

import numpy as np

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import ChannelSelection
from ccsolve.problems.checks import whole_number
from ccsolve.solution import Solution
from ccsolve.solvers.selection.branching import exploration
from ccsolve.solvers.selection.branching.convex_program import convex_program
from ccsolve.solvers.selection.branching.exploration import (
    Search,
    explore,
    explore_part,
    improved,
)
from ccsolve.solvers.selection.branching.frontier import Frontier
from ccsolve.solvers.selection.branching.goal import Goal
from ccsolve.solvers.selection.branching.node import Node, Part
from ccsolve.solvers.selection.branching.subtree import plant
from ccsolve.solvers.selection.convex_relaxation import affordable, relax
from ccsolve.solvers.selection.relaxing.admm import Settings, ascend
from ccsolve.solvers.selection.relaxing.convex_form import plain_form
from ccsolve.solvers.selection.relaxing.lattice import lattice_of
from ccsolve.solvers.selection.relaxing.lifted import lift
from ccsolve.solvers.selection.relaxing.rounding import first_step
from ccsolve.solvers.selection.searching.engine import Engine, engine_for
from ccsolve.solvers.selection.searching.moves import TabuSettings
from ccsolve.solvers.selection.searching.population import PopulationSettings, evolve

SEARCHED = 100
"""Steps after which a population has bred."""


def solve(
    problem: ChannelSelection,
    limits: Limits,
    *,
    seed: int = 0,
    cuts: int = 25,
) -> Solution:
    """Prove the optimum, or close the gap as far as the limits allow.

    1. A point: greedy, swaps and rounds of `tabu`, which go on between nodes.
    2. The convex relaxation; reduced costs fix channels, and the smaller program has a
       better shift, again and again.
    3. A depth-first tree of the convex form, a few µs a node: tableaux by principal
       pivoting, tangents as bounds, reduced-cost fixing, branching where either value
       costs most. Its size is estimated after a few thousand nodes.
    4. Where that promises no end: the semidefinite dual with products, X ≥ 0 and
       triangle cuts. Its multipliers make a convex quadratic whose root is as tight
       (Billionnet, Elloumi and Plateau 2009), products and cuts count again as channels
       are fixed, and the same tree is grown on it. A tree too large is split at its
       root, and both children raise their dual anew, best bound first.

    Proven: the bound, by certified eigenvalues and tangents lowered by their rounding.
    Cardinality, budget and fixings are in every relaxation. Memory: O(n³) for a tree;
    open nodes are taken best first up to 512 MB, depth first beyond. Above 300 channels
    left after step 2, the low-rank semidefinite descent bounds the root, and step 2
    alone the nodes. Exponential in the worst case: k-cluster graphs of 120 vertices
    take seconds to minutes.

    Parameters
    ----------
    cuts : triangle cuts held per channel; 0 for none.
    """
    cuts = whole_number("cuts", cuts, 0, 10_000)
    return run(_steps(problem, limits, seed, cuts), limits)


def _steps(
    problem: ChannelSelection, limits: Limits, seed: int, cuts: int
) -> Iterator[Step]:
    _compile()
    form = plain_form(problem)
    goal = Goal(problem, lattice_of(problem), limits.gap, limits.resolution)
    yield goal.best.seen(first_step(problem, form))
    engine = engine_for(problem, seed)
    yield from goal.best.watch(_descended(engine))
    yield from goal.best.watch(relax(engine, form, limits, roundings=1))
    search = Search(engine, goal, Frontier(), _heuristic(engine, goal), cuts)
    yield from improved(search, 1 + problem.n // 2)
    search.frontier.push(Part(-math.inf, np.full(problem.n, -1, np.int8)))
    while search.frontier.heap:
        node = search.frontier.pop()
        if node.bound >= goal.target():
            search.frontier.close(node.bound)
        elif isinstance(node, Node):
            yield from explore(search, node)
        elif affordable(form, limits):
            yield from explore_part(search, node, limits)
        else:
            # Too little time for an eigenvalue: what is left goes to better points.
            yield from search.heuristic
        yield search.bound_step()
        yield from improved(search, exploration.BETWEEN)


@functools.cache
def _compile() -> None:
    """Compile what a small program does not reach: searches, dual steps and trees."""
    tiny = ChannelSelection(1.0 - np.eye(4), keep=2, cost=np.ones(4), budget=3.0)
    program = lift(tiny)
    ascents = ascend(program, Settings(cuts=4, check=1, renewal=1))
    ascent = [next(ascents) for _ in range(3)][-1]
    convex = convex_program(program, ascent.dual, ascent.certificate, 0.1)
    plant(convex, 0.0).grow(math.inf, 2)
    point = np.array([True, True, False, False])
    search = evolve(engine_for(tiny, 0), point, TabuSettings(), PopulationSettings())
    for _ in itertools.islice(search, SEARCHED):
        pass


def _descended(engine: Engine) -> Iterator[Step]:
    """Give the greedy point, and what swaps make of it; where Q fits in memory."""
    if engine.program is not None:
        z = yield from engine.first_point()
        yield from engine.descend(z)


def _heuristic(engine: Engine, goal: Goal) -> Iterator[Step]:
    """Search for better points for ever; it begins at the best one known."""
    assert goal.best.x is not None
    settings = PopulationSettings(restarts=None)
    yield from goal.best.watch(evolve(engine, goal.best.x, TabuSettings(), settings))
