"""What a network's program is given, checked: channels, groups, names, budgets."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import frozen
from ccsolve.problems.width_costs import WidthBudget


def channel_count(Q: Any, factor: Any, q: Any, groups: Any) -> int:
    """Give n, from whatever tells it first."""
    if groups is None:
        raise InvalidProblem(
            "groups is missing; give one label per channel, 0 to G - 1, or a list of "
            "the groups' channels"
        )
    for given in (Q, factor, q):
        if given is not None and np.ndim(given):
            return np.shape(given)[-1]
    listed = isinstance(groups, list | tuple) and any(np.ndim(own) for own in groups)
    return sum(map(np.size, groups)) if listed else np.size(groups)


def members_of(labels: np.ndarray) -> tuple[np.ndarray, ...]:
    """Give the channels of each label, rising."""
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels)
    return tuple(map(frozen, np.split(order, np.cumsum(sizes)[:-1])))


def checked_group_names(names: Sequence[str] | None, count: int) -> tuple[str, ...]:
    """Give the groups' names, their numbers where none are given."""
    if names is None:
        return tuple(map(str, range(count)))
    found = tuple(map(str, names))
    if len(found) != count or len(set(found)) != count:
        raise InvalidProblem(
            f"names holds {len(found)} names; expected {count}, each another"
        )
    return found


def checked_width_budgets(
    budgets: Any, members: Sequence[np.ndarray]
) -> tuple[WidthBudget, ...]:
    """Give the budgets as a tuple; they speak of groups and widths that exist."""
    given = (budgets,) if isinstance(budgets, WidthBudget) else tuple(budgets)
    sizes = [len(own) for own in members]
    for t, budget in enumerate(given):
        if not isinstance(budget, WidthBudget):
            raise InvalidProblem(
                f"budgets[{t}] is a {type(budget).__name__}; expected a WidthBudget"
            )
        beyond = [g for g in sorted(budget.groups) if g >= len(sizes)]
        if beyond:
            raise InvalidProblem(
                f"budgets[{t}] names the group {beyond[0]}; expected 0 to "
                f"{len(sizes) - 1}"
            )
        _require_covered(t, budget, sizes)
    return given


def _require_covered(t: int, budget: WidthBudget, sizes: Sequence[int]) -> None:
    for table in budget.tables:
        sides = ((table.inputs, table.read), (table.outputs, table.made))
        for counts, grid in sides:
            most = sum(count * sizes[g] for g, count in counts.items())
            if most > grid[-1]:
                raise InvalidProblem(
                    f"budgets[{t}] has a table whose grid ends at {grid[-1]}; expected "
                    f"at least {most}, what the whole network reads or makes"
                )
