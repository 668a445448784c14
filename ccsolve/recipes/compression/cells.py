"""What no decision between the options of a grid is below: a bound for all of them.

Every admissible decision has an option that it is nowhere narrower than: the largest of
them. It costs no less than this option, and belongs to its cell, which reaches to the
next one. With the least loss of its cell in place of its own, the knapsack over the
options bounds the one over all decisions from below.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from ccsolve.recipes.compression.decisions import Decision, Network
from ccsolve.recipes.compression.options import Option
from ccsolve.recipes.compression.sites import Array, Part, Site
from ccsolve.recipes.steps import Steps

Level = tuple[tuple[str, int], ...]
"""The widths of a site's groups, by name."""


def cell_losses(
    network: Network, site: Site, steps: Steps, options: Sequence[Option]
) -> list[float]:
    """Give by option what no decision in its cell loses less than.

    Of a site of one layer and at most one group that is the least over all widths and
    ranks of the cell. Where several share, a decision leaves a cell with one of them,
    the others anywhere: then it is what the channels of that one lose alone.
    """
    every = (tuple(option.widths.items()) for option in options)
    levels: list[Level] = list(dict.fromkeys(every))
    following = dict(zip(levels, [*levels[1:], None], strict=True))
    if not site.alone:
        least = {
            level: _by_channels(network, site, steps, level, following[level])
            for level in levels
        }
        return [least[tuple(option.widths.items())] for option in options]
    (part,), found = site.parts, list[float]()
    for level in levels:
        ladders = list(_ladders(network, site, steps, level, following[level]))
        inside = [o for o in options if tuple(o.widths.items()) == level]
        found += _by_ranks(part, ladders, inside)
    # The options of a level stand together.
    return found


def _by_channels(
    network: Network, site: Site, steps: Steps, level: Level, after: Level | None
) -> float:
    """Give the least that one group loses below the next level; nothing at the last."""
    whole = {name: step[-1] for name, step in steps.items()}
    if after is None:
        return 0.0
    least = np.inf
    for (name, width), (_, end) in zip(level, after, strict=True):
        inside = [step for step in steps[name] if width <= step < end]
        if inside:
            widest = Decision({**whole, name: inside[-1]}, {})
            least = min(least, network.loss(site, widest))
    return least


def _ladders(
    network: Network,
    site: Site,
    steps: Steps,
    level: Level,
    after: Level | None,
) -> Iterator[tuple[int, Array]]:
    """Give the largest rank that pays, and the losses at all, by width of a level."""
    (part,) = site.parts
    dense = {name: step[-1] for name, step in steps.items()}
    ends = dict(after or ())
    inside = [
        {name: step}
        for name, width in level
        for step in steps[name]
        if width <= step and (after is None or step < ends[name])
    ]
    for widths in inside or [{}]:
        n, d = network.shape(part.name, {**dense, **widths})
        left = part.columns(network.gone(site, widths))
        yield (
            max((n * d - 1) // (n + d), 0) if n and d else 0,
            network.price(part, left),
        )


def _by_ranks(
    part: Part, ladders: list[tuple[int, Array]], options: list[Option]
) -> Iterator[float]:
    """Give the least loss of each option's cell of ranks, at the widths of a level."""
    ranks = sorted(option.ranks[part.name] for option in options if option.ranks)
    for option in options:
        if option.ranks:
            at = ranks.index(option.ranks[part.name])
            low = option.ranks[part.name] if at else 0
            high = ranks[at + 1] if at + 1 < len(ranks) else None
            yield min(_least(found, low, high or most + 1) for most, found in ladders)
        else:
            # Where no chain pays at the narrowest width of the level, one may beyond.
            yield min(
                float(found[-1] if ranks else found.min()) for _, found in ladders
            )


def _least(losses: Array, low: int, high: int) -> float:
    """Give the least loss of the ranks from low to below high, those that there are."""
    last = len(losses) - 1
    return float(np.min(losses[min(low, last) : max(high, low + 1)]))
