"""Several steps to one plan: their budgets, and what they do together."""

import heapq
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.criteria import score
from ccsolve.errors import Infeasible, InvalidProblem, WrongAnswer
from ccsolve.plans import Plan
from ccsolve.problems.checks import real_number
from ccsolve.recipes.joint import RECIPE as JOINT
from ccsolve.statistics import Cost, Statistics

GEOMETRIC, LINEAR = "geometric", "linear"
"""Schedules that have a name."""

Budgets = dict[str, Any]
Ranking = Mapping[str, NDArray[np.int64]]
"""Group -> classes that are gone, those first that would come back first."""


def checked_schedule(schedule: Any, steps: int) -> str | tuple[float, ...]:
    """Give the name of a schedule, or how far along the way each step is to be.

    InvalidProblem for another name, as many shares as steps are not given, or shares
    that do not rise to 1.
    """
    if isinstance(schedule, str):
        if schedule not in (GEOMETRIC, LINEAR):
            raise InvalidProblem(
                f"schedule {schedule!r}; expected {GEOMETRIC!r}, {LINEAR!r}, or a list "
                f"of the share of the way after every step"
            )
        return schedule
    if not isinstance(schedule, Sequence) or len(schedule) != steps:
        raise InvalidProblem(
            f"schedule {schedule!r:.60} with steps={steps}; expected a name, or the "
            f"share of the way after each of the {steps} steps"
        )
    shares = tuple(real_number("schedule", share, 0.0) for share in schedule)
    rising = all(a < b for a, b in zip((0.0, *shares), shares, strict=False))
    if not rising or shares[-1] != 1:
        raise InvalidProblem(
            f"schedule {list(shares)}; expected shares of the way that rise to 1, such "
            f"as [0.5, 0.8, 1]"
        )
    return shares


def schedule(
    given: Mapping[str, Any],
    dense: Cost,
    steps: int,
    shape: str | Sequence[float] = GEOMETRIC,
) -> Iterator[Budgets]:
    """Give each step's budgets: absolute, falling to what is asked.

    Geometrically; linearly; or, with shares of the way, by these of the difference
    between the dense cost and what is asked. A single step's budgets are handed on as
    they are.
    """
    if steps == 1:
        yield dict(given)
        return
    # A later step's statistics are of a smaller model: fractions would be of that.
    for step in range(1, steps + 1):
        part = step / steps if isinstance(shape, str) else shape[step - 1]
        yield {
            name: _between(value, dense.of(name), part, name, shape == GEOMETRIC)
            for name, value in given.items()
        }


def composed(first: Plan, second: Plan, stats: Statistics | None) -> Plan:
    """Give the plan that does to the original what both do one after the other.

    `stats` are those that `second` was made from; None where it removes nothing. The
    provenance says in "removed" which classes are gone: those of the later step first,
    and within one step those of the larger Fisher score.
    """
    _check_composable(first, second)
    keep = {
        name: np.asarray(classes)[second.keep.get(name, slice(None))]
        for name, classes in first.keep.items()
    }
    gone = {} if stats is None else removed(second, stats)
    earlier = first.provenance["removed"]
    ranking = {
        name: [*np.asarray(classes)[gone.get(name, [])], *earlier[name]]
        for name, classes in first.keep.items()
    }
    steps = [*first.provenance["steps"], dict(second.provenance)]
    return replace(
        second,
        keep=keep,
        sizes=first.sizes,
        original=first.original,
        fingerprint=first.fingerprint,
        provenance={**second.provenance, "steps": steps, "removed": ranking},
    )


def is_narrowest(plan: Plan) -> bool:
    """Say whether every group is left with one class: none of them can go."""
    return set(plan.widths.values()) == {1}


def unchanged(plan: Plan, budgets: Mapping[str, Any]) -> Plan:
    """Give the plan of a step that takes nothing more, within these budgets.

    Infeasible where what the plan left breaks one.
    """
    for name, limit in budgets.items():
        if plan.achieved[name] > limit:
            alone = ", or take steps=1, for bottlenecks" if plan.recipe == JOINT else ""
            raise Infeasible(
                f"budget {name} = {limit:.0f}, but one channel class is left of every "
                f"group, and the network takes {plan.achieved[name]:.0f}; raise the "
                f"budget to that{alone}"
            )
    none: Any = {"keep": {}, "sizes": {}, "prices": {}, "provenance": {}}
    solved: Any = {"objective": math.nan, "bound": -math.inf, "resolution": 0.0}
    return replace(plan, asked=dict(budgets), **none, **solved)


def without_chains(plan: Plan) -> Plan:
    """Give the plan that removes the same classes alone, whatever that costs."""
    return replace(plan, factors={}, asked={}, achieved={})


def begun(plan: Plan, stats: Statistics) -> Plan:
    """Give the first step's plan with what `composed` asks of a provenance."""
    provenance = dict(plan.provenance)
    return replace(
        plan,
        provenance={
            **provenance,
            "steps": [provenance],
            "removed": removed(plan, stats),
        },
    )


def removed(plan: Plan, stats: Statistics) -> dict[str, NDArray[np.int64]]:
    """Give the classes that the plan removes, the larger Fisher score first."""
    gone = {name: np.flatnonzero(~plan.mask(name)) for name in plan.keep}
    return {
        name: classes[np.argsort(-score(stats, name, "fisher")[classes], kind="stable")]
        for name, classes in gone.items()
    }


def filled(
    plan: Plan,
    cost: Callable[[Mapping[str, int]], Cost],
    untouched: Iterable[str],
    multiple_of: int = 1,
) -> Plan:
    """Give the plan with classes of earlier steps put back while the budgets hold.

    A step can leave room that none of its own groups can use, where a group that it
    left `untouched` could, had an earlier step not narrowed it. The group of the
    smallest share gets its next multiple of `multiple_of` back, again and again. `cost`
    gives what the network costs at any widths.
    """
    widths = plan.widths
    if not set(plan.asked) <= set(cost(widths).known()):
        return plan
    queue = [(widths[name] / plan.sizes[name], name) for name in sorted(untouched)]
    heapq.heapify(queue)
    while queue:
        _, name = heapq.heappop(queue)
        wider = min((widths[name] // multiple_of + 1) * multiple_of, plan.sizes[name])
        # Costs grow with every width: what does not fit now never will.
        if wider > widths[name] and _fits(plan, cost(widths | {name: wider})):
            widths = widths | {name: wider}
            heapq.heappush(queue, (wider / plan.sizes[name], name))
    return _widened(plan, widths, cost(widths).known())


def _widened(plan: Plan, widths: Mapping[str, int], achieved: dict[str, float]) -> Plan:
    ranking = dict(plan.provenance["removed"])
    keep = dict(plan.keep)
    for name, width in widths.items():
        more = width - len(plan.keep[name])
        back = np.asarray(ranking[name][:more], dtype=np.int64)
        keep[name] = np.sort(np.concatenate([plan.keep[name], back]))
        ranking[name] = ranking[name][more:]
    provenance = {**plan.provenance, "removed": ranking}
    return replace(plan, keep=keep, achieved=achieved, provenance=provenance)


def _fits(plan: Plan, cost: Cost) -> bool:
    return all(cost.of(name) <= limit for name, limit in plan.asked.items())


def _check_composable(first: Plan, second: Plan) -> None:
    for name, size in second.sizes.items():
        if name not in first.keep or len(first.keep[name]) != size:
            raise WrongAnswer(
                f"group {name!r} has {size} classes after a step that left "
                f"{len(first.keep.get(name, []))}: the smaller model couples its "
                f"channels otherwise; take steps=1, and report this"
            )


def _between(value: Any, dense: float, part: float, name: str, geometric: bool) -> int:
    sound = isinstance(value, int | float) and not isinstance(value, bool)
    fraction = (value if isinstance(value, float) else value / dense) if sound else 0.0
    if not 0 < fraction <= 1:
        raise InvalidProblem(
            f"{name} = {value!r}; expected a float in (0, 1] or an int up to {dense:g}"
        )
    # Powers round: the last step is the amount itself.
    if part == 1:
        return _absolute(value, dense)
    left = fraction**part if geometric else 1 - part * (1 - fraction)
    return math.floor(dense * left)


def _absolute(value: float, dense: float) -> int:
    return math.floor(value * dense) if isinstance(value, float) else value
