"""The joint program: widths of groups and ranks of layers, under one set of budgets."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ccsolve.api import solve
from ccsolve.criteria import Removal
from ccsolve.problems import RateAllocation
from ccsolve.recipes.joint_layers import Narrow, Ranks, Widths
from ccsolve.recipes.joint_options import Choice, Grid, choices
from ccsolve.recipes.option_tables import PairTables, add_table, made_positive
from ccsolve.recipes.steps import Steps
from ccsolve.solution import Solution
from ccsolve.statistics import Statistics
from ccsolve.statistics.tables import cost_tables

Array = NDArray[np.float64]
Node = tuple[str, str]
"""A group, or a layer that stands alone, with its name."""

GROUP, LAYER = "group", "layer"


@dataclass(frozen=True)
class Decision:
    """A width for every group, ranks for every layer that becomes a bottleneck."""

    widths: Mapping[str, int]
    ranks: Mapping[str, Ranks]


@dataclass(frozen=True, eq=False)
class Network:
    """What is decided: groups with their removals, layers that may be bottlenecks.

    The loss of a decision is that of its widths (`refit_removal`) and what every
    bottleneck adds to it; the cost is that of the network as it is then built.
    """

    stats: Statistics
    steps: Steps
    removals: Mapping[str, Removal]
    layers: Mapping[str, Narrow]

    def loss(self, decision: Decision) -> float:
        """Give the predicted rise of the loss."""
        added = [
            self.layers[name].loss(decision.widths, ranks)
            for name, ranks in decision.ranks.items()
        ]
        gone = [self.removed(name, k) for name, k in decision.widths.items()]
        return math.fsum([*gone, *added])

    def removed(self, group: str, width: int) -> float:
        """Give what a group loses at a width, without bottlenecks."""
        losses = self.removals[group].loss
        return float(losses[len(losses) - 1 - width])

    def cost(self, decision: Decision) -> dict[str, float]:
        """Give MACs and parameters."""
        whole = self.stats.cost(decision.widths)
        spent = {"macs": whole.macs, "params": whole.params}
        for name, ranks in decision.ranks.items():
            made = self.layers[name].costs(decision.widths, ranks)
            plain = self.layers[name].costs(decision.widths, None)
            for kind in spent:
                spent[kind] += made[kind] - plain[kind]
        return spent

    def fits(self, limits: Mapping[str, float], decision: Decision) -> bool:
        """Say whether the cost is within every limit."""
        cost = self.cost(decision)
        return all(cost[name] <= limit for name, limit in limits.items())

    def sound(self, widths: Widths, ranks: Mapping[str, Ranks]) -> Decision:
        """Give a decision of the ranks that the layers have room for at the widths."""
        own = {name: self.layers[name].sound(widths, r) for name, r in ranks.items()}
        return Decision(dict(widths), {n: r for n, r in own.items() if r is not None})


@dataclass(frozen=True, eq=False)
class Option:
    """A width of the node's group (None where a layer stands alone), and its choice."""

    width: int | None
    choice: Choice
    loss: float


@dataclass(frozen=True, eq=False)
class Program:
    """The knapsack over nodes: a group with the layers at home there, or one layer.

    A node's options are its widths, and at each the efficient choices of ranks
    (`choices`). What a layer costs between two groups stands in tables of pairs, so
    that costs are the network's own; the losses are, but for the filters of such a
    layer (`Narrow.bottleneck`). Options and costs are found once, for all budgets.
    """

    network: Network
    grid: Grid
    widths: Mapping[str, Sequence[int]]

    @cached_property
    def homes(self) -> dict[Node, list[Narrow]]:
        """Node -> the layers whose ranks are chosen with it."""
        found: dict[Node, list[Narrow]] = {
            (GROUP, name): [] for name, each in self.widths.items() if len(each) > 1
        }
        for name, layer in self.network.layers.items():
            home = GROUP, layer.reads or layer.makes or ""
            found.setdefault(home if home in found else (LAYER, name), []).append(layer)
        return found

    @cached_property
    def options(self) -> dict[Node, list[Option]]:
        """Node -> its options."""
        return {name: list(self._options(name)) for name in self.homes}

    @cached_property
    def costs(self) -> tuple[Array, list[Array], PairTables]:
        """What is fixed (B,), what options cost (K, B), and pairs (K, K', B)."""
        return _Costs(self).tables()

    def solved(
        self, limits: Mapping[str, float], *, time_limit: float, seed: int
    ) -> tuple[Decision, Solution | None]:
        """Solve for limits of the grid's kinds, in their order.

        Without a point in time each node takes its first option.

        Where nothing can be chosen there is no program, and no solution.
        """
        widths = {name: each[-1] for name, each in self.widths.items()}
        if not self.options:
            return Decision(widths, {}), None
        solution = solve(self._within(limits), time_limit=time_limit, seed=seed)
        places = np.zeros(len(self.options), int) if solution.x is None else solution.x
        ranks: dict[str, Ranks] = {}
        for (node, each), place in zip(self.options.items(), places, strict=True):
            option = each[int(place)]
            ranks.update(option.choice.ranks)
            if option.width is not None:
                widths[node[1]] = option.width
        return self.network.sound(widths, ranks), solution

    def _options(self, node: Node) -> list[Option]:
        whole = {name: each[-1] for name, each in self.widths.items()}
        ends = {name: (each[0], each[-1]) for name, each in self.widths.items()}
        kind, name = node
        found = []
        for width in self.widths[name] if kind == GROUP else [None]:
            at = whole if width is None else {**whole, name: width}
            lost = 0.0 if width is None else self.network.removed(name, width)
            for choice in choices(self.homes[node], at, ends, self.grid):
                found.append(Option(width, choice, lost + choice.loss))
        return found

    def _within(self, limits: Mapping[str, float]) -> RateAllocation:
        fixed, own, pairs = self.costs
        left = np.array([limits[kind] for kind in self.grid.kinds]) - fixed
        losses = [[o.loss for o in each] for each in self.options.values()]
        return RateAllocation(losses, own, np.maximum(left, 0.0), pairs)


class _Costs:
    """What the options of a program cost, as tables that add up to the network's."""

    def __init__(self, program: Program) -> None:
        """Take the plain network's tables."""
        self.program, self.kinds = program, list(program.grid.kinds)
        self.options, self.widths = program.options, program.widths
        self.place = {name: index for index, name in enumerate(self.options)}
        self.whole = {name: each[-1] for name, each in self.widths.items()}
        shape = len(self.kinds)
        self.own = [np.zeros((len(each), shape)) for each in self.options.values()]
        self.pairs: PairTables = {}
        self.fixed = np.zeros(shape)

    def tables(self) -> tuple[Array, list[Array], PairTables]:
        """Give what is fixed (B,), what options cost (K, B), and pairs (K, K', B)."""
        self._add_plain()
        for node, layers in self.program.homes.items():
            for layer in layers:
                beyond = GROUP, layer.makes or ""
                if layer.between and beyond in self.place:
                    self._add_between(node, layer, beyond)
                else:
                    self._add_own(node, layer)
        return self.fixed, made_positive(self.own, self.pairs), self.pairs

    def _add_plain(self) -> None:
        tables = cost_tables(self.program.network.stats, self.kinds, self.widths)
        self.fixed += tables.fixed
        at = {
            name: [list(self.widths[name]).index(o.width) for o in each]  # pyright: ignore
            for (kind, name), each in self.options.items()
            if kind == GROUP
        }
        place = {name: self.place[GROUP, name] for name in at}
        for name, table in tables.own.items():
            if name in at:
                self.own[place[name]] += table[at[name]]
            else:
                self.fixed += table[0]
        for (a, b), table in tables.pairs.items():
            add_table(self.pairs, place[a], place[b], table[np.ix_(at[a], at[b])])

    def _add_own(self, node: Node, layer: Narrow) -> None:
        """Add what a layer costs more, for each option of its node.

        A layer that is a node of its own stands there with all that it costs.
        """
        place = self.place[node]
        more = [self._more(layer, self._at(node, o), o) for o in self.options[node]]
        self.own[place] += np.array(more)
        if node[0] == LAYER:
            plain = layer.costs(self.whole, None)
            whole = np.array([plain[kind] for kind in self.kinds])
            self.own[place] += whole
            self.fixed -= whole

    def _add_between(self, node: Node, layer: Narrow, beyond: Node) -> None:
        """Add what a layer costs more, by its node's options and the width beyond."""
        known: dict[tuple[int | None, Ranks | None], Array] = {}
        after = [option.width for option in self.options[beyond]]
        ends, where = np.unique(np.array(after), return_inverse=True)
        for option in self.options[node]:
            key = option.width, option.choice.ranks.get(layer.layer.name)
            if key not in known:
                at = self._at(node, option)
                rows = [
                    self._more(layer, {**at, beyond[1]: int(k)}, option) for k in ends
                ]
                known[key] = np.array(rows)[where]
        table = np.array(
            [
                known[o.width, o.choice.ranks.get(layer.layer.name)]
                for o in self.options[node]
            ]
        )
        add_table(self.pairs, self.place[node], self.place[beyond], table)

    def _at(self, node: Node, option: Option) -> Widths:
        return (
            self.whole
            if option.width is None
            else {**self.whole, node[1]: option.width}
        )

    def _more(self, layer: Narrow, widths: Widths, option: Option) -> list[float]:
        ranks = option.choice.ranks.get(layer.layer.name)
        if ranks is None:
            return [0.0] * len(self.kinds)
        made, plain = layer.costs(widths, ranks), layer.costs(widths, None)
        return [made[kind] - plain[kind] for kind in self.kinds]
