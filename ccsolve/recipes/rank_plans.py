"""A plan of ranks: the options of all layers, the program, and what it leaves."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from ccsolve.errors import InvalidProblem, MissingStatistics, Unsupported
from ccsolve.factors import Factor
from ccsolve.plans import Plan
from ccsolve.recipes.chain_options import check_mapping
from ccsolve.recipes.chains import Chainable, chainables
from ccsolve.recipes.rank_allocation import Shares, shared, spent
from ccsolve.recipes.rank_grids import Fixed
from ccsolve.recipes.ranks import (
    UNITS,
    Choices,
    Rules,
    Times,
    choices,
    require_strides,
)
from ccsolve.statistics import Cost, Statistics
from ccsolve.statistics.cost import COUNTED


class Search(NamedTuple):
    """The limits of the program."""

    time_limit: float
    gap: float
    seed: int


@dataclass(frozen=True, eq=False)
class Offers:
    """What layers may become, and what everything else costs.

    Attributes
    ----------
    chains : the layers, by name.
    options : theirs, with costs of the resources in their order.
    times : microseconds by layer and ranks, where latency has a budget.
    fixed : ranks by layer.
    total : the dense network's cost.
    rest : by resource, what all else of the network costs.
    """

    chains: Mapping[str, Chainable]
    options: Mapping[str, Choices]
    times: Mapping[str, Times]
    fixed: Mapping[str, Fixed]
    total: Cost
    rest: Mapping[str, float]


def offers_of(
    stats: Statistics,
    resources: Sequence[str],
    rules: Rules,
    times: Mapping[str, Times] | None,
    fixed: Mapping[str, Fixed] | None,
) -> Offers:
    """Give the options of all layers; errors as of the recipe "svd"."""
    chains = chainables(stats)
    require_strides(chains, rules)
    held, clocked = _checked(chains, resources, fixed, times)
    options = {
        name: choices(
            *(stats.layers[name], chain, rules, resources),
            clocked.get(name),
            held.get(name),
        )
        for name, chain in chains.items()
    }
    total = stats.cost()
    rest = {
        name: total.of(name) - math.fsum(_dense(name, chains, clocked))
        for name in resources
    }
    return Offers(chains, options, clocked, held, total, rest)


def plan_of(
    stats: Statistics,
    limits: Mapping[str, float],
    rules: Rules,
    times: Mapping[str, Times] | None,
    fixed: Mapping[str, Fixed] | None,
    search: Search,
) -> Plan:
    """Give the plan; parameters and errors as of the recipe "svd"."""
    offers = offers_of(stats, tuple(limits), rules, times, fixed)
    shares = shared(offers.options, offers.rest, limits, **search._asdict())
    solution = shares.solution
    return Plan(
        recipe=rules.format,
        keep={name: np.arange(group.size) for name, group in stats.groups.items()},
        sizes={name: group.size for name, group in stats.groups.items()},
        factors=factors_of(offers.options, shares.chosen),
        achieved=_achieved(offers, shares, limits),
        objective=shares.objective,
        bound=min(solution.bound, shares.objective),
        prices=dict(zip(limits, shares.prices, strict=True)),
        resolution=solution.resolution,
        provenance={
            **asdict(rules),
            "fixed": dict(offers.fixed),
            **search._asdict(),
            "objective": UNITS[rules.metric],
            "price": UNITS[rules.metric],
            "bound": "over the ranks that were offered, on these losses",
            "solver": {
                "method": solution.method,
                "stop": solution.stop.value,
                "seconds": solution.seconds,
            },
            "layers": {
                name: _record(offers.options[name], option)
                for name, option in shares.chosen.items()
            },
        },
    )


def _checked(
    chains: Mapping[str, Chainable],
    resources: Sequence[str],
    fixed: Mapping[str, Fixed] | None,
    times: Mapping[str, Times] | None,
) -> tuple[dict[str, Fixed], dict[str, Times]]:
    """Give what is fixed, and the times where latency has a budget."""
    if "memory" in resources:
        raise Unsupported(
            "memory: what chains hold at once is not known before they are made; "
            "expected budgets on macs, params or latency"
        )
    for given, what in ((fixed, "fixed"), (times, "times")):
        check_mapping(what, given)
        for name in given or {}:
            if name not in chains:
                raise InvalidProblem(
                    f"{what} names {name!r}, which is no layer that can be a chain; "
                    f"expected among {', '.join(chains)[:200]}"
                )
    if "latency" not in resources:
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


def factors_of(
    options: Mapping[str, Choices], chosen: Mapping[str, int]
) -> dict[str, Factor]:
    """Give the factors of the layers that become chains."""
    picked = {name: options[name].factors[option] for name, option in chosen.items()}
    return {name: factor for name, factor in picked.items() if factor is not None}


def _achieved(
    offers: Offers, shares: Shares, limits: Mapping[str, float]
) -> dict[str, float]:
    """Give what remains of the resources that are known of chains."""
    made = {name: getattr(offers.total, name) for name in COUNTED}
    for name, factor in factors_of(offers.options, shares.chosen).items():
        chain = offers.chains[name]
        after, before = chain.as_factored(factor), chain.dense()
        made = {kind: made[kind] - before[kind] + after[kind] for kind in COUNTED}
    if "latency" in limits:
        paid = spent(offers.options, shares.chosen)[list(limits).index("latency")]
        made["latency"] = offers.rest["latency"] + paid
    return made


def _record(item: Choices, option: int) -> dict[str, Any]:
    factor = item.factors[option]
    return {
        "ranks": None if factor is None else factor.ranks,
        "loss": float(item.losses[option]),
        "options": len(item.factors),
    }
