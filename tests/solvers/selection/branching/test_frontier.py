"""The order of open nodes, the bound of the whole, and the rule of the memory."""

import math

import numpy as np
import pytest

from ccsolve.solvers.selection.branching import frontier as module
from ccsolve.solvers.selection.branching.frontier import Frontier
from ccsolve.solvers.selection.branching.node import Part


def part(bound: float) -> Part:
    return Part(bound, np.zeros(8, np.int8))


def test_the_best_bound_is_taken_first_and_of_equals_the_youngest():
    frontier, youngest = Frontier(), part(1.0)
    for node in (part(3.0), part(1.0), youngest, part(2.0)):
        frontier.push(node)
    assert frontier.pop() is youngest
    assert [frontier.pop().bound for _ in range(3)] == [1.0, 2.0, 3.0]
    assert frontier.held == 0 and not frontier.heap


def test_the_bound_never_falls():
    """As in a search: what is popped is split, raised, left out of, or closed."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        frontier = Frontier()
        frontier.push(part(-10.0))
        before = frontier.bound()
        for _ in range(60):
            if not frontier.heap:
                break
            bound = frontier.pop().bound
            assert frontier.bound() >= before
            frontier.raise_working(bound + rng.exponential() * rng.integers(2))
            frontier.raise_working(-100.0)
            assert frontier.bound() >= before
            if rng.random() < 0.3:
                frontier.leave_out(max(frontier.working, 0.0))
            if rng.random() < 0.7:
                for _ in range(2):
                    frontier.push(part(frontier.working + rng.exponential()))
                frontier.close(math.inf)
            else:
                frontier.close(frontier.working)
            assert frontier.bound() >= before
            before = frontier.bound()


def test_what_is_closed_stays_in_the_bound():
    frontier = Frontier()
    frontier.push(part(0.0))
    frontier.push(part(5.0))
    frontier.pop()
    assert frontier.bound() == 0.0
    frontier.raise_working(7.0)
    assert frontier.bound() == 5.0
    frontier.leave_out(4.0)
    assert frontier.bound() == 4.0
    frontier.close(7.0)
    frontier.pop()
    frontier.close(9.0)
    assert frontier.bound() == 4.0 and not frontier.heap


def test_beyond_the_memory_the_youngest_is_taken(monkeypatch: pytest.MonkeyPatch):
    frontier = Frontier()
    bounds = [3.0, 1.0, 4.0, 1.5, 9.0, 2.6]
    for bound in bounds:
        frontier.push(part(bound))
    monkeypatch.setattr(module, "MEMORY", frontier.held - 1)
    # One pop of the youngest brings what is held below the limit again.
    assert frontier.pop().bound == 2.6
    assert frontier.pop().bound == 1.0
    monkeypatch.setattr(module, "MEMORY", 0)
    assert [frontier.pop().bound for _ in range(4)] == [9.0, 1.5, 4.0, 3.0]


def test_depth_first_holds_one_node_a_level(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MEMORY", -1)
    rng, frontier, most = np.random.default_rng(1), Frontier(), 0
    depths = {}

    def push(depth: int) -> None:
        node = part(float(rng.standard_normal()))
        depths[id(node)] = (depth, node)
        frontier.push(node)

    push(0)
    while frontier.heap:
        depth, _ = depths[id(frontier.pop())]
        if depth < 8:
            push(depth + 1)
            push(depth + 1)
        frontier.close(0.0)
        most = max(most, len(frontier.heap))
    assert most == 9
