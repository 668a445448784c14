"""The graph of the pairs: is it a forest, in what order swept, where to cut it."""

import numpy as np

from ccsolve.kernels.tree_sweep import Tree
from ccsolve.solvers.allocation.pairing.program import PairProgram


def cut_layers(program: PairProgram) -> list[int]:
    """Give layers that every cycle goes through, few of them with few options.

    Leaves are peeled off; of what remains the layer of most pairs per log of its
    options goes, and so on: a heuristic for the smallest feedback vertex set weighed by
    the logs of the sizes. O(L² + LE). Empty for a forest.
    """
    near = neighbours(program)
    degree = np.array([len(found) for found in near])
    weight = np.log2(np.maximum(program.sizes, 2))
    cut: list[int] = []
    while True:
        _peel(near, degree)
        if not degree.any():
            return cut
        layer = int(np.argmax(np.where(degree > 0, (degree - 1) / weight, -1.0)))
        cut.append(layer)
        _drop(layer, near, degree)


def _peel(near: list[set[int]], degree: np.ndarray) -> None:
    leaves = [int(v) for v in np.flatnonzero(degree == 1)]
    while leaves:
        v = leaves.pop()
        if degree[v] != 1:
            continue
        (other,) = near[v]
        _drop(v, near, degree)
        if degree[other] == 1:
            leaves.append(other)


def _drop(layer: int, near: list[set[int]], degree: np.ndarray) -> None:
    for other in near[layer]:
        near[other].discard(layer)
        degree[other] -= 1
    near[layer].clear()
    degree[layer] = 0


def neighbours(program: PairProgram) -> list[set[int]]:
    """Give the layers that each layer has a pair with."""
    near: list[set[int]] = [set() for _ in range(program.layers)]
    for a, b in program.edges.tolist():
        near[a].add(b)
        near[b].add(a)
    return near


def tree_of(program: PairProgram) -> Tree:
    """Root every part of a forest near its middle and order its layers; O(L + N)."""
    layers = program.layers
    edge_of = {
        frozenset(edge): number for number, edge in enumerate(program.edges.tolist())
    }
    near = neighbours(program)
    parent = np.full(layers, -1, dtype=np.int64)
    order = _ordered(near, parent)
    table = np.zeros(layers, dtype=np.int64)
    inbox = np.zeros(layers, dtype=np.int64)
    filled = 0
    for v in order:
        if parent[v] >= 0:
            edge = edge_of[frozenset((v, int(parent[v])))]
            table[v] = program.pair_offsets[edge]
            inbox[v] = filled
            filled += int(program.sizes[parent[v]])
    return Tree(
        order=np.array(order, dtype=np.int64),
        parent=parent,
        table=table,
        child_first=np.arange(layers) < parent,
        offsets=program.offsets,
        inbox=inbox,
        inbox_size=filled,
    )


def depth(tree: Tree) -> int:
    """Give the number of pairs on the longest way down from a root."""
    below = np.zeros(len(tree.parent), dtype=np.int64)
    for v in tree.order:
        if tree.parent[v] >= 0:
            below[v] = below[tree.parent[v]] + 1
    return int(below.max())


def _ordered(near: list[set[int]], parent: np.ndarray) -> list[int]:
    """Fill ``parent`` and give the layers, parents before children."""
    order: list[int] = []
    seen: set[int] = set()
    for start in range(len(near)):
        if start in seen:
            continue
        far = _walk(start, near)[0][-1]
        path, back = _walk(far, near)
        way = [path[-1]]
        while way[-1] != far:
            way.append(back[way[-1]])
        part, came = _walk(way[len(way) // 2], near)
        for v in part[1:]:
            parent[v] = came[v]
        order += part
        seen.update(part)
    return order


def _walk(start: int, near: list[set[int]]) -> tuple[list[int], dict[int, int]]:
    """Give the layers by rising distance from ``start``, and from where each came."""
    order, came = [start], {start: -1}
    for v in order:
        for other in sorted(near[v]):
            if other not in came:
                came[other] = v
                order.append(other)
    return order, came
