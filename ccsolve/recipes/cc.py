"""Collaborative Compression (Li et al., CVPR 2021): channels and ranks on one scale.

Every layer consists of units: its input channels and the singular components of its
weight. What a change of the weights loses is ‖g∘(W' - W)‖², with g the mean gradient of
the loss. Sensitivity curves say what each layer loses at any rate; one program shares
the budget; in each layer the units of least score go one after the other.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from types import MappingProxyType

from ccsolve.plans import Plan
from ccsolve.problems.checks import real_number, whole_number
from ccsolve.recipes.compression.asked import (
    GRID,
    Asked,
    check,
    flag,
    metric_of,
    share,
)
from ccsolve.recipes.compression.metrics import AUTO, CURVATURE, GRADIENT, REFIT
from ccsolve.recipes.compression.paths import Walk
from ccsolve.recipes.compression.prices import Entrywise, Refitted
from ccsolve.recipes.compression.sharing import (
    Found,
    Job,
    by_grid,
    by_rates,
    free_steps,
)
from ccsolve.recipes.compression.sites import left_out, sites_of
from ccsolve.statistics import Statistics

UNITS: Mapping[str, str] = MappingProxyType(
    {
        GRADIENT: "sum of squares of gradient · change",
        CURVATURE: "predicted rise of the loss by single weights",
        REFIT: "predicted rise of the loss after a refit",
    }
)
"""What the objective is, by metric."""


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
    metric: str = AUTO,
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

    The objective is what the metric says of the layers as they are built. Bound and
    prices are the knapsack's. The bound is over all widths and ranks, channels going in
    their order of worth, whatever ``levels`` is; it is tight where that is None and no
    two layers read the same channels.

    Parameters
    ----------
    stats, limits
        The statistics, with what the metric takes, and by resource ("macs", "params")
        the absolute amount that may remain.
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
    metric
        How a layer's change is measured. "gradient", the paper's: ‖g∘(W' - W)‖², g the
        mean gradient of the loss in the weights. "curvature": weight by weight, too,
        by the diagonal of the Gauss-Newton (`entry_worths`). "refit", of "exact" alone:
        what is left of the loss, by the Gauss-Newton in the layer's outputs, once the
        layer is fitted again, channels and rank together (`Refitted`); classes go in
        the order of `refit_removal`. "auto": the paper's for "smooth"; for "exact"
        "refit" where ``collect(..., layers="moments")`` was, else the paper's.
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
    asked = Asked(
        allocation=allocation,
        lookahead=lookahead,
        gamma=real_number("gamma", gamma, 0.0),
        batch=share("batch", batch),
        curves=curves,
        normalised=flag("normalised", normalised),
        weighted=flag("weighted", weighted),
        cap=share("cap", cap),
        truncation=truncation,
        slip=flag("slip", slip),
        leave_out=sorted(left_out(stats, leave_out)),
        levels=None if levels is None else whole_number("levels", levels, 2, 10**6),
        multiple_of=multiple_of,
        rank_multiple=whole_number("rank_multiple", rank_multiple, 1, 10**9),
        min_keep=min_keep,
        fixed=dict(fixed or {}),
        metric=metric_of(stats, metric, allocation, leave_out),
        seed=whole_number("seed", seed, 0, 2**63),
    )
    check(limits, asked)
    job = _job(stats, limits, asked)
    return _plan(job, _found(job, asked, time_limit, n_jobs), asked)


def _job(stats: Statistics, limits: Mapping[str, float], asked: Asked) -> Job:
    sites = sites_of(stats, asked.leave_out, slip=asked.slip, metric=asked.metric)
    refitted = asked.metric == REFIT
    return Job(
        stats=stats,
        limits=limits,
        sites=sites,
        steps=free_steps(stats, sites, asked.multiple_of, asked.min_keep, asked.fixed),
        walk=Walk(asked.lookahead, asked.gamma, asked.batch),
        multiple=asked.rank_multiple,
        price=Refitted.of(stats, sites) if refitted else Entrywise(asked.truncation),
    )


def _found(job: Job, asked: Asked, time_limit: float, n_jobs: int | None) -> Found:
    # Where nothing can go there is no program to solve.
    if asked.allocation == GRID and job.sites:
        search = {"time_limit": time_limit, "seed": asked.seed}
        return by_grid(job, levels=asked.levels, **search)
    return by_rates(
        job,
        n_jobs=n_jobs,
        curves=asked.curves,
        normalised=asked.normalised,
        weighted=asked.weighted,
        cap=asked.cap,
    )


def _plan(job: Job, found: Found, asked: Asked) -> Plan:
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
            **asdict(asked),
            "allocated": dict(found.record),
            "objective": UNITS[asked.metric],
            "price": UNITS[asked.metric],
            "bound": "over all widths and ranks, channels in their order of worth",
        },
    )
