"""The joint recipe: channels and ranks of all layers in one program, repairs priced in.

A layer loses channels that it reads, and becomes a bottleneck: few channels come in,
few go out, the kernel runs between. Both are priced by the rise of the loss once the
layer is fitted again, so that one program shares the budgets over widths and ranks.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ccsolve.criteria import refit_removal
from ccsolve.errors import Infeasible, Unsupported
from ccsolve.plans import Plan
from ccsolve.problems.checks import real_number, whole_number
from ccsolve.recipes.compression.sites import left_out
from ccsolve.recipes.joint_layers import factor, narrow_layers
from ccsolve.recipes.joint_options import Grid
from ccsolve.recipes.joint_program import Decision, Network, Program
from ccsolve.recipes.steps import Steps, admissible_steps
from ccsolve.solution import Solution
from ccsolve.statistics import Statistics
from ccsolve.statistics.cost import COUNTED

RECIPE = "joint"


def plan(
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    levels: int | None = 12,
    leave_out: Collection[str] | None = None,
    multiple_of: int = 1,
    rank_multiple: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
    time_limit: float = 10.0,
    seed: int = 0,
) -> Plan:
    """Choose channels and bottlenecks together: least loss after repair in the budgets.

    The classes of every group go in the order of `refit_removal`; a layer may become a
    bottleneck of (r_out, r_in) channels (`Bottleneck`). Minimised is

        Σ_groups loss(width) + Σ_layers added(widths, r_out, r_in)

    both the predicted rise of the loss after least squares, under the costs of the
    network as it is built: one `RateAllocation` over widths and the efficient ranks at
    each (`Program`), then one over finer ranks at these widths; classes that still fit
    are put back. The objective is the sum of all; the bound is over the widths and
    ranks that the first program offers, for prices are its duals; -inf where what
    came after it loses less.

    Parameters
    ----------
    stats, limits
        Statistics of ``collect(..., layers="moments")``, and by resource ("macs",
        "params") the absolute amount that may remain.
    levels
        How many widths of a group and ranks of each side of a layer are offered, from
        the narrowest to the whole; None for all.
    leave_out
        Layers that do not become bottlenecks; by default the first and the last.
    multiple_of, min_keep, fixed
        See `admissible_steps`.
    rank_multiple
        Ranks are multiples of this, or full.
    time_limit, seed
        Of the programs' solver; each has half of the seconds.

    Raises
    ------
    InvalidProblem
        An option is malformed.
    Unsupported
        A budget on latency or memory, which bottlenecks have no model of.
    MissingStatistics
        Moments of the layers were not collected.
    Infeasible
        A budget is below the cost of the narrowest network allowed.
    """
    _check(limits)
    grid = Grid(
        kinds=tuple(limits),
        levels=None if levels is None else whole_number("levels", levels, 2, 10**6),
        multiple=whole_number("rank_multiple", rank_multiple, 1, 10**9),
        chosen={},
    )
    seconds = 0.5 * real_number("time_limit", time_limit, 0.0)
    seed = whole_number("seed", seed, 0, 2**63)
    steps = admissible_steps(stats, multiple_of, min_keep, fixed)
    network = _network(stats, steps, left_out(stats, leave_out))
    search: dict[str, Any] = {"time_limit": seconds, "seed": seed}
    first, solution = _coarse(network, limits, grid).solved(**search)
    found = _refined(network, limits, grid, first, search)
    decision = _put_back(network, limits, found)
    loss = network.loss(decision)
    bound, prices = _proven(solution, limits, loss)
    return Plan(
        recipe=RECIPE,
        keep={n: network.removals[n].kept(k) for n, k in decision.widths.items()},
        sizes={name: group.size for name, group in stats.groups.items()},
        factors={name: factor(ranks) for name, ranks in decision.ranks.items()},
        achieved=network.cost(decision),
        objective=loss,
        bound=bound,
        prices=prices,
        resolution=solution.resolution if solution else 0.0,
        provenance={
            "levels": levels,
            "leave_out": sorted(left_out(stats, leave_out)),
            "multiple_of": multiple_of,
            "rank_multiple": rank_multiple,
            "min_keep": min_keep,
            "fixed": dict(fixed or {}),
            "seed": seed,
            "objective": "predicted rise of the loss after a refit",
            "bound": "over the widths and ranks that the program offers",
            "solver": _record(network, first, solution),
        },
    )


def _check(limits: Mapping[str, float]) -> None:
    for name in limits:
        if name not in COUNTED:
            raise Unsupported(
                f"recipe {RECIPE!r} with a budget on {name}; expected "
                f"{' or '.join(COUNTED)}, which bottlenecks are counted in"
            )


def _network(stats: Statistics, steps: Steps, whole: set[str]) -> Network:
    removals = {name: refit_removal(stats, name) for name in stats.groups}
    return Network(stats, steps, removals, narrow_layers(stats, steps, removals, whole))


def _coarse(network: Network, limits: Mapping[str, float], grid: Grid) -> Program:
    """Give the program over some widths of every group and some ranks at each."""
    _require_attainable(network, limits, grid)
    widths = {name: _some(step, grid.levels) for name, step in network.steps.items()}
    return Program(network, limits, grid, widths)


def _some(step: list[int], levels: int | None) -> list[int]:
    if levels is None or len(step) <= levels:
        return step
    places = np.linspace(0, len(step) - 1, levels).round().astype(int)
    return [step[place] for place in places]


def _refined(
    network: Network,
    limits: Mapping[str, float],
    grid: Grid,
    first: Decision,
    search: Mapping[str, Any],
) -> Decision:
    """Choose ranks again at the widths found, next to those found as well."""
    widths = {name: [width] for name, width in first.widths.items()}
    near = replace(grid, chosen=first.ranks)
    again, solution = Program(network, limits, near, widths).solved(**search)
    good = solution is not None and network.fits(limits, again)
    if not network.fits(limits, first):
        return again if good else _narrowest(network, grid)
    return again if good and network.loss(again) <= network.loss(first) else first


def _put_back(
    network: Network, limits: Mapping[str, float], decision: Decision
) -> Decision:
    """Put back the step of a group that lowers the loss most, until none fits."""
    loss, closed = network.loss(decision), set[str]()
    while True:
        best, chosen = loss, None
        for name, width in decision.widths.items():
            wider = next((k for k in network.steps[name] if k > width), None)
            if wider is None or name in closed:
                continue
            moved = network.sound({**decision.widths, name: wider}, decision.ranks)
            if not network.fits(limits, moved):
                closed.add(name)  # costs only grow with what is put back
            elif (after := network.loss(moved)) <= best:
                best, chosen = after, moved
        if chosen is None:
            return decision
        loss, decision = best, chosen


def _narrowest(network: Network, grid: Grid) -> Decision:
    """Give the decision of least widths and ranks."""
    widths = {name: step[0] for name, step in network.steps.items()}
    least = {
        name: (outs[0], ins[0])
        for name, layer in network.layers.items()
        for ins, outs in [grid.pairs(layer, widths)]
    }
    return network.sound(widths, least)


def _require_attainable(
    network: Network, limits: Mapping[str, float], grid: Grid
) -> None:
    cost = network.cost(_narrowest(network, grid))
    for name, limit in limits.items():
        if cost[name] > limit:
            raise Infeasible(
                f"budget {name} = {limit:.0f}, but the narrowest network that "
                f"{RECIPE!r} makes takes {cost[name]:.0f}; raise the budget to that, "
                "lower min_keep, multiple_of or rank_multiple, or leave fewer layers "
                "out"
            )


def _proven(
    solution: Solution | None, limits: Mapping[str, float], loss: float
) -> tuple[float, dict[str, float]]:
    """Give bound and prices; where there was nothing to choose there are none.

    Nor is there a bound where finer ranks lose less than it: it is not over those.
    """
    paid = None if solution is None else solution.duals.get("budgets")
    prices = {} if paid is None else dict(zip(limits, paid.tolist(), strict=True))
    if solution is None or solution.bound > loss + solution.resolution:
        return -math.inf, prices
    return min(solution.bound, loss), prices


def _record(
    network: Network, first: Decision, solution: Solution | None
) -> dict[str, Any]:
    if solution is None:
        return {}
    return {
        "method": solution.method,
        "stop": solution.stop.value,
        "seconds": solution.seconds,
        "loss before refinement": network.loss(first),
    }
