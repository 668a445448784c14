import itertools

import numpy as np
import pytest

from ccsolve.solvers.allocation.pairing.forest import cut_layers, depth, tree_of
from ccsolve.solvers.allocation.pairing.program import from_problem, restricted

FORESTS = {
    "none": [],
    "chain": [(0, 1), (1, 2), (2, 3), (3, 4)],
    "star": [(0, 1), (1, 2), (1, 3), (1, 4)],
    "two": [(0, 4), (2, 3)],
}
CYCLIC = {
    "cycle": [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)],
    "triangle and tail": [(0, 1), (1, 2), (0, 2), (2, 3), (3, 4)],
    "dense": list(itertools.combinations(range(5), 2)),
}


def program_of(random_problem, edges):
    problem = random_problem(edges or [(0, 1)], 1, 0)
    program = from_problem(problem)
    if edges:
        return program
    alive = np.ones(len(program.losses), dtype=bool)
    alive[1 : program.offsets[1]] = False
    return restricted(program, alive)


@pytest.mark.parametrize("name", FORESTS)
def test_forests_are_ordered_from_their_roots(random_problem, name):
    program = program_of(random_problem, FORESTS[name])
    tree = tree_of(program)
    assert not cut_layers(program)
    place = np.argsort(tree.order)
    links = [(v, p) for v, p in enumerate(tree.parent) if p >= 0]
    assert sorted(tree.order) == list(range(5))
    assert all(place[p] < place[v] for v, p in links)
    assert sorted(tuple(sorted(link)) for link in links) == FORESTS[name]


def test_a_chain_is_rooted_in_its_middle(random_problem):
    assert depth(tree_of(program_of(random_problem, FORESTS["chain"]))) == 2


@pytest.mark.parametrize("name", CYCLIC)
def test_without_the_cut_layers_no_cycle_is_left(random_problem, name):
    program = program_of(random_problem, CYCLIC[name])
    cut = cut_layers(program)
    assert cut and len(cut) <= 3
    alive = np.ones(len(program.losses), dtype=bool)
    for layer in cut:
        alive[program.offsets[layer] + 1 : program.offsets[layer + 1]] = False
    assert not cut_layers(restricted(program, alive))
