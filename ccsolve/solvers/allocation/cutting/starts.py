"""First points under several budgets: rounded mixtures, mended and improved."""

from collections.abc import Generator, Iterator

import numpy as np

from ccsolve.kernels.knapsack_moves import improve, mend, refill
from ccsolve.solvers.allocation.cutting.dual import Dual
from ccsolve.solvers.allocation.cutting.program import Program
from ccsolve.solvers.allocation.cutting.selected import (
    Selected,
    nearest,
    reduced_costs,
)

_CORE, _STARTS, _NEAR, _PAIRS = 2000, 4, 150, 3_000_000
_NEARER = 300, 600, 1200
_WORK = 2_000_000
"""Options times budgets looked at before the clock is, about 2 ms."""


def first_points(program: Program, dual: Dual) -> Iterator[np.ndarray | None]:
    """Give points within the budgets, as options of the table; None meanwhile.

    The proposals that the best mixture of options is made of exceed a budget or leave
    room. Each is mended by single changes, then improved by single changes and pairs,
    among the 2,000 options of least reduced cost; among all where that fails.
    """
    table, count = program.table, max(_CORE, 10 * program.layers)
    found = False
    while not found:
        core = nearest(table, dual, count, dual.starts.ravel())
        near = _near(core, program, dual, _NEAR)
        for start in dual.starts[:_STARTS]:
            for chosen in _rounded(core, dual, start, near):
                found = found or chosen is not None
                yield chosen
        if count >= len(table.losses):
            return
        count = len(table.losses)


def _rounded(
    core: Selected, dual: Dual, start: np.ndarray, near: np.ndarray
) -> Iterator[np.ndarray | None]:
    """Give None while a start is mended and filled, then the point if it fits."""
    choice = core.choice(start)
    if not (yield from grown(core, choice, dual.prices)):
        return
    improve(core.core, choice, near, _PAIRS)
    yield core.chosen(choice)


def grown(
    core: Selected, choice: np.ndarray, prices: np.ndarray
) -> Generator[None, None, bool]:
    """Mend a choice and fill what it leaves; give whether the budgets hold.

    Gives up after twice as many changes as there are options: rounding may lead
    changes in a circle.
    """
    size = len(core.core.losses)
    changes, state = max(1, _WORK // (core.core.costs.size + 1)), 0
    for _ in range(2 * size // changes + 1):
        state = mend(core.core, choice, prices, changes)
        if state != 0:
            break
        yield None
    if state <= 0:
        return False
    while not refill(core.core, choice, changes):
        yield None
    return True


def improved(program: Program, dual: Dual, chosen: np.ndarray) -> Iterator[np.ndarray]:
    """Give the same point improved by pairs of ever more options, up to 1,200."""
    wanted = np.concatenate([dual.starts.ravel(), chosen])
    core = nearest(program.table, dual, _CORE, wanted)
    choice = core.choice(chosen)
    for count in _NEARER:
        improve(core.core, choice, _near(core, program, dual, count), _PAIRS)
        yield core.chosen(choice)


def _near(core: Selected, program: Program, dual: Dual, count: int) -> np.ndarray:
    """Give the core's options of least reduced cost, at most so many."""
    reduced = reduced_costs(program.table, dual)[core.options]
    return np.argsort(reduced, kind="stable")[:count]
