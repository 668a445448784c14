"""Ranks shared over the layers by a program: which layers become chains, and of what.

Every layer has one option for each rank (of "tucker" and "tt" for each pair) and one to
stay as it is; a `RateAllocation` takes one of each. Published work sets ranks by hand,
or prices one budget (Idelbayev and Carreira-Perpiñán, CVPR 2020, whose inner step is
that program's Lagrangian).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from ccsolve.errors import InvalidProblem, MissingStatistics, Unsupported
from ccsolve.factors import SPLITS, Factor
from ccsolve.plans import Plan
from ccsolve.recipes.chains import Chainable, chainables
from ccsolve.recipes.rank_allocation import Shares, shared, spent
from ccsolve.recipes.ranks import (
    Choices,
    Rules,
    Times,
    choices,
    require_strides,
    rules_of,
)
from ccsolve.statistics import Cost, Statistics
from ccsolve.statistics.cost import COUNTED


class Search(NamedTuple):
    """The limits of the program."""

    time_limit: float
    gap: float
    seed: int


def svd(
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    split: str = "channel",
    metric: str = "auto",
    times: Mapping[str, Times] | None = None,
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
    time_limit: float = 10.0,
    gap: float = 1e-6,
    seed: int = 0,
) -> Plan:
    """Give every layer a rank, or leave it as it is: chains of two layers.

    The objective is the sum of the layers' losses, the bound is over all ranks that
    `multiple_of` and `min_keep` allow. Nothing fits any more: no layer can have a rank
    of less loss without breaking a budget.

    Parameters
    ----------
    stats, limits
        The statistics, and by resource the absolute amount that may remain.
    split
        "channel" or "spatial", see `Factor`; layers with fewer than two kernel axes
        are split along channels. "spatial" takes the metric "weights".
    metric
        How a layer's loss at a rank is measured. "weights": ‖W - Z‖² / ‖W‖². "inputs":
        E‖(W - Z)x‖² / E‖Wx‖². "loss": the rise of the loss, by the Gauss-Newton of the
        layer's outputs, ½E[εᵀMε] with ε = (W - Z)x. "auto": the last of these for which
        all layers have statistics. Z is the fit that `apply` makes: of the inputs'
        moment where the metric has one (give `apply` a calibration, or `factorise`
        these statistics), else of the weights.
    times
        For a budget on latency: layer -> ranks (a tuple) -> microseconds, () for the
        layer as it is; what has no time is no option. `ccsolve_torch.measure_chains`
        measures them.
    multiple_of, min_keep
        Ranks are multiples of the one, and no less than the other.
    fixed
        Layer -> the rank that it has, 0 to stay as it is.
    time_limit, gap, seed
        Of the program.

    Raises
    ------
    Infeasible
        A budget is below what the smallest ranks allowed cost.
    MissingStatistics
        No layer's weight was collected, or not what the metric needs.
    Unsupported
        A budget on memory: what chains hold is not known before they are made.
    """
    if split not in SPLITS:
        raise InvalidProblem(f"split {split!r}; expected one of {', '.join(SPLITS)}")
    if split == "spatial" and metric not in ("auto", "weights"):
        raise Unsupported(f"split 'spatial' with metric {metric!r}; expected 'weights'")
    metric = "weights" if split == "spatial" else metric
    rules = rules_of(stats, "svd", split, metric, multiple_of, min_keep)
    search = Search(time_limit, gap, seed)
    return _plan(stats, limits, rules, times, fixed, search)


def tucker(
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    metric: str = "auto",
    times: Mapping[str, Times] | None = None,
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
    time_limit: float = 10.0,
    gap: float = 1e-6,
    seed: int = 0,
) -> Plan:
    """Give every layer ranks of its output and input channels: chains of three layers.

    The loss of a pair of ranks is that of the higher-order SVD, from one eigenvalue
    problem for each side, see `two_sided_losses`: fits do no worse in the weights. At
    most 32 ranks of each side, evenly spread, are paired; the bound is over these.
    Kernels of one weight, and linear layers, become chains of two layers.

    Parameters and errors as of the recipe "svd".
    """
    rules = rules_of(stats, "tucker", "channel", metric, multiple_of, min_keep)
    search = Search(time_limit, gap, seed)
    return _plan(stats, limits, rules, times, fixed, search)


def tt(
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    metric: str = "auto",
    times: Mapping[str, Times] | None = None,
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
    time_limit: float = 10.0,
    gap: float = 1e-6,
    seed: int = 0,
) -> Plan:
    """Give every layer the ranks of a tensor train (n_out, kernel, n_in).

    Its chain, its cost and the bound on its loss are those of "tucker" with the same
    ranks; the fit truncates bond by bond.

    Parameters and errors as of the recipe "svd".
    """
    rules = rules_of(stats, "tt", "channel", metric, multiple_of, min_keep)
    search = Search(time_limit, gap, seed)
    return _plan(stats, limits, rules, times, fixed, search)


def _plan(
    stats: Statistics,
    limits: Mapping[str, float],
    rules: Rules,
    times: Mapping[str, Times] | None,
    fixed: Mapping[str, int] | None,
    search: Search,
) -> Plan:
    chains = chainables(stats)
    require_strides(chains, rules)
    held, clocked = _checked(chains, limits, fixed, times)
    options = {
        name: choices(
            *(stats.layers[name], chain, rules, tuple(limits)),
            clocked.get(name),
            held.get(name),
        )
        for name, chain in chains.items()
    }
    total = stats.cost()
    rest = {
        name: total.of(name) - math.fsum(_dense(name, chains, clocked))
        for name in limits
    }
    shares = shared(options, rest, limits, **search._asdict())
    solution = shares.solution
    return Plan(
        recipe=rules.format,
        keep={name: np.arange(group.size) for name, group in stats.groups.items()},
        sizes={name: group.size for name, group in stats.groups.items()},
        factors=dict(_factors(options, shares.chosen)),
        achieved=_achieved(total, chains, clocked, options, shares, limits),
        objective=shares.objective,
        bound=min(solution.bound, shares.objective),
        prices=dict(zip(limits, shares.prices, strict=True)),
        resolution=solution.resolution,
        provenance={
            **asdict(rules),
            "fixed": held,
            **search._asdict(),
            "bound": "over the ranks that were offered, on these losses",
            "solver": {
                "method": solution.method,
                "stop": solution.stop.value,
                "seconds": solution.seconds,
            },
            "layers": {
                name: _record(options[name], option)
                for name, option in shares.chosen.items()
            },
        },
    )


def _checked(
    chains: Mapping[str, Chainable],
    limits: Mapping[str, float],
    fixed: Mapping[str, int] | None,
    times: Mapping[str, Times] | None,
) -> tuple[dict[str, int], dict[str, Times]]:
    """Give what is fixed, and the times where latency has a budget."""
    if "memory" in limits:
        raise Unsupported(
            "memory: what chains hold at once is not known before they are made; "
            "expected budgets on macs, params or latency"
        )
    for given, what in ((fixed, "fixed"), (times, "times")):
        for name in given or {}:
            if name not in chains:
                raise InvalidProblem(
                    f"{what} names {name!r}, which is no layer that can be a chain; "
                    f"expected among {', '.join(chains)[:200]}"
                )
    if "latency" not in limits:
        return dict(fixed or {}), {}
    if not times:
        raise MissingStatistics(
            "latency: no times of chains are given; measure them with "
            "ccsolve_torch.measure_chains and give times="
        )
    for name, known in times.items():
        if () not in known or not all(0 < time < math.inf for time in known.values()):
            raise InvalidProblem(
                f"times[{name!r}]: expected finite microseconds > 0 by ranks, and () "
                f"for the layer as it is"
            )
    return dict(fixed or {}), dict(times)


def _dense(
    resource: str, chains: Mapping[str, Chainable], times: Mapping[str, Times]
) -> Iterator[float]:
    """Give what each layer takes as it is."""
    if resource == "latency":
        return (known[()] for known in times.values())
    return (chain.dense()[resource] for chain in chains.values())


def _factors(
    options: Mapping[str, Choices], chosen: Mapping[str, int]
) -> Iterator[tuple[str, Factor]]:
    for name, option in chosen.items():
        factor = options[name].factors[option]
        if factor is not None:
            yield name, factor


def _achieved(
    total: Cost,
    chains: Mapping[str, Chainable],
    times: Mapping[str, Times],
    options: Mapping[str, Choices],
    shares: Shares,
    limits: Mapping[str, float],
) -> dict[str, float]:
    """Give what remains of the resources that are known of chains."""
    made = {name: getattr(total, name) for name in COUNTED}
    for name, factor in _factors(options, shares.chosen):
        chain = chains[name]
        after, before = chain.as_factored(factor), chain.dense()
        made = {kind: made[kind] - before[kind] + after[kind] for kind in COUNTED}
    if "latency" in limits:
        rest = total.of("latency") - math.fsum(_dense("latency", chains, times))
        paid = spent(options, shares.chosen)[list(limits).index("latency")]
        made["latency"] = rest + paid
    return made


def _record(item: Choices, option: int) -> dict[str, Any]:
    factor = item.factors[option]
    return {
        "ranks": None if factor is None else factor.ranks,
        "loss": float(item.losses[option]),
        "options": len(item.factors),
    }
