"""Splitting a node: its points are partitioned, its bound is kept."""

import itertools
from itertools import islice

import numpy as np
import pytest

from ccsolve import ChannelSelection
from ccsolve.solvers.selection.branching.node import Node, Part, split
from ccsolve.solvers.selection.relaxing.admm import Ascent, Settings, ascend
from ccsolve.solvers.selection.relaxing.lifted import lift

KINDS = ("cancelling", "indefinite", "k_cluster", "budgeted", "unconstrained")


def root(problem: ChannelSelection) -> Node:
    nothing = np.zeros(problem.n, bool)
    return Node(-np.inf, lift(problem), np.arange(problem.n), nothing)


def ascended(node: Node) -> Ascent:
    run = ascend(node.program, Settings(cuts=60), node.dual, node.X, node.penalty)
    return next(islice(run, 4, None))


def points(node: Node, problem: ChannelSelection) -> set[bytes]:
    """Give the feasible points of a node."""
    every = itertools.product((False, True), repeat=node.program.n)
    whole = [node.point(np.array(z)) for z in every]
    return {z.tobytes() for z in whole if problem.violation(z) == 0}


@pytest.mark.parametrize("family", KINDS)
def test_children_partition_the_points(family: str, reduced):
    problem = reduced(family, 8, 1)
    open_nodes, leaves = [root(problem)], []
    for count in range(12):
        if not open_nodes:
            break
        node = open_nodes.pop(0)
        if not node.can_split:
            leaves.append(node)
            continue
        ascent = ascended(node)
        kept, removed = split(node, ascent, count % node.program.n)
        here, one, other = (points(part, problem) for part in (node, kept, removed))
        assert one | other == here and not one & other
        channel = node.names[count % node.program.n]
        assert kept.kept[channel] and not removed.kept[channel]
        for child in (kept, removed):
            assert channel not in child.names
            assert child.bound >= max(node.bound, ascent.bound)
            assert child.size == 24 * child.program.C.size
            open_nodes.append(child)
    assert len(open_nodes) + len(leaves) > 4


@pytest.mark.parametrize("family", KINDS)
def test_bounds_of_children_are_below_their_points(family: str, reduced):
    problem = reduced(family, 8, 2)
    node = root(problem)
    room = problem.resolution
    for depth in range(3):
        if not node.can_split:
            break
        children = split(node, ascended(node), depth)
        for child in children:
            values = [
                problem.objective(np.frombuffer(z, bool))
                for z in points(child, problem)
            ]
            least = min(values, default=np.inf)
            assert child.bound <= least + room
            if values:
                assert ascended(child).bound <= least + room
        node = max(children, key=lambda child: len(points(child, problem)))


def test_a_part_holds_its_values():
    fixed = np.full(40, -1, np.int8)
    assert Part(0.0, fixed).size == 40 and not Part(0.0, fixed).plain


def test_the_last_channels_are_not_split(reduced):
    node = root(reduced("cancelling", 6, 0))
    assert node.can_split
    for keep, n in ((1, 6), (5, 6), (1, 2)):
        Q = np.eye(n)
        assert not root(ChannelSelection(Q, keep=keep)).can_split
    assert not root(ChannelSelection(np.eye(2))).can_split
    assert root(ChannelSelection(np.eye(3))).can_split
