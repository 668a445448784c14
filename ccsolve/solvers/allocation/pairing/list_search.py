"""Every point of a forest below a target, by lists of partial choices."""

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field

import numpy as np

from ccsolve.kernels.tree_lists import Cutoffs, Partial, combine, reach, shift
from ccsolve.kernels.tree_sweep import Tree
from ccsolve.solvers.allocation.pairing.outlook import Outlook
from ccsolve.solvers.allocation.pairing.program import PairProgram

WINDOW = 1000
"""With several budgets a choice is compared with that many better ones."""


@dataclass(frozen=True, eq=False)
class _Lists:
    """Choices of one layer and of what is below it so far, option after option.

    Attributes
    ----------
    part : every choice.
    starts : (K + 1,) where each option's choices begin.
    value : (J, K) least value of the options over what is joined so far.
    came : for every child joined, in order, where a choice's two parts are.
    """

    part: Partial
    starts: np.ndarray
    value: np.ndarray
    came: tuple[tuple[int, np.ndarray, np.ndarray], ...] = ()

    def of(self, option: int) -> Partial:
        """Give the choices of one option."""
        own = slice(self.starts[option], self.starts[option + 1])
        return Partial(*(array[own] for array in self.part))


@dataclass(frozen=True, eq=False)
class _Link:
    """A child's message to its parent's K options, as tables and as values.

    Attributes
    ----------
    loss, cost : (K, K_c), (K, K_c, B).
    value : (J, K) the messages of the sweeps.
    through : (J, K) least value of a point with the option.
    """

    child: int
    loss: np.ndarray
    cost: np.ndarray
    value: np.ndarray
    through: np.ndarray


@dataclass
class ListSearch:
    """The lists of all layers, joined from the leaves up.

    A partial choice is dropped where, with the best rest that its layer's option
    allows, it fails a test: for prices that is the Lagrangian bound of all its
    completions. It is dropped, too, where another with the same option has no larger
    loss and cost. So of the points that pass every test the best one survives, unless
    ``room`` was too small: at most that many sums are looked at per option and pair,
    those of the choices with the least Lagrangian values.

    Attributes
    ----------
    complete : whether the room sufficed.
    x : (L,) the best point found that passes the tests; None without one.
    """

    program: PairProgram
    tree: Tree
    view: Outlook
    room: int
    lists: dict[int, _Lists] = field(default_factory=dict)
    complete: bool = True
    x: np.ndarray | None = None

    def run(self) -> Generator[None, None, None]:
        """Join layer by layer; one step per pair of layers."""
        children: dict[int, list[int]] = {}
        for v in reversed(self.tree.order.tolist()):
            links = (self._link(c) for c in children.get(v, []))
            yield from self._join(v, self._alone(v), links)
            children.setdefault(int(self.tree.parent[v]), []).append(v)
        links = (self._root_link(r) for r in children[-1])
        yield from self._join(-1, self._nothing(), links)
        self.x = self._best()

    def _join(
        self, v: int, lists: _Lists, links: Iterable[_Link]
    ) -> Generator[None, None, None]:
        """Put the children into a layer's lists."""
        for link in links:
            lists = self._joined(lists, link)
            yield
        self.lists[v] = lists

    def _joined(self, lists: _Lists, link: _Link) -> _Lists:
        below, tests = self.lists[link.child], self.view.tests
        value = lists.value + link.value
        parts, seconds = [], []
        for k in range(len(lists.starts) - 1):
            met = tests.room - (link.through[:, k] - link.value[:, k])
            table = (link.loss[k], link.cost[k])
            message = _shifted(below, table, tests._replace(room=met))
            left = tests.room - (link.through[:, k] - value[:, k])
            part = self._combined(lists.of(k), message, tests._replace(room=left))
            seconds.append(message.first[part.second])
            parts.append(part._replace(first=part.first + lists.starts[k]))
        starts = np.concatenate([[0], np.cumsum([len(part.loss) for part in parts])])
        every = Partial(
            np.concatenate([part.loss for part in parts]),
            np.concatenate([part.cost for part in parts]),
            np.concatenate([part.first for part in parts]),
            np.concatenate(seconds),
        )
        came = (link.child, every.first, every.second)
        return _Lists(every, starts, value, (*lists.came, came))

    def _combined(self, one: Partial, other: Partial, tests: Cutoffs) -> Partial:
        """Give the sums of two choices that pass the tests, as far as room is."""
        most, sums = reach(one, other, tests, self.room)
        self.complete &= bool(most == tests.room[0])
        part = _room(int(sums) + 1, one.cost.shape[1])
        return _first(part, combine(one, other, tests, WINDOW, most, part))

    def _alone(self, v: int) -> _Lists:
        own = slice(self.tree.offsets[v], self.tree.offsets[v + 1])
        losses, costs = self.program.losses[own], self.program.costs[own]
        none = np.full(len(losses), -1)
        part = Partial(losses, costs, none, none)
        return _Lists(part, np.arange(len(losses) + 1), self.view.own[:, own])

    def _nothing(self) -> _Lists:
        """Give the lists of the layer above all roots, of one free option."""
        none = np.full(1, -1)
        budgets = len(self.program.limits)
        part = Partial(np.zeros(1), np.zeros((1, budgets)), none, none)
        return _Lists(part, np.arange(2), np.zeros((len(self.view.own), 1)))

    def _link(self, child: int) -> _Link:
        tree, view = self.tree, self.view
        parent = int(tree.parent[child])
        above = slice(tree.offsets[parent], tree.offsets[parent + 1])
        size = int(above.stop - above.start)
        own = int(tree.offsets[child + 1] - tree.offsets[child])
        table = slice(tree.table[child], tree.table[child] + own * size)
        shape = (own, size) if tree.child_first[child] else (size, own)
        loss = self.program.pair_losses[table].reshape(shape)
        cost = self.program.pair_costs[table].reshape(*shape, -1)
        if tree.child_first[child]:
            loss, cost = loss.T, cost.swapaxes(0, 1)
        inbox = slice(tree.inbox[child], tree.inbox[child] + size)
        return _Link(
            child=child,
            loss=np.ascontiguousarray(loss),
            cost=np.ascontiguousarray(cost),
            value=view.inbox[:, inbox],
            through=view.through[:, above],
        )

    def _root_link(self, root: int) -> _Link:
        own = slice(self.tree.offsets[root], self.tree.offsets[root + 1])
        size, budgets = int(own.stop - own.start), len(self.program.limits)
        return _Link(
            child=root,
            loss=np.zeros((1, size)),
            cost=np.zeros((1, size, budgets)),
            value=self.view.least[:, own].min(axis=1, keepdims=True),
            through=self.view.through[:, own].min(axis=1, keepdims=True),
        )

    def _best(self) -> np.ndarray | None:
        """Follow the best choice of all layers down to every layer's option."""
        final = self.lists[-1].part
        if not len(final.loss):
            return None
        x = np.zeros(self.program.layers, dtype=np.int64)
        open_ = [(-1, int(np.argmin(final.loss)))]
        while open_:
            v, at = open_.pop()
            lists = self.lists[v]
            if v >= 0:
                x[v] = np.searchsorted(lists.starts, at, side="right") - 1
            for child, first, second in reversed(lists.came):
                open_.append((child, int(second[at])))
                at = int(first[at])
        return x


def _shifted(
    below: _Lists, table: tuple[np.ndarray, np.ndarray], tests: Cutoffs
) -> Partial:
    """Give a child's choices with its entries (K_c,), (K_c, B) for one option above."""
    part = _room(len(below.part.loss) + 1, below.part.cost.shape[1])
    left = shift(below.part, below.starts, *table, tests, WINDOW, part)
    return _first(part, left)


def _room(size: int, budgets: int) -> Partial:
    counts = (np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64))
    return Partial(np.empty(size), np.empty((size, budgets)), *counts)


def _first(part: Partial, count: int) -> Partial:
    """Give the first choices, so that the room for the others is free again."""
    return Partial(*(array[:count].copy() for array in part))
