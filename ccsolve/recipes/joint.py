"""The joint recipe: channels and ranks of all layers in one program, repairs priced in.

A layer loses channels that it reads, and becomes a bottleneck: few channels come in,
few go out, the kernel runs between. Both are priced by the rise of the loss once the
layer is fitted again, so that one program shares the budgets over widths and ranks.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ccsolve.errors import Unsupported
from ccsolve.factors import Factor
from ccsolve.plans import Plan
from ccsolve.problems.checks import real_number, whole_number
from ccsolve.recipes.compression.sites import left_out
from ccsolve.recipes.joint_layers import factor
from ccsolve.recipes.joint_program import Decision, Network
from ccsolve.recipes.joint_search import RECIPE, Found, Search
from ccsolve.statistics import Statistics
from ccsolve.statistics.cost import COUNTED


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
    check_kinds(limits)
    seconds = real_number("time_limit", time_limit, 0.0)
    seed = whole_number("seed", seed, 0, 2**63)
    rules = {"multiple_of": multiple_of, "min_keep": min_keep, "fixed": fixed}
    offers = {"levels": levels, "leave_out": leave_out, "rank_multiple": rank_multiple}
    search = Search.of(stats, tuple(limits), **offers, **rules)  # pyright: ignore
    found = search.within(limits, time_limit=seconds, seed=seed)
    network, decision = search.network, found.decision
    return Plan(
        recipe=RECIPE,
        keep={n: network.removals[n].kept(k) for n, k in decision.widths.items()},
        sizes={name: group.size for name, group in stats.groups.items()},
        factors=factors_of(decision),
        achieved=found.cost,
        objective=found.loss,
        bound=found.bound,
        prices=found.prices,
        resolution=found.solution.resolution if found.solution else 0.0,
        provenance={
            **offers,
            "leave_out": sorted(left_out(stats, leave_out)),
            **rules,
            "fixed": dict(fixed or {}),
            "seed": seed,
            "objective": "predicted rise of the loss after a refit",
            "bound": "over the widths and ranks that the program offers",
            "solver": _record(network, found),
        },
    )


def check_kinds(kinds: Iterable[str]) -> None:
    """Refuse budgets that bottlenecks have no model of."""
    for name in kinds:
        if name not in COUNTED:
            raise Unsupported(
                f"recipe {RECIPE!r} with a budget on {name}; expected "
                f"{' or '.join(COUNTED)}, which bottlenecks are counted in"
            )


def factors_of(decision: Decision) -> dict[str, Factor]:
    """Give the chains that layers of some ranks become."""
    return {name: factor(ranks) for name, ranks in decision.ranks.items()}


def _record(network: Network, found: Found) -> dict[str, Any]:
    if found.solution is None:
        return {}
    return {
        "method": found.solution.method,
        "stop": found.solution.stop.value,
        "seconds": found.solution.seconds,
        "loss before refinement": network.loss(found.coarse),
    }
