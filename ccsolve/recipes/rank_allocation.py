"""The program that shares budgets over the ranks of layers, and what it leaves."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccsolve.api import solve
from ccsolve.errors import Infeasible
from ccsolve.problems import RateAllocation
from ccsolve.recipes.ranks import Choices
from ccsolve.solution import Solution

Array = NDArray[np.float64]

_ROUNDING = 1e-9
"""What is kept free of a budget that is no whole number, such as on latency."""


class Shares(NamedTuple):
    """The option of every layer, what they lose together, and what says how good.

    `prices` are by budget: the fall of the optimum per unit of it added.
    """

    chosen: dict[str, int]
    objective: float
    prices: list[float]
    solution: Solution


def shared(
    options: Mapping[str, Choices],
    rest: Mapping[str, float],
    limits: Mapping[str, float],
    *,
    time_limit: float,
    gap: float,
    seed: int,
) -> Shares:
    """Give options of least loss within the limits, after which nothing better fits.

    Parameters
    ----------
    options
        By layer, with costs of the limits' resources in their order.
    rest
        By resource: what all else of the network costs.
    limits
        By resource: what may remain.
    time_limit, gap, seed
        Of the program.

    Raises
    ------
    Infeasible
        The cheapest options break a limit.
    """
    left = np.array([limits[name] - rest[name] for name in limits])
    _require_attainable(options, rest, limits)
    least = sum(item.costs.min(axis=0) for item in options.values())
    whole = [float(limit).is_integer() for limit in left]
    budgets = np.maximum(np.where(whole, left, left * (1 - _ROUNDING)), least)
    program = RateAllocation(
        [item.losses for item in options.values()],
        [item.costs for item in options.values()],
        budgets,
    )
    solution = solve(program, time_limit=time_limit, gap=gap, seed=seed)
    if solution.x is None:
        raise Infeasible(
            "no ranks were found within all budgets together; raise one of them, or "
            "the time limit"
        )
    picked = dict(zip(options, map(int, solution.x), strict=True))
    chosen = _filled(options, picked, left)
    prices = solution.duals.get("budgets", np.zeros(len(left))).tolist()
    return Shares(chosen, loss_of(options, chosen), prices, solution)


def loss_of(options: Mapping[str, Choices], chosen: Mapping[str, int]) -> float:
    """Give what the chosen options lose together."""
    return math.fsum(options[name].losses[option] for name, option in chosen.items())


def spent(options: Mapping[str, Choices], chosen: Mapping[str, int]) -> list[float]:
    """Give what the chosen options cost, by budget; exact where costs are whole."""
    rows = [options[name].costs[option] for name, option in chosen.items()]
    return [math.fsum(column) for column in np.array(rows).T]


def _filled(
    options: Mapping[str, Choices], chosen: dict[str, int], left: Array
) -> dict[str, int]:
    """Give layers options of less loss while one fits, the largest gain first.

    A search that stopped at its gap, or at the time limit, can leave room.
    """
    while True:
        free = left - np.array(spent(options, chosen))
        gains = {}
        for name, option in chosen.items():
            item = options[name]
            fits = (item.costs - item.costs[option] <= free).all(axis=1)
            fits[option] = True
            best = int(np.where(fits, item.losses, np.inf).argmin())
            if item.losses[best] < item.losses[option]:
                gains[item.losses[option] - item.losses[best]] = (name, best)
        if not gains:
            return chosen
        name, best = gains[max(gains)]
        chosen = chosen | {name: best}


def _require_attainable(
    options: Mapping[str, Choices],
    rest: Mapping[str, float],
    limits: Mapping[str, float],
) -> None:
    for place, (name, limit) in enumerate(limits.items()):
        least = rest[name] + math.fsum(
            float(item.costs[:, place].min()) for item in options.values()
        )
        if least > limit:
            raise Infeasible(
                f"budget {name} = {limit:.0f}, but chains of the smallest ranks "
                f"allowed take {least:.0f}; raise the budget to that, lower min_keep "
                f"or multiple_of, or fix less"
            )
