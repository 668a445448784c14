"""Networks along budgets from the dense network to what is asked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.api import solve
from ccsolve.plans import Plan
from ccsolve.problems import NetworkSelection
from ccsolve.recipes.network import planned
from ccsolve.solution import Solution
from ccsolve.statistics import Statistics
from ccsolve.statistics.network_programs import budgets_of, network_program
from ccsolve.validation.models import LossModel


@dataclass(frozen=True, eq=False)
class Found:
    """A network that a model's program gave at a budget."""

    model: int
    remain: float
    solution: Solution
    plan: Plan


@dataclass(frozen=True)
class Search:
    """How each program is solved."""

    method: str
    time_limit: float
    seed: int


def limits_along(
    dense: Mapping[str, float], limits: Mapping[str, float], points: int
) -> list[dict[str, float]]:
    """Give budgets that fall geometrically, the asked ones last."""
    return [
        {
            name: dense[name] * (limit / dense[name]) ** (place / points)
            if place < points
            else limit
            for name, limit in limits.items()
        }
        for place in range(1, points + 1)
    ]


def program_of(
    stats: Statistics,
    limits: Mapping[str, float],
    model: LossModel,
    rules: Mapping[str, Any],
) -> NetworkSelection:
    """Give the program of a model."""
    return network_program(stats, limits, **model.options(), **rules)


def with_limits(
    stats: Statistics, program: NetworkSelection, limits: Mapping[str, float]
) -> NetworkSelection:
    """Give the same program under other budgets."""
    parts: dict[str, Any] = program.parts()
    parts["budgets"] = budgets_of(stats, limits)
    return NetworkSelection(**parts)


def path_of(
    stats: Statistics,
    place: int,
    program: NetworkSelection,
    budgets: Sequence[Mapping[str, float]],
    search: Search,
    record: Mapping[str, Any],
) -> Iterator[Found]:
    """Solve one model's program at every budget."""
    for limits in budgets:
        problem = with_limits(stats, program, limits)
        solution = solve(
            problem, search.method, time_limit=search.time_limit, seed=search.seed
        )
        plan = plan_of(stats, problem, solution, limits, record)
        first = next(iter(limits))
        yield Found(place, limits[first] / stats.cost().of(first), solution, plan)


def plan_of(
    stats: Statistics,
    problem: NetworkSelection,
    solution: Solution,
    limits: Mapping[str, float],
    record: Mapping[str, Any],
) -> Plan:
    """Give the plan that keeps what the solution of a network's program keeps."""
    z = np.asarray(solution.x, dtype=bool)
    made = planned(stats, problem, solution, z, {"model": dict(record)})
    return replace(
        made,
        given=dict(limits),
        asked=dict(limits),
        achieved=stats.cost(made.widths).known(),
        original=stats.cost().known(),
        fingerprint=stats.fingerprint,
    )


def point_of(plan: Plan) -> NDArray[np.float64]:
    """Give the point z (n,) of a plan: 1 where a class stays, group after group."""
    masks = [plan.mask(name) for name in plan.keep]
    return np.concatenate(masks).astype(np.float64)
