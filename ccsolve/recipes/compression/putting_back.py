"""Channels and ranks that go back while the budgets hold."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from ccsolve.recipes.compression.decisions import Decision, Network
from ccsolve.recipes.compression.sites import Site
from ccsolve.recipes.steps import Steps


def put_back(
    network: Network,
    limits: Mapping[str, float],
    steps: Steps,
    decision: Decision,
    multiple: int = 1,
) -> Decision:
    """Put the step back that lowers the loss most per cost, until none fits.

    A step is the next admissible width of a group, or `multiple` ranks of a chain,
    which may make it a plain layer again. Steps that raise the loss are not taken: a
    truncation is not the nearest one in this loss. Costs only grow with what is put
    back, so that a step which does not fit once never fits later.
    """
    losses = {id(site): network.loss(site, decision) for site in network.sites}
    closed: set[str] = set()
    while True:
        best, chosen = 0.0, None
        before = network.cost(decision)
        for name, site, wider in _moves(network, steps, decision, multiple):
            if name in closed:
                continue
            if not network.fits(limits, wider):
                closed.add(name)
                continue
            loss = network.loss(site, wider)
            cost = network.cost(wider)
            price = sum(
                (cost.of(kind) - before.of(kind)) / max(limit, 1e-300)
                for kind, limit in limits.items()
            )
            rate = (losses[id(site)] - loss) / max(price, 1e-300)
            if loss <= losses[id(site)] and (chosen is None or rate > best):
                best, chosen = rate, (site, wider, loss)
        if chosen is None:
            return decision
        site, decision, losses[id(site)] = chosen


def _moves(
    network: Network, steps: Steps, decision: Decision, multiple: int
) -> Iterator[tuple[str, Site, Decision]]:
    """Give every step that goes back, its name and the site that gains."""
    for site in network.sites:
        for group in site.sizes:
            width = decision.widths[group]
            wider = next((step for step in steps[group] if step > width), None)
            if wider is not None:
                widths = {**decision.widths, group: wider}
                yield f"group {group}", site, replace(decision, widths=widths)
        for part in site.parts:
            if part.name in decision.ranks:
                yield (
                    f"layer {part.name}",
                    site,
                    _longer(network, decision, part.name, multiple),
                )


def _longer(
    network: Network, decision: Decision, layer: str, multiple: int
) -> Decision:
    n, d = network.shape(layer, decision.widths)
    rank = (decision.ranks[layer] // multiple + 1) * multiple
    ranks = {**decision.ranks, layer: rank}
    if rank >= min(n, d) or rank * (n + d) >= n * d:
        del ranks[layer]
    return replace(decision, ranks=ranks)
