"""Every way to treat a node, reached by small constants, against brute force."""

from typing import Any

import numpy as np
import pytest

from ccsolve import ChannelSelection
from ccsolve.problems.generate import (
    cancelling,
)
from ccsolve.solvers.selection.branching import exploration, frontier, growth
from tests.solvers.selection.branching.proofs import assert_solved, check_many, proven

SHRUNK = {
    "SHORT": 2,
    "PLAIN": 6,
    "PAIRED": 6,
    "LONG_TRIAL": 1,
    "PATIENCE": 1,
}
"""Trees that are given up at once: everything is split into parts and nodes."""


@pytest.fixture
def shrunk(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in SHRUNK.items():
        monkeypatch.setattr(exploration, name, value)
    monkeypatch.setattr(exploration._grown, "__defaults__", (1,))
    # A node at a time, or small trees end before anyone asks how large they are.
    monkeypatch.setattr(growth, "PORTION_WORK", 1.0)
    return monkeypatch


def test_everything_is_split(shrunk: pytest.MonkeyPatch):
    check_many(1, 100)


def test_parts_are_divided_above_the_limit_of_trees(shrunk: pytest.MonkeyPatch):
    shrunk.setattr(exploration, "TREE_LIMIT", 3)
    check_many(2, 40)


def test_semidefinite_nodes_are_split(shrunk: pytest.MonkeyPatch):
    shrunk.setattr(exploration, "PLAIN", 0)
    check_many(3, 60)


def test_depth_first_where_memory_is_short(shrunk: pytest.MonkeyPatch):
    shrunk.setattr(frontier, "MEMORY", 0)
    check_many(4, 60)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [300, 3])
@pytest.mark.parametrize("plain", [0, 6, 3_000_000])
@pytest.mark.parametrize("memory", [0, 2**29])
def test_thousands_of_programs(
    shrunk: pytest.MonkeyPatch, memory: int, plain: int, limit: int
):
    shrunk.setattr(exploration, "TREE_LIMIT", limit)
    shrunk.setattr(exploration, "PLAIN", plain)
    shrunk.setattr(frontier, "MEMORY", memory)
    check_many(memory % 1000 + plain + limit, 300)


def visited(monkeypatch: pytest.MonkeyPatch, name: str) -> list[Any]:
    """Give what a function of the module is called with, from now on."""
    called, inner = [], getattr(exploration, name)

    def spy(*given: Any, **options: Any) -> Any:
        called.append(given)
        return inner(*given, **options)

    monkeypatch.setattr(exploration, name, spy)
    return called


def test_the_shrunk_constants_reach_every_branch(shrunk: pytest.MonkeyPatch):
    divided, splits = visited(shrunk, "_divide"), visited(shrunk, "split")
    hard = cancelling(20, seed=1)
    values = [proven(hard)]
    shrunk.setattr(exploration, "PLAIN", 0)
    values.append(proven(hard))
    assert splits
    shrunk.setattr(exploration, "DEARER", 1e100)
    shrunk.setattr(exploration, "PLAIN", 6)
    values.append(proven(hard))
    shrunk.setattr(exploration, "TREE_LIMIT", 3)
    values.append(proven(hard))
    assert divided
    assert max(values) == pytest.approx(min(values), rel=1e-6)


def test_depth_first_takes_the_youngest(shrunk: pytest.MonkeyPatch):
    shrunk.setattr(exploration, "PLAIN", 0)
    inner, orders = frontier.Frontier.pop, []
    for memory in (0, 2**29):
        taken: list[float] = []

        def pop(self: frontier.Frontier, taken: list[float] = taken) -> Any:
            node = inner(self)
            taken.append(node.bound)
            return node

        shrunk.setattr(frontier, "MEMORY", memory)
        shrunk.setattr(frontier.Frontier, "pop", pop)
        proven(cancelling(24, seed=2))
        orders.append(taken)
    assert min(len(order) for order in orders) > 3
    # Best first, the bounds of what is taken never fall.
    assert orders[1] == sorted(orders[1])


def test_degenerate_data(shrunk: pytest.MonkeyPatch):
    rng = np.random.default_rng(0)
    n = 10
    twice = np.repeat(rng.standard_normal((3, n // 2)), 2, axis=1)
    matrices = (
        np.zeros((n, n)),
        np.ones((n, n)),
        -np.ones((n, n)),
        twice.T @ twice,
        -(twice.T @ twice),
        -1e3 * np.eye(n),
    )
    for Q in matrices:
        for keep in (None, 0, 1, 5, n - 1, n):
            assert_solved(ChannelSelection(Q, keep=keep), 0.0)
