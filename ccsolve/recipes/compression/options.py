"""What a site may do in the knapsack: widths, and ranks of its layers, on a grid."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ccsolve.recipes.compression.decisions import Network
from ccsolve.recipes.compression.sites import Array, Site
from ccsolve.recipes.steps import Steps


@dataclass(frozen=True)
class Option:
    """What a site does: its groups' widths, and the ranks of its chains."""

    widths: Mapping[str, int]
    ranks: Mapping[str, int]


def options_of(
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
