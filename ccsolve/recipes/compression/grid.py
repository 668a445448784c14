"""The exact counterpart: one knapsack over widths and ranks of all sites.

Every site has options (channel level, rank level); a layer's cost depends on its own
option and on how many filters the site that reads it leaves, so that neighbours have
pair tables and costs are those of the network as it is built.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ccsolve.api import solve
from ccsolve.problems import RateAllocation
from ccsolve.recipes.compression.cells import cell_losses
from ccsolve.recipes.compression.decisions import Decision, Network
from ccsolve.recipes.compression.options import Option, options_of
from ccsolve.recipes.compression.sites import Array, Counts, Part, Site
from ccsolve.recipes.option_tables import PairTables, add_table, made_positive
from ccsolve.recipes.steps import Steps
from ccsolve.solution import Solution
from ccsolve.statistics.tables import cost_tables


@dataclass(frozen=True, eq=False)
class Solved:
    """What the knapsack chose, and a bound on all decisions, on its grid or not."""

    decision: Decision
    solution: Solution
    bound: float


def grid_decision(
    network: Network,
    limits: Mapping[str, float],
    steps: Steps,
    *,
    levels: int | None,
    multiple: int,
    time_limit: float,
    seed: int,
) -> Solved:
    """Choose one option for every site: least loss within the limits.

    Losses are those of the layers as they are built, channels going in the network's
    orders and the kept weight truncated. `levels` widths and as many ranks are tried
    for each site, from the narrowest to the whole; None for all. Where these are not
    all that there is, a second knapsack, with the least losses between them, gives the
    bound (`cell_losses`); each has half of the seconds.
    """
    sites = network.sites
    options = [options_of(network, site, steps, levels, multiple) for site in sites]
    costs = _costs(network, list(limits), steps, options)
    losses = [
        [_loss(network, site, steps, option) for option in each]
        for site, each in zip(sites, options, strict=True)
    ]
    whole = levels is None and all(site.alone for site in sites)
    seconds = time_limit if whole else 0.5 * time_limit
    program = _program(limits, costs, losses)
    solution = solve(program, time_limit=seconds, seed=seed)
    bound = solution.bound
    if not whole:
        least = [
            np.minimum(cell_losses(network, site, steps, each), own)
            for site, each, own in zip(sites, options, losses, strict=True)
        ]
        below = _program(limits, costs, least)
        bound = solve(below, time_limit=seconds, seed=seed).bound
    return Solved(
        _decided(network, steps, options, solution, multiple), solution, bound
    )


def _program(
    limits: Mapping[str, float],
    costs: tuple[Array, list[Array], PairTables],
    losses: Sequence[Sequence[float] | Array],
) -> RateAllocation:
    """Give the knapsack: its layers are the sites, its costs the network's."""
    fixed, own, pairs = costs
    budgets = np.maximum(np.array(list(limits.values())) - fixed, 0.0)
    return RateAllocation(losses, own, budgets, pairs)


def _loss(network: Network, site: Site, steps: Steps, option: Option) -> float:
    dense = {name: step[-1] for name, step in steps.items()}
    return network.loss(site, Decision({**dense, **option.widths}, option.ranks))


def _decided(
    network: Network,
    steps: Steps,
    options: Sequence[Sequence[Option]],
    solution: Solution,
    multiple: int,
) -> Decision:
    """Put the chosen options together; without a choice the narrowest."""
    chosen = np.zeros(len(options), int) if solution.x is None else solution.x
    widths = {name: step[-1] for name, step in steps.items()}
    ranks: dict[str, int] = {}
    for each, place in zip(options, chosen, strict=True):
        widths.update(each[place].widths)
        ranks.update(each[place].ranks)
    return network.sound(widths, ranks, multiple)


def _costs(
    network: Network,
    kinds: Sequence[str],
    steps: Steps,
    options: Sequence[Sequence[Option]],
) -> tuple[Array, list[Array], PairTables]:
    """Give the fixed costs (B,), those of the options (K, B), and of pairs."""
    grids = {
        name: sorted({step[-1], *_used(name, options)}) for name, step in steps.items()
    }
    tables = cost_tables(network.stats, kinds, grids)
    owner = {name: s for s, site in enumerate(network.sites) for name in site.sizes}
    places = {
        name: np.array([grids[name].index(o.widths[name]) for o in options[s]])
        for name, s in owner.items()
    }
    own = [np.zeros((len(each), len(kinds))) for each in options]
    pairs: PairTables = {}
    for name, table in tables.own.items():
        if name in owner:
            own[owner[name]] += table[places[name]]
    for (a, b), table in tables.pairs.items():
        rows, columns = places[a][:, None], places[b][None, :]
        if owner[a] == owner[b]:
            own[owner[a]] += table[places[a], places[b]]
        else:
            add_table(pairs, owner[a], owner[b], table[rows, columns])
    _add_chains(network, kinds, options, own, pairs)
    return tables.fixed, made_positive(own, pairs), pairs


def _used(name: str, options: Sequence[Sequence[Option]]) -> set[int]:
    return {o.widths[name] for each in options for o in each if name in o.widths}


def _add_chains(
    network: Network,
    kinds: Sequence[str],
    options: Sequence[Sequence[Option]],
    own: list[Array],
    pairs: PairTables,
) -> None:
    """Add what chains cost more than plain layers, by their own and the next site."""
    owner = {name: s for s, site in enumerate(network.sites) for name in site.sizes}
    for s, site in enumerate(network.sites):
        for part in (part for part in site.parts if part.components):
            price = np.array([part.macs if kind == "macs" else 1.0 for kind in kinds])
            ranks = np.array([option.ranks.get(part.name, 0) for option in options[s]])
            columns = np.array([_columns(network, site, part, o) for o in options[s]])
            beside = next((owner[name] for name in part.rows if name in owner), s)
            rows = np.array([_rows(network, part, o) for o in options[beside]])
            if beside == s:
                own[s] += _more(rows, columns, ranks)[:, None] * price
            else:
                more = _more(rows[None, :], columns[:, None], ranks[:, None])
                add_table(pairs, s, beside, more[:, :, None] * price)


def _columns(network: Network, site: Site, part: Part, option: Option) -> int:
    return int(part.columns(network.gone(site, option.widths)).sum())


def _rows(network: Network, part: Part, option: Option) -> int:
    """Give the filters that are left where the option is of their group."""
    widths = {name: len(count) for name, count in part.rows.items()}
    return network.filters(part, {**widths, **option.widths})


def _more(n: Counts, d: Counts, ranks: Counts) -> Array:
    """Give the weights that chains have more, where there is one; never above 0.

    A chain of more weights is not made, such as of a rank that there is no room for.
    """
    return np.where(ranks > 0, np.minimum(ranks * (n + d) - n * d, 0), 0).astype(float)
