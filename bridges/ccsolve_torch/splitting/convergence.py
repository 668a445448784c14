"""How near a training has come to weights of bounded ranks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.problems.records import reduced
from ccsolve.solvers.low_rank.projection import Projected
from ccsolve_torch.splitting.duals import Duals
from ccsolve_torch.splitting.targets import Target


@dataclass(frozen=True)
class LayerConvergence:
    """One weight W with its projection Z and scaled dual U.

    Parameters
    ----------
    name, format, ranks
        Of the weight, and of the set that it is drawn to.
    primal
        ‖W - Z‖/‖W‖, Frobenius, 0 where the constraint W = Z holds.
    dual
        ‖Z - Z_before‖/‖W‖ of the last update, 0 before the second: ρ‖W‖ times it is
        the norm of the dual residual (Boyd et al. 2011, section 3.3).
    distance
        ‖W - proj(W)‖/‖W‖, what replacing the layer now would change of its weight.
    """

    name: str
    format: str
    ranks: tuple[int, ...]
    primal: float
    dual: float
    distance: float

    __reduce__ = reduced

    def __str__(self) -> str:
        """Give one line."""
        return (
            f"{self.name}: {self.format} {self.ranks}, primal {self.primal:.3g}, dual "
            f"{self.dual:.3g}, distance {self.distance:.3g}"
        )


@dataclass(frozen=True)
class Convergence:
    """Where ADMM stands after so many updates at this penalty parameter."""

    updates: int
    rho: float
    layers: tuple[LayerConvergence, ...]

    __reduce__ = reduced

    @property
    def distance(self) -> float:
        """The largest distance of all layers."""
        return max(layer.distance for layer in self.layers)

    def __str__(self) -> str:
        """Give one line per layer, and one for all."""
        last = f"{self.updates} updates, rho {self.rho:g}, largest distance "
        return "\n".join([*map(str, self.layers), f"{last}{self.distance:.3g}"])


def convergence(
    target: Target,
    tensors: Sequence[NDArray[Any]],
    near: Sequence[Projected],
    duals: Duals | None,
) -> LayerConvergence:
    """Give where one weight, its groups' `tensors`, stands; `near` its projection."""
    size = _norm(tensors) or 1.0
    held, step = (near, 0.0) if duals is None else (duals.near, duals.step)
    primal, distance = (
        _norm([t - one.tensor for t, one in zip(tensors, group, strict=True)])
        for group in (held, near)
    )
    space = target.space
    return LayerConvergence(
        target.name,
        space.format,
        space.ranks,
        primal / size,
        step / size,
        distance / size,
    )


def _norm(tensors: Sequence[NDArray[Any]]) -> float:
    return math.hypot(*(float(np.linalg.norm(tensor)) for tensor in tensors))
