"""Collaborative Compression (Li et al., CVPR 2021): channels and ranks on one scale.

Every layer consists of units: its input channels and the singular components of its
weight. What a change of the weights loses is ‖g∘(W' - W)‖², with g the mean gradient of
the loss. Sensitivity curves say what each layer loses at any rate; one program shares
the budget; in each layer the units of least score go one after the other.
"""

from collections.abc import Collection, Mapping
from typing import Any

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.plans import Plan
from ccsolve.problems.checks import real_number, whole_number
from ccsolve.recipes.compression.curves import PATHS, UNITS
from ccsolve.recipes.compression.decisions import TOP, WEIGHTED
from ccsolve.recipes.compression.lookahead import EXACT, FAST
from ccsolve.recipes.compression.paths import Walk
from ccsolve.recipes.compression.sharing import (
    Found,
    Job,
    by_grid,
    by_rates,
    free_steps,
)
from ccsolve.recipes.compression.sites import sites_of
from ccsolve.statistics import Statistics
from ccsolve.statistics.cost import COUNTED

SMOOTH, GRID = "smooth", "exact"

_CHOICES = {
    "lookahead": (FAST, EXACT),
    "allocation": (SMOOTH, GRID),
    "curves": (UNITS, PATHS),
    "truncation": (TOP, WEIGHTED),
}


def plan(
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    allocation: str = "smooth",
    lookahead: str = "fast",
    gamma: float = 0.9,
    batch: float = 0.01,
    curves: str = "units",
    normalised: bool = False,
    weighted: bool = True,
    cap: float = 0.95,
    truncation: str = "top",
    slip: bool = False,
    leave_out: Collection[str] | None = None,
    levels: int | None = 12,
    multiple_of: int = 1,
    rank_multiple: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
    time_limit: float = 10.0,
    n_jobs: int | None = None,
    seed: int = 0,
) -> Plan:
    """Say which channels remain and which layers become chains, together.

    Layers that read the same channels are compressed as one site. With
    ``allocation="smooth"``, as in the paper: every site's sensitivity curve is fitted
    by a·exp(b·C), `SmoothRateAllocation` gives the rates C, and every site's units go
    by their scores (`scores`, look-ahead included) until its rate is reached. The
    paper's costs leave out what the layer before saves; so the rates are raised, by
    bisection, only until the network as it is built is within the budgets, and what
    still fits is put back. With ``allocation="exact"``, one knapsack over (width, rank)
    of all sites takes the place of curves, rates and scores: see `grid_decision`.

    The objective is Σ ‖g∘(W' - W)‖² over the layers as they are built. A bound and
    prices are those of the knapsack; the bound is given where ``levels`` is None and
    no two layers read the same channels, and is over the widths and ranks with the
    channels in their order of worth.

    Parameters
    ----------
    stats, limits
        The statistics, with layers and mean gradients, and by resource ("macs",
        "params") the absolute amount that may remain.
    allocation
        "smooth" or "exact".
    lookahead
        "exact" decomposes every layer once for each channel that is left, "fast" once:
        see `scores`.
    gamma
        Weight of the look-ahead; 0 leaves it out.
    batch
        Share of a site's units that goes in one step.
    curves
        What the exponentials are fitted to: "units", the losses as single units go in
        the order of their own worths (the paper's), or "path", those of the scores'.
    normalised
        Divide every curve by its largest loss, as the authors' code does: it forgets
        which site loses more.
    weighted
        A site's loss counts times its MACs, which gives all sites one marginal loss:
        the authors' rule.
    cap
        The largest rate of a site.
    truncation
        Which components of a chain the losses are counted with: "top", the largest
        (what the authors' code and `ccsolve_torch.apply` make in the end), or
        "weighted", those worth most to the loss, as the search itself goes; their
        weights are `surviving_weights`.
    slip
        Count units of a layer as the authors' code does, min(n, c·k_h) components.
    leave_out
        Layers that stay whole, with the channels that they read; by default the first
        and the last.
    levels
        Of the knapsack: how many widths, and ranks of each, a site may have.
    multiple_of, min_keep, fixed
        See `admissible_steps`.
    rank_multiple
        Ranks are multiples of this.
    time_limit, seed
        Of the knapsack's solver.
    n_jobs
        How many sites are compressed side by side, see `ccsolve.batch.each`.

    Raises
    ------
    InvalidProblem
        An option is malformed.
    Unsupported
        A budget on latency or memory, which chains have no model of; no such option.
    MissingStatistics
        Layers or their gradients were not collected.
    Infeasible
        A budget is below the cost of the narrowest network allowed.
    """
    chosen = dict(
        allocation=allocation, lookahead=lookahead, curves=curves, truncation=truncation
    )
    _check(limits, chosen)
    walk = Walk(lookahead, real_number("gamma", gamma, 0.0), _share("batch", batch))
    sites = sites_of(stats, leave_out, slip=slip)
    steps = free_steps(stats, sites, multiple_of, min_keep, fixed)
    job = Job(
        stats=stats,
        limits=limits,
        sites=sites,
        steps=steps,
        walk=walk,
        multiple=whole_number("rank_multiple", rank_multiple, 1, 10**9),
        truncation=truncation,
    )
    # Where nothing can go there is no program to solve.
    if allocation == GRID and sites:
        most = None if levels is None else whole_number("levels", levels, 2, 10**6)
        found = by_grid(job, levels=most, time_limit=time_limit, seed=seed)
    else:
        found = by_rates(
            job,
            n_jobs=n_jobs,
            curves=curves,
            normalised=bool(normalised),
            weighted=bool(weighted),
            cap=_share("cap", cap),
        )
    options = chosen | dict(
        gamma=gamma,
        batch=batch,
        normalised=normalised,
        weighted=weighted,
        cap=cap,
        slip=slip,
        leave_out=None if leave_out is None else sorted(leave_out),
        levels=levels,
        multiple_of=multiple_of,
        rank_multiple=rank_multiple,
        min_keep=min_keep,
        fixed=dict(fixed or {}),
        seed=seed,
    )
    return _plan(job, found, options)


def _plan(job: Job, found: Found, options: dict[str, Any]) -> Plan:
    network, decision = found.network, found.decision
    cost, loss = network.cost(decision), network.loss_of(decision)
    keep = {name: network.kept(name, k) for name, k in decision.widths.items()}
    return Plan(
        recipe="cc",
        keep=keep,
        sizes={name: group.size for name, group in job.stats.groups.items()},
        factors=network.factors(decision),
        achieved={"macs": cost.macs, "params": cost.params},
        objective=loss,
        bound=min(found.bound, loss),
        prices=found.prices,
        resolution=found.resolution,
        provenance={
            **options,
            "allocated": dict(found.record),
            "bound": "over all widths and ranks, channels in their order of worth",
        },
    )


def _check(limits: Mapping[str, float], chosen: Mapping[str, str]) -> None:
    for name in limits:
        if name not in COUNTED:
            raise Unsupported(
                f"recipe 'cc' with a budget on {name}; expected "
                f"{' or '.join(COUNTED)}, which chains are counted in"
            )
    for name, value in chosen.items():
        if value not in _CHOICES[name]:
            raise Unsupported(
                f"{name} {value!r}; expected one of {', '.join(_CHOICES[name])}"
            )


def _share(name: str, value: Any) -> float:
    share = real_number(name, value, 0.0)
    if not 0.0 < share <= 1.0:
        raise InvalidProblem(f"{name} = {value!r}; expected a share in (0, 1]")
    return share
