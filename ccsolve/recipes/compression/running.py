"""A site while it is compressed: its running weights, and which units remain."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccsolve.recipes.compression.components import Components, components_of
from ccsolve.recipes.compression.sites import Array, Site


@dataclass(eq=False)
class Running:
    """The state of a site between two steps; it changes in place.

    Attributes
    ----------
    site : what is compressed.
    weights : one (n, d) for each layer: components subtracted, columns of gone classes
        zero.
    gone : (classes,) which classes have gone.
    left : how many components each layer has left.
    """

    site: Site
    weights: list[Array]
    gone: NDArray[np.bool_]
    left: list[int]

    @classmethod
    def start(cls, site: Site) -> "Running":
        """Begin with the dense layers."""
        return cls(
            site,
            [part.weight.copy() for part in site.parts],
            np.zeros(site.classes, dtype=bool),
            [part.components for part in site.parts],
        )

    @property
    def remaining(self) -> int:
        """Number of units of both kinds that have not gone."""
        return int((~self.gone).sum()) + sum(self.left)

    @property
    def loss(self) -> float:
        """What is lost, Σ over the layers of ‖g∘(W' - W)‖²; formula (CC-1)."""
        return sum(
            float(np.vdot(part.squared, np.square(weight - part.weight)))
            for part, weight in zip(self.site.parts, self.weights, strict=True)
        )

    def components(self) -> list[Components]:
        """Give every layer's remaining components."""
        return [
            components_of(weight, count)
            for weight, count in zip(self.weights, self.left, strict=True)
        ]

    def lose_class(self, unit: int) -> None:
        """Remove a channel from all layers that read it."""
        self.gone[unit] = True
        for part, weight in zip(self.site.parts, self.weights, strict=True):
            weight[:, part.unit == unit] = 0.0

    def lose_component(self, place: int, parts: Components, k: int) -> None:
        """Remove a component of a layer; those of gone classes stay zero."""
        self.left[place] -= 1
        lost = np.outer(parts.left[:, k], parts.right[:, k])
        lost[:, ~self.site.parts[place].columns(self.gone)] = 0.0
        self.weights[place] -= lost
