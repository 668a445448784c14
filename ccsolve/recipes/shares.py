"""The widths that a recipe works at: given, alike for all groups, or allocated."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from ccsolve.errors import Infeasible, InvalidProblem, Unsupported
from ccsolve.problems.checks import whole_number
from ccsolve.recipes.allocation import EXACT, allocated
from ccsolve.recipes.ladders import Allocation
from ccsolve.recipes.removals import losses_by
from ccsolve.recipes.steps import admissible_steps
from ccsolve.recipes.widths import uniform_widths
from ccsolve.statistics import Statistics

UNIFORM = "uniform"
"""Widths that follow from the budgets alone."""

Widths = str | float | Mapping[str, float]
"""A rule's name; or what is kept: a share of every group, or group by group."""


def shares_of(
    stats: Statistics,
    limits: Mapping[str, float],
    widths: Widths,
    *,
    model: Mapping[str, Any] = MappingProxyType({}),
    **rules: Any,
) -> Allocation:
    """Give the groups' widths within the limits.

    Parameters
    ----------
    stats, limits
        The statistics, and by resource the absolute amount that may remain.
    widths
        What is kept, where it is given: a float in (0, 1], the share of every group
        that stays, or a mapping from groups to such shares or to whole numbers of
        classes; groups that it does not name stay whole. See `given_widths`.
        "uniform": every group cut alike (`uniform_widths`). Any other name: allocated
        by what a group's width costs, see `losses_by`.
    model
        The quadratic model of the losses "selection" and "taylor".
    rules
        The keyword options of `allocated`.

    Raises
    ------
    Infeasible
        Given widths cost more than a limit.
    Unsupported
        An allocation is named for widths that are not allocated.
    """
    if isinstance(widths, str) and widths != UNIFORM:
        losses = losses_by(
            stats, widths, where="widths", seed=rules["seed"], model=model
        )
        return allocated(stats, limits, losses, **rules)
    if rules["allocation"] != EXACT:
        raise Unsupported(
            f"allocation {rules['allocation']!r} of widths {widths!r:.80}, which "
            f"{'follow from the budgets alone' if widths == UNIFORM else 'are given'}; "
            "leave it out, or give widths by a loss"
        )
    steps = {name: rules[name] for name in ("multiple_of", "min_keep", "fixed")}
    if isinstance(widths, str):
        return Allocation(uniform_widths(stats, limits, **steps), math.nan)
    return Allocation(given_widths(stats, limits, widths, **steps), math.nan)


def given_widths(
    stats: Statistics,
    limits: Mapping[str, float],
    widths: float | Mapping[str, float],
    *,
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Give the widths that were asked for, group by group.

    A whole number is the width itself. A share is rounded down to a width that the
    group may have, see `admissible_steps`, to the narrowest where none is below it.
    Nothing is filled up: room that the limits leave stays.

    Raises
    ------
    InvalidProblem
        An unknown group, a share outside of (0, 1], or a width above the group's size.
    Infeasible
        The widths cost more than a limit.
    """
    steps = admissible_steps(stats, multiple_of, min_keep, fixed)
    wanted = _by_group(stats, widths)
    found = {
        name: step[-1]
        if name not in wanted or name in (fixed or {})
        else _width(f"widths[{name!r}]", wanted[name], step)
        for name, step in steps.items()
    }
    _check_limits(stats, limits, found)
    return found


def as_given(widths: Widths) -> str | float | dict[str, float]:
    """Give the widths as a provenance holds them."""
    return dict(widths) if isinstance(widths, Mapping) else widths


def _by_group(
    stats: Statistics, widths: float | Mapping[str, float]
) -> Mapping[str, float]:
    if not isinstance(widths, Mapping):
        if not isinstance(widths, float | np.floating):
            raise InvalidProblem(
                f"widths = {widths!r:.80}; expected a rule's name, the share of every "
                "group that stays (a float in (0, 1]), or a mapping from groups to "
                "shares or widths"
            )
        return dict.fromkeys(stats.groups, float(widths))
    unknown = [name for name in widths if name not in stats.groups]
    if unknown:
        raise InvalidProblem(
            f"widths names the group {unknown[0]!r}; the statistics hold "
            f"{', '.join(stats.groups)[:200]}"
        )
    return widths


def _width(where: str, value: object, step: list[int]) -> int:
    if not isinstance(value, float | np.floating):
        return whole_number(where, value, 1, step[-1])
    share = float(value)
    if not 0 < share <= 1:
        raise InvalidProblem(
            f"{where} = {value!r}; expected the share that stays, a float in (0, 1], "
            f"or a whole number of classes, 1 to {step[-1]}"
        )
    # A share like 0.29 of 100 must not lose one to rounding.
    most = share * step[-1] * (1 + 1e-12)
    return max([width for width in step if width <= most], default=step[0])


def _check_limits(
    stats: Statistics, limits: Mapping[str, float], widths: Mapping[str, int]
) -> None:
    cost = stats.cost(widths)
    for name, limit in limits.items():
        if cost.of(name) > limit:
            raise Infeasible(
                f"budget {name} = {limit:.0f}, but the widths given take "
                f"{cost.of(name):.0f}; raise the budget to that, or give smaller widths"
            )
