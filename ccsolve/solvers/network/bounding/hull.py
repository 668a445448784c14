"""Where to take the tangent next: the best mixture of the minimisers so far."""

from dataclasses import dataclass, field

import numpy as np

from ccsolve.kernels.network_curves import box_minima
from ccsolve.solvers.network.bounding.separable import Split

ROUNDS = 4_000
"""Of gradients over the mixtures; each takes as many products as there are pairs."""

_FLAT = 1e-12
"""Of the linear terms: what counts as no curvature of the mixtures."""

MOST = 100
"""Points kept; the one of least weight goes first."""


@dataclass
class Hull:
    """Minimisers of separable minorants, and the mixture of least convexified value.

    The bound of a tangent at y is least_z own(z) + 2yᵀMz - yᵀMy, concave in y. Its
    maximum is the minimum over mixtures Σ a_t·z_t of all minimisers of Σ a_t·own(z_t) +
    yᵀMy with y = Σ a_t·z_t (simplicial decomposition, von Hohenbalken 1977): each turn
    takes it over those that are known.
    """

    split: Split
    points: list[np.ndarray] = field(default_factory=list)
    images: list[np.ndarray] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    weights: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def add(self, z: np.ndarray) -> None:
        """Take a point (n,), one product with M."""
        if len(self.points) == MOST:
            self._drop(int(self.weights[:-1].argmin()))
        point = z.astype(np.float64)
        self.points.append(point)
        self.images.append(self.split.rest.image(point))
        self.values.append(self.split.own_value(point))
        self.weights = np.append(self.weights, 0.0)

    def _drop(self, place: int) -> None:
        for kept in (self.points, self.images, self.values):
            del kept[place]
        self.weights = np.delete(self.weights, place)

    def mixed(self) -> tuple[np.ndarray, float]:
        """Give the best mixture (n,) and its value, which no bound of it exceeds."""
        images, points = np.array(self.images), np.array(self.points)
        start = self.weights + 1e-3
        start /= start.sum()
        # Around a mixture: the squares of what points have in common would drown the
        # rest.
        centre, middle = start @ images, start @ points
        factored = self.split.rest.factor is not None
        sides = images - centre if factored else points - middle
        gram = sides @ (images - centre).T
        gram = np.ascontiguousarray(0.5 * (gram + gram.T))
        linear = np.array(self.values) + 2.0 * (sides @ centre)
        # Points that are all the same leave no curvature but of rounding.
        least = _FLAT * float(np.abs(linear).max()) or 1.0
        rise = max(float(np.linalg.eigvalsh(gram)[-1]), least)
        Z = start[None].copy()
        box_minima(gram, linear, 0.5 / rise, np.ones(1), Z, ROUNDS)
        self.weights = Z[0]
        common = float(centre @ (centre if factored else middle))
        value = float(Z[0] @ gram @ Z[0] + linear @ Z[0]) + common
        return Z[0] @ points, value + self.split.problem.constant
