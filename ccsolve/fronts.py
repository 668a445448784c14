"""Fronts: the least predicted loss of a network at every budget of one resource."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccsolve.batch import each
from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.factors import Factor
from ccsolve.problems.checks import real_number
from ccsolve.recipes.exact import exact_widths
from ccsolve.recipes.joint_search import RECIPE as JOINT
from ccsolve.recipes.ladders import Allocation, Ladder, ladders, loss_at
from ccsolve.recipes.nesting import Between, chains
from ccsolve.recipes.steps import admissible_steps
from ccsolve.recipes.width_program import MEMORY, allocation_program
from ccsolve.solvers.allocation.corridor.breakpoints import breakpoints
from ccsolve.statistics import Statistics
from ccsolve.statistics.cost import RESOURCES

Array = NDArray[np.float64]


class FrontPoint(NamedTuple):
    """One point of a front.

    Attributes
    ----------
    limit : the budget, an absolute amount.
    cost : what the widths take of it, <= limit.
    loss : the predicted loss at the widths.
    bound : a proven lower bound of the loss at this budget; -inf without one.
    price : the fall of the loss per unit of budget added, >= 0.
    widths : by group.
    factors : by layer, of those that become chains; none where widths are sought.
    nesting : of a nested front, by how much the loss is above the best that was found
        at this budget alone, >= 0.
    """

    limit: float
    cost: float
    loss: float
    bound: float
    price: float
    widths: Mapping[str, int]
    factors: Mapping[str, Factor] = MappingProxyType({})
    nesting: float = 0.0


@dataclass(frozen=True, eq=False)
class Front:
    """The loss-budget curve of a network.

    Attributes
    ----------
    over : the resource.
    recipe : whose losses these are.
    points : by rising budget; the loss falls.
    dense : what the dense network takes of the resource.
    losses : by group, (size + 1,) the predicted loss when so many classes have gone;
        of a front over ranks by layer, the loss of every option.
    stats : what it was made of.
    """

    over: str
    recipe: str
    points: tuple[FrontPoint, ...]
    dense: float
    losses: Mapping[str, Array]
    stats: Statistics

    def __len__(self) -> int:
        """Give the number of points."""
        return len(self.points)

    def __iter__(self) -> Iterator[FrontPoint]:
        """Go through the points by rising budget."""
        return iter(self.points)

    def column(self, name: str) -> Array:
        """Give one figure of all points, (P,): "limit", "cost", "loss", ..."""
        return np.array([getattr(point, name) for point in self.points])

    def at(self, amount: float) -> FrontPoint | None:
        """Give the point of the largest cost within an absolute amount, or None."""
        within = [point for point in self.points if point.cost <= amount]
        return max(within, key=lambda point: point.cost, default=None)

    def what_if(
        self,
        limits: Mapping[str, float],
        *,
        fixed: Mapping[str, int] | None = None,
        multiple_of: int = 1,
        min_keep: int = 1,
        time_limit: float = 10.0,
    ) -> Allocation:
        """Give the best widths under other budgets or other rules.

        The losses, which took the time, are those of the front; only the allocation is
        solved again, in milliseconds.

        Parameters
        ----------
        limits
            By resource: the absolute amount that may remain.
        fixed
            Widths that groups are frozen at.
        multiple_of, min_keep, time_limit
            See `exact_widths`.

        Raises
        ------
        Unsupported
            The front is over ranks, or over both.
        """
        if self.recipe == JOINT or any(point.factors for point in self.points):
            raise Unsupported(
                f"what_if of a front of recipe {self.recipe!r}: its losses are not of "
                f"widths alone; plan with the other budgets and rules"
            )
        return exact_widths(
            self.stats,
            checked_limits(limits),
            self.losses,
            fixed=fixed,
            multiple_of=multiple_of,
            min_keep=min_keep,
            time_limit=time_limit,
        )


def checked_limits(limits: Mapping[str, float]) -> dict[str, float]:
    """Give limits by known resources; InvalidProblem for anything else."""
    if not limits or not set(limits) <= set(RESOURCES):
        raise InvalidProblem(
            f"limits on {', '.join(map(str, limits)) or 'nothing'}; expected absolute "
            f"amounts of some of {', '.join(RESOURCES)}"
        )
    return {
        name: real_number(f"limits[{name!r}]", amount, 0.0)
        for name, amount in limits.items()
    }


def front_of(
    stats: Statistics,
    losses: Mapping[str, Array],
    over: str,
    *,
    recipe: str,
    budgets: Sequence[float] | None = None,
    points: int = 50,
    time_limit: float = 10.0,
    n_jobs: int | None = None,
    nested: bool = False,
    **rules: Any,
) -> Front:
    """Give the front over one resource.

    Without pairs of groups and without `budgets` it has every breakpoint of the linear
    relaxation, from one sort: each is the best there is at its own cost. Otherwise the
    program is solved at every budget.

    Parameters
    ----------
    stats, losses
        The statistics; by group (size + 1,) the loss when so many classes have gone.
    over
        The resource.
    recipe
        Its name, for the record.
    budgets
        Absolute amounts, where exact points are wanted.
    points
        How many budgets, evenly from the narrowest network to the dense one, where
        they are not given and breakpoints do not come from a sort.
    time_limit
        Seconds for each budget.
    n_jobs
        How many budgets are solved side by side, see `ccsolve.batch.each`.
    nested
        Whether no group is wider at a smaller budget. Breakpoints are so in any case.
        Otherwise budgets are solved one after the other between the widths of the next
        ones, from the largest down, from the smallest up, and from the middle both
        ways; the chain that costs least above the budgets alone is given. Bounds are
        of the budgets alone.
    **rules
        ``multiple_of``, ``min_keep`` and ``fixed``, see `admissible_steps`.
    """
    steps = admissible_steps(stats, **rules)
    rungs = ladders(steps, losses)
    dense = float(stats.cost().of(over))
    widest = float(stats.cost({k: v[-1] for k, v in steps.items()}).of(over))
    wanted = budgets
    if wanted is None:
        program = None
        if over != MEMORY:
            program = allocation_program(stats, {over: widest}, rungs)
        if program is not None and not program.edges:
            found = list(_breakpoints(stats, over, program, rungs))
            return Front(over, recipe, tuple(found), dense, losses, stats)
        narrow = stats.cost({k: v[0] for k, v in steps.items()}).of(over)
        wanted = np.linspace(float(narrow), widest, points).tolist()
    work = partial(_solved, stats, losses, over, time_limit, rules)
    solved = each(work, sorted(wanted), n_jobs=n_jobs)
    if nested:
        solved = iter(_nested(list(solved), work))
    # What was asked for is given; of evenly spaced budgets those that pay.
    chosen = solved if budgets is not None else falling(solved)
    return Front(over, recipe, tuple(chosen), dense, losses, stats)


def _breakpoints(
    stats: Statistics, over: str, program: Any, rungs: Mapping[str, Ladder]
) -> Iterator[FrontPoint]:
    hull = breakpoints(program)
    x = hull.start.copy()
    for place, layer in enumerate(hull.layers):
        if place:
            x[layer] = hull.options[place]
        widths = {
            name: int(rungs[name].widths[option])
            for name, option in zip(rungs, x, strict=True)
        }
        cost, loss = float(stats.cost(widths).of(over)), loss_at(rungs, widths)
        yield FrontPoint(
            limit=cost,
            cost=cost,
            loss=loss,
            # Nothing undercuts a breakpoint at its own cost, up to rounding.
            bound=loss - program.resolution,
            price=float(hull.prices[place]),
            widths=widths,
        )


def _solved(
    stats: Statistics,
    losses: Mapping[str, Array],
    over: str,
    time_limit: float,
    rules: Mapping[str, Any],
    limit: float,
    between: Between | None = None,
) -> FrontPoint:
    found = exact_widths(
        stats, {over: limit}, losses, time_limit=time_limit, between=between, **rules
    )
    return FrontPoint(
        limit=limit,
        cost=float(stats.cost(found.widths).of(over)),
        loss=found.loss,
        bound=found.bound,
        price=found.prices[over],
        widths=found.widths,
    )


def _nested(
    free: list[FrontPoint], solve: Callable[[float, Between], FrontPoint]
) -> list[FrontPoint]:
    """Give the chain of nested points that costs least."""

    def solved(alone: FrontPoint, between: Between) -> FrontPoint:
        return _priced(alone, solve(alone.limit, between))

    found = chains(free, solved)
    return min(found, key=lambda chain: sum(p.nesting for p in chain), default=[])


def _priced(alone: FrontPoint, found: FrontPoint) -> FrontPoint:
    """Give the nested point with the bound and the price of its budget alone."""
    return found._replace(
        bound=min(alone.bound, found.loss),
        price=alone.price,
        nesting=max(0.0, found.loss - alone.loss),
    )


def falling(points: Iterator[FrontPoint]) -> Iterator[FrontPoint]:
    """Leave out what a smaller budget does as well."""
    best = np.inf
    for point in points:
        if point.loss < best:
            best = point.loss
            yield point
