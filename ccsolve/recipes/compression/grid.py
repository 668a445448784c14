"""The exact counterpart: one knapsack over widths and ranks of all sites.

Every site has options (channel level, rank level); a layer's cost depends on its own
option and on how many filters the site that reads it leaves, so that neighbours have
pair tables and costs are those of the network as it is built.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ccsolve.api import solve
from ccsolve.problems import RateAllocation
from ccsolve.recipes.compression.decisions import Decision, Network
from ccsolve.recipes.compression.sites import Array, Counts, Part, Site
from ccsolve.recipes.steps import Steps
from ccsolve.solution import Solution
from ccsolve.statistics.tables import cost_tables

Tables = dict[tuple[int, int], Array]


@dataclass(frozen=True)
class Option:
    """What a site does: its groups' widths, and the ranks of its chains."""

    widths: Mapping[str, int]
    ranks: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Solved:
    """What the knapsack chose; `whole` where no step was left out."""

    decision: Decision
    solution: Solution
    whole: bool


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

    Losses are those of the layers as they are built, ‖g∘(W' - W)‖² with the channels of
    least worth gone and the kept weight truncated. `levels` widths and as many ranks
    are tried for each site, from the narrowest to the whole; None for all.
    """
    options = [
        _options(network, site, steps, levels, multiple) for site in network.sites
    ]
    program = grid_program(network, limits, steps, options)
    solution = solve(program, time_limit=time_limit, seed=seed)
    chosen = np.zeros(program.n, int) if solution.x is None else solution.x
    widths = {name: step[-1] for name, step in steps.items()}
    ranks: dict[str, int] = {}
    for each, place in zip(options, chosen, strict=True):
        widths.update(each[place].widths)
        ranks.update(each[place].ranks)
    alone = all(len(s.parts) == 1 and len(s.sizes) <= 1 for s in network.sites)
    whole = levels is None and alone
    return Solved(network.sound(widths, ranks, multiple), solution, whole)


def grid_program(
    network: Network,
    limits: Mapping[str, float],
    steps: Steps,
    options: Sequence[Sequence[Option]],
) -> RateAllocation:
    """Give the knapsack: its layers are the sites, its costs the network's."""
    kinds = list(limits)
    fixed, own, pairs = _costs(network, kinds, steps, options)
    dense = {name: step[-1] for name, step in steps.items()}
    losses = [
        [
            network.loss(site, Decision({**dense, **option.widths}, option.ranks))
            for option in each
        ]
        for site, each in zip(network.sites, options, strict=True)
    ]
    budgets = np.maximum(np.array(list(limits.values())) - fixed, 0.0)
    return RateAllocation(losses, own, budgets, pairs)


def _options(
    network: Network, site: Site, steps: Steps, levels: int | None, multiple: int
) -> list[Option]:
    """Give a site's options, the narrowest first."""
    dense = {name: step[-1] for name, step in steps.items()}
    found: dict[tuple, Option] = {}
    for widths in _widths(site, steps, levels):
        for ranks in _ranks(network, site, {**dense, **widths}, levels, multiple):
            key = (*widths.values(), *sorted(ranks.items()))
            found[key] = Option(widths, ranks)
    return list(found.values())


def _widths(site: Site, steps: Steps, levels: int | None) -> Iterator[dict[str, int]]:
    """Give widths of a site's groups, all at one share of their steps."""
    counts = [len(steps[name]) for name in site.sizes]
    for share in _shares(max(counts, default=1), levels):
        yield {
            name: steps[name][round(share * (len(steps[name]) - 1))]
            for name in site.sizes
        }


def _ranks(
    network: Network,
    site: Site,
    widths: Mapping[str, int],
    levels: int | None,
    multiple: int,
) -> Iterator[dict[str, int]]:
    """Give ranks of a site's layers, at one share of what pays; plain layers last."""
    most = {}
    for part in site.parts:
        n, d = network.shape(part.name, widths)
        if part.components and n and d:
            most[part.name] = max((n * d - 1) // (n + d), 0)
    longest = max(most.values(), default=0) // multiple
    for share in _shares(longest, levels) if longest else ():
        ranks = {
            name: multiple
            * (1 + round(share * (longest - 1) * top / max(most.values())))
            for name, top in most.items()
            if top
        }
        yield dict(network.sound(widths, ranks, multiple).ranks)
    yield {}


def _shares(count: int, levels: int | None) -> Array:
    """Give shares from 0 to 1, at most as many as there are places."""
    places = count if levels is None else min(count, levels)
    return np.linspace(0.0, 1.0, places) if places > 1 else np.ones(1)


def _costs(
    network: Network,
    kinds: Sequence[str],
    steps: Steps,
    options: Sequence[Sequence[Option]],
) -> tuple[Array, list[Array], Tables]:
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
    pairs: Tables = {}
    for name, table in tables.own.items():
        if name in owner:
            own[owner[name]] += table[places[name]]
    for (a, b), table in tables.pairs.items():
        rows, columns = places[a][:, None], places[b][None, :]
        if owner[a] == owner[b]:
            own[owner[a]] += table[places[a], places[b]]
        else:
            _add(pairs, owner[a], owner[b], table[rows, columns])
    _add_chains(network, kinds, options, own, pairs)
    _made_positive(own, pairs)
    # What was added and taken off again may be a rounding below nothing.
    return tables.fixed, [np.maximum(each, 0.0) for each in own], pairs


def _used(name: str, options: Sequence[Sequence[Option]]) -> set[int]:
    return {o.widths[name] for each in options for o in each if name in o.widths}


def _add(pairs: Tables, a: int, b: int, table: Array) -> None:
    if a > b:
        a, b, table = b, a, table.swapaxes(0, 1)
    pairs[a, b] = pairs[a, b] + table if (a, b) in pairs else np.array(table)


def _add_chains(
    network: Network,
    kinds: Sequence[str],
    options: Sequence[Sequence[Option]],
    own: list[Array],
    pairs: Tables,
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
                _add(pairs, s, beside, more[:, :, None] * price)


def _columns(network: Network, site: Site, part: Part, option: Option) -> int:
    return int(part.columns(network.gone(site, option.widths)).sum())


def _rows(network: Network, part: Part, option: Option) -> int:
    """Give the filters that are left where the option is of their group."""
    widths = {name: len(count) for name, count in part.rows.items()}
    return network.filters(part, {**widths, **option.widths})


def _more(n: Counts, d: Counts, ranks: Counts) -> Array:
    """Give the weights that chains have more, where there is one; never above 0.

    A rank that the filters leave no room for is lowered; a chain of more weights is
    not made.
    """
    more = np.minimum(np.minimum(ranks, n), d) * (n + d) - n * d
    return np.where(ranks > 0, np.minimum(more, 0), 0).astype(float)


def _made_positive(own: list[Array], pairs: Tables) -> None:
    """Move the least entries of each pair table to the options they belong to."""
    for (a, b), table in pairs.items():
        least = np.minimum(table.min(axis=0), 0.0)
        own[b] += least
        table -= least
        least = np.minimum(table.min(axis=1), 0.0)
        own[a] += least
        table -= least[:, None]
