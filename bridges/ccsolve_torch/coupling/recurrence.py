"""Recurrent layers: one class per hidden unit, in all gates, layers and directions."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from torch.fx import Node

from ccsolve_torch.coupling.exported import argument, operator, shape
from ccsolve_torch.coupling.flow import (
    Flow,
    Product,
    Rule,
    channels,
    owner,
    spread,
)
from ccsolve_torch.coupling.labels import off_axis, packed
from ccsolve_torch.coupling.links import Ids


def recurrent(flow: Flow, node: Node) -> None:
    """h_t = f(W_ih x_t + b_ih, W_hh h_(t-1) + b_hh), the gates' rows stacked.

    Every layer and direction of one module has the same number of hidden units: unit
    i of all of them is one class. Its output may be read before the nonlinearity of
    the next step, so that the gate stands at W_hh too.
    """
    source, states, weights = node.args[:3]
    if not isinstance(weights, list | tuple) or not isinstance(node.args[3], bool):
        _refuse(flow, node)
        return
    count = 4 if argument(node, "has_biases") else 2
    directions = 2 if argument(node, "bidirectional") else 1
    cells = [weights[i : i + count] for i in range(0, len(weights), count)]
    computed = any(flow.name(weight) is None for cell in cells for weight in cell)
    if computed or len(cells) != directions * argument(node, "num_layers"):
        _count(flow, node, weights)
        _refuse(flow, node)
        return
    hidden = flow.atoms(cells[0][1], 1)
    assert hidden is not None
    flow.links.bear(owner(flow, node, cells[0][1]), hidden)
    entering = channels(flow, node, source, -1)
    flow.counted(node, "input_size", entering)
    for place_, cell in enumerate(cells):
        below = entering if place_ < directions else np.tile(hidden, directions)
        _cell(flow, node, cell, below, hidden)
    flow.counted(node, "hidden_size", hidden)
    _states(flow, node, states, hidden)
    _give(flow, node, np.tile(hidden, directions), hidden)


def _cell(flow: Flow, node: Node, cell: Any, entering: Ids, hidden: Ids) -> None:
    """Tie the weights of one layer and direction."""
    for weight, ids in zip(cell[:2], (entering, hidden), strict=True):
        rows, columns = flow.atoms(weight, 0), flow.atoms(weight, 1)
        name = flow.name(weight)
        assert rows is not None and columns is not None and name is not None
        flow.links.tie(columns, ids, flow.place(node))
        flow.links.tie(rows.reshape(-1, len(hidden)), hidden, flow.place(node))
        flow.read(node, name, ids)
        flow.products.append(
            Product(node, "recurrent", _steps(flow, node), (ids, rows), name)
        )
    for bias in cell[2:]:
        rows = flow.atoms(bias, 0)
        assert rows is not None
        flow.links.tie(rows.reshape(-1, len(hidden)), hidden, flow.place(node))


def _states(flow: Flow, node: Node, states: Any, hidden: Ids) -> None:
    """Tie given first states; zeros that the module makes have the hidden size."""
    listed = states if isinstance(states, list | tuple) else [states]
    for state in listed:
        if operator(state) in ("zeros", "new_zeros"):
            continue
        found = channels(flow, node, state, -1)
        flow.links.tie(found, hidden, flow.place(node))


def _give(flow: Flow, node: Node, outputs: Ids, hidden: Ids) -> None:
    beside = off_axis(flow.labels(node.args[0]), -1)
    flow.freeze(node, beside)
    values = node.meta["val"]
    flow.values[node] = tuple(
        packed(spread(outputs if place_ == 0 else hidden, -1, len(value.shape)))
        for place_, value in enumerate(values)
    )


def _steps(flow: Flow, node: Node) -> float:
    """Give how often per sample the matrices are multiplied."""
    source: Any = node.args[0]
    return float(prod(shape(source)[:-1]) // flow.exported.batch)


def _count(flow: Flow, node: Node, weights: Sequence[Any]) -> None:
    """Count the products with matrices whose channels all stay."""
    sizes = [shape(weight) for weight in weights if isinstance(weight, Node)]
    for size in sizes:
        if len(size) > 1:
            times = _steps(flow, node)
            flow.products.append(Product(node, "recurrent", times * prod(size), ()))


def _refuse(flow: Flow, node: Node) -> None:
    for source in node.all_input_nodes:
        flow.freeze(node, flow.labels(source), ", packed or projected")


def cell(flow: Flow, node: Node) -> None:
    """One step of a recurrent layer of one direction."""
    source, states, *weights = node.args
    hidden = flow.atoms(weights[1], 1)
    if hidden is None:
        _count(flow, node, weights)
        _refuse(flow, node)
        return
    flow.links.bear(owner(flow, node, weights[1]), hidden)
    entering = channels(flow, node, source, -1)
    given = [weight for weight in weights if isinstance(weight, Node)]
    _cell(flow, node, given, entering, hidden)
    flow.counted(node, "input_size", entering)
    flow.counted(node, "hidden_size", hidden)
    _states(flow, node, states, hidden)
    made = spread(hidden, -1, len(shape(source)))  # pyright: ignore
    several = isinstance(node.meta["val"], tuple | list)
    flow.values[node] = (made, made) if several else made


RULES: dict[str, Rule] = {
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), recurrent),
    **dict.fromkeys(("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"), cell),
}
