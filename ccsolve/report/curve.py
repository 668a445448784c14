"""The loss-budget curve of a page: points solved beforehand, one for each budget."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from ccsolve.errors import InvalidFile
from ccsolve.factors import factor_of
from ccsolve.fronts import Front, FrontPoint, front_of
from ccsolve.plans import Plan
from ccsolve.recipes.ladders import Ladder, loss_at
from ccsolve.recipes.removals import AUTO, CURVES, LOSSES
from ccsolve.solution import relative_gap
from ccsolve.statistics import Statistics
from ccsolve.statistics.cost import COUNTED
from ccsolve.tracing import OF_CHAINS, ON_RANKS, pareto


class Place(NamedTuple):
    """Where a plan stands on a curve: what it costs, and its loss on that scale."""

    cost: float
    loss: float


@dataclass(frozen=True, eq=False)
class Curve:
    """Points by rising budget, and the plans' places among them.

    Attributes
    ----------
    over, recipe, dense : see `Front`.
    points : by rising cost.
    resolution : differences of loss and bound up to this are rounding.
    places : by plan's name, of those whose loss can be told on the curve's scale.
    rules : which widths or ranks the points may have, as far as these are not all.
    """

    over: str
    recipe: str
    dense: float
    points: tuple[FrontPoint, ...]
    resolution: float = 0.0
    places: Mapping[str, Place] = field(default_factory=dict)
    rules: Mapping[str, Any] = field(default_factory=dict)

    def gap(self, point: FrontPoint) -> float:
        """Give a point's relative gap; infinite without a bound."""
        return relative_gap(point.loss, point.bound, self.resolution)

    @property
    def loose(self) -> bool:
        """Whether some bound lies so far below that it can be told by eye."""
        return any(self.gap(point) > 0.005 for point in self.points)

    def at(self, limit: float) -> int:
        """Give the place of the dearest point within a limit, the first if none is."""
        within = [at for at, point in enumerate(self.points) if point.cost <= limit]
        return within[-1] if within else 0


def curve_of(front: Front, plans: Mapping[str, Plan] = MappingProxyType({})) -> Curve:
    """Give a front as a curve, with the plans whose place on it is known.

    A plan of widths stands at the sum of its groups' losses as the front adds them up,
    made convex (`Ladder`): never below the front. A plan with chains stands at its own
    objective, on a front of its recipe.
    """
    largest = max((float(abs(loss).max()) for loss in front.losses.values()), default=0)
    places = {name: _place(front, plan) for name, plan in plans.items()}
    return Curve(
        over=front.over,
        recipe=front.recipe,
        dense=front.dense,
        points=front.points,
        resolution=1e-12 * len(front.losses) * largest,
        places={name: place for name, place in places.items() if place is not None},
    )


def traced(
    stats: Statistics,
    plans: Mapping[str, Plan],
    over: str,
    *,
    losses: str | None = None,
    points: int = 40,
    time_limit: float = 2.0,
) -> Curve:
    """Solve a network at some budgets, and exactly at those that plans were asked for.

    Of plans that all have one recipe of ranks the curve is over ranks, of plans of
    "joint" over both, else over widths. Rules that all plans were held to
    (``multiple_of``, ``min_keep``, ``fixed``) hold for its points, too.

    Parameters
    ----------
    stats, over
        The statistics, and the resource.
    plans
        By name.
    losses
        See `ccsolve.pareto`; by default the widths' losses that every plan was made by.
    points
        About how many budgets, evenly from the narrowest network to the dense one.
    time_limit
        Seconds for each budget, where a program is solved for it.
    """
    recipe, options = _recipe_of(plans.values(), over, losses)
    rules = _rules_of(plans.values(), None if recipe in ON_RANKS else stats)
    options = {**options, **rules, "recipe": recipe, "time_limit": time_limit}
    front = pareto(stats, over, points=points, **options)
    asked = sorted({plan.asked[over] for plan in plans.values() if over in plan.asked})
    found = _thinned(front.points, points)
    if asked and recipe in OF_CHAINS:
        whole = [math.floor(limit) for limit in asked]
        found += pareto(stats, over, budgets=whole, **options).points
    elif asked:
        again = {"recipe": recipe, "budgets": asked, "time_limit": time_limit}
        found += front_of(stats, front.losses, over, **again, **rules).points
    whole_front = replace(front, points=_ordered(found))
    return replace(curve_of(whole_front, plans), rules=rules)


def read_curve(document: Mapping[str, Any], where: str) -> Curve:
    """Give the curve that `ccsolve pareto -o` wrote; InvalidFile for anything else."""
    try:
        points = [_point(entry) for entry in document["points"]]
        over, dense = str(document["over"]), float(document["dense"])
        recipe = str(document.get("recipe", ""))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidFile(
            f"{where}: no front ({error!r:.80}); expected what ccsolve pareto -o writes"
        ) from None
    if not points or not dense > 0:
        raise InvalidFile(
            f"{where}: a front of {len(points)} points, dense {dense:g}; expected one "
            "point or more, and what the dense network takes"
        )
    largest = max(point.loss for point in points)
    return Curve(over, recipe, dense, _ordered(points), 1e-12 * largest)


def _point(entry: Mapping[str, Any]) -> FrontPoint:
    bound = entry["bound"]
    return FrontPoint(
        limit=float(entry["limit"]),
        cost=float(entry["cost"]),
        loss=float(entry["loss"]),
        bound=-math.inf if bound is None else float(bound),
        price=float(entry["price"]),
        widths={str(name): int(width) for name, width in entry["widths"].items()},
        factors={
            str(name): factor_of(value, name)
            for name, value in entry.get("factors", {}).items()
        },
    )


def _recipe_of(
    plans: Iterable[Plan], over: str, losses: str | None
) -> tuple[str, dict[str, object]]:
    """Give the recipe of the front, and its options, that say what the plans were.

    Of a recipe with chains it is where it has a front over the resource by the losses
    asked for, with the options that all plans agree in.
    """
    plans = list(plans)
    recipes = {plan.recipe for plan in plans}
    if len(recipes) == 1 and recipes <= set(OF_CHAINS):
        (recipe,) = recipes
        first, *others = [plan.provenance for plan in plans]
        kept = {
            name: first[name]
            for name in OF_CHAINS[recipe]
            if name in first and all(made.get(name) == first[name] for made in others)
        }
        of_counts = over in COUNTED and losses in (None, AUTO)
        if recipe in ON_RANKS or of_counts:
            return recipe, {**kept, "losses": losses or first.get("metric", AUTO)}
    given = {_losses_of(plan) for plan in plans}
    named = given.pop() if len(given) == 1 else None
    return "ccp", {"losses": losses or named or AUTO}


def _losses_of(plan: Plan) -> str | None:
    """Give the name of the losses that the widths were made by; None without one."""
    found = plan.provenance.get("widths", plan.provenance.get("losses"))
    return found if found in (AUTO, *LOSSES, *CURVES) else None


def _rules_of(plans: Iterable[Plan], stats: Statistics | None) -> dict[str, Any]:
    """Give the rules that all plans were held to; of widths those of known groups."""
    plans, found = list(plans), {}
    for name in ("multiple_of", "min_keep", "fixed"):
        first, *others = [plan.provenance.get(name) for plan in plans] or [None]
        if first not in (None, 1, {}) and all(other == first for other in others):
            found[name] = first
    if stats is not None and not set(found.get("fixed", ())) <= set(stats.groups):
        del found["fixed"]
    return found


def _place(front: Front, plan: Plan) -> Place | None:
    cost = plan.achieved.get(front.over)
    if cost is None:
        return None
    if front.recipe in OF_CHAINS:
        known = plan.recipe == front.recipe and math.isfinite(plan.objective)
        return Place(cost, plan.objective) if known else None
    if plan.factors or plan.primary or set(plan.sizes) != set(front.losses):
        return None
    rungs = {
        name: Ladder.of(list(range(len(losses))), losses)
        for name, losses in front.losses.items()
    }
    return Place(cost, loss_at(rungs, plan.widths))


def _thinned(points: Sequence[FrontPoint], most: int) -> tuple[FrontPoint, ...]:
    """Keep the points nearest to evenly spaced costs, the first and last among them."""
    if len(points) <= most:
        return tuple(points)
    low, high = points[0].cost, points[-1].cost
    wanted = [low + (high - low) * step / (most - 1) for step in range(most)]
    nearest = {
        min(range(len(points)), key=lambda at: abs(points[at].cost - cost))
        for cost in wanted
    }
    return tuple(points[at] for at in sorted(nearest | {len(points) - 1}))


def _ordered(points: Iterable[FrontPoint]) -> tuple[FrontPoint, ...]:
    """Sort by cost; of equal costs the last stays, which was asked for."""
    by_cost = {point.cost: point for point in points}
    return tuple(by_cost[cost] for cost in sorted(by_cost))
