"""What is decided of a network's sites, what it truly costs and what it loses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ccsolve.factors import Factor
from ccsolve.recipes.compression.prices import Entrywise, Price
from ccsolve.recipes.compression.sites import Counts, Part, Site
from ccsolve.statistics import Cost, Statistics


@dataclass(frozen=True)
class Decision:
    """A width for every group, and a rank for every layer that becomes a chain."""

    widths: Mapping[str, int]
    ranks: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Network:
    """A network's sites with an order of removal for every group.

    Attributes
    ----------
    stats, sites : what is compressed.
    orders : group -> its classes, those first that go first.
    price : what layers lose with what they have left.
    """

    stats: Statistics
    sites: Sequence[Site]
    orders: Mapping[str, Counts]
    price: Price = field(default_factory=Entrywise)

    @cached_property
    def parts(self) -> dict[str, tuple[Site, Part]]:
        """Layer name -> its site and itself."""
        return {part.name: (site, part) for site in self.sites for part in site.parts}

    def kept(self, group: str, width: int) -> Counts:
        """Give the classes of a group that stay at a width, sorted."""
        size = self.stats.groups[group].size
        if group not in self.orders:
            return np.arange(size)
        return np.sort(self.orders[group][size - width :])

    def gone(self, site: Site, widths: Mapping[str, int]) -> NDArray[np.bool_]:
        """Say which classes of a site have gone at the widths, (classes,)."""
        found = np.ones(site.classes, dtype=bool)
        for name in site.sizes:
            found[site.starts[name] + self.kept(name, widths[name])] = False
        return found

    def shape(self, layer: str, widths: Mapping[str, int]) -> tuple[int, int]:
        """Give filters and columns of a layer that are left at the widths."""
        site, part = self.parts[layer]
        d = int(part.columns(self.gone(site, widths)).sum())
        return self.filters(part, widths), d

    def filters(self, part: Part, widths: Mapping[str, int]) -> int:
        """Give how many filters of a layer are left at the widths."""
        lost = sum(
            int(count.sum() - count[self.kept(name, widths[name])].sum())
            for name, count in part.rows.items()
        )
        return len(part.weight) - lost

    def cost(self, decision: Decision) -> Cost:
        """Give the MACs and parameters of the network with its chains.

        A chain of rank r has r·(d + n) weights in place of n·d.
        """
        whole = self.stats.cost(decision.widths)
        macs, params = whole.macs, whole.params
        for layer, rank in decision.ranks.items():
            n, d = self.shape(layer, decision.widths)
            more = rank * (n + d) - n * d
            params += more
            macs += _exact(self.parts[layer][1].macs) * more
        return Cost(macs, params)

    def fits(self, limits: Mapping[str, float], decision: Decision) -> bool:
        """Say whether the cost is within every limit."""
        cost = self.cost(decision)
        return all(cost.of(name) <= limit for name, limit in limits.items())

    def sound(
        self, widths: Mapping[str, int], ranks: Mapping[str, int], multiple: int = 1
    ) -> Decision:
        """Give the decision with chains only where they have fewer weights.

        Ranks are rounded down to multiples, at least one of them, and to full rank.
        """
        chains = {}
        for layer, rank in ranks.items():
            n, d = self.shape(layer, widths)
            rank = max(rank // multiple * multiple, multiple)
            rank = min(rank, n, d)
            if rank * (n + d) < n * d:
                chains[layer] = rank
        return Decision(dict(widths), chains)

    def loss(self, site: Site, decision: Decision) -> float:
        """Give what a site's layers lose as they are in the end."""
        gone = self.gone(site, decision.widths)
        return sum(
            self._loss(part, part.columns(gone), decision.ranks.get(part.name))
            for part in site.parts
        )

    def _loss(self, part: Part, left: NDArray[np.bool_], rank: int | None) -> float:
        losses = self.price(part, left)
        most = len(losses) - 1
        return float(losses[most if rank is None else min(rank, most)])

    def loss_of(self, decision: Decision) -> float:
        """Give the loss of all sites."""
        return sum(self.loss(site, decision) for site in self.sites)

    def factors(self, decision: Decision) -> dict[str, Factor]:
        """Give the factors of the layers that become chains."""
        return {layer: Factor("svd", rank) for layer, rank in decision.ranks.items()}


def _exact(value: float) -> int | float:
    return int(value) if float(value).is_integer() else value
