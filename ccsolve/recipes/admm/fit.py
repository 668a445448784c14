"""One weight of bounded ranks by ADMM on its layer's quadratic loss."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import InvalidProblem
from ccsolve.factors import Factor
from ccsolve.iterate import Limits, run
from ccsolve.problems.records import reduced
from ccsolve.recipes.admm.losses import LayerLoss, elementwise, quadratic
from ccsolve.recipes.admm.rank_set import RankSet, rank_set
from ccsolve.recipes.admm.splitting import Candidate, Residuals, steps
from ccsolve.solution import Stop

Array = NDArray[Any]

INDEFINITE = 1e-5
"""Of the trace: an eigenvalue that much below 0 is not rounding."""


@dataclass(frozen=True, eq=False)
class AdmmFit:
    """A weight of bounded ranks, and how it was found.

    Parameters
    ----------
    factor
        What was asked.
    modes, ranks
        Of the tensor, outputs first and inputs last, and the ranks that were used.
    weight
        Z, of the shape of W₀.
    factors
        Z's tensor in its format, as of `LowRankFit`.
    objective
        f(Z).
    projected
        f at the projection of W₀, without regard to the loss: never below `objective`.
    scale
        f(0): what the whole layer is worth.
    residuals
        One entry per iteration.
    stop
        Why it ended; ``Stop.FINISHED`` where both residuals are within the tolerance,
        ``Stop.GAP`` where f(Z) is 0 up to rounding.
    seconds
        Wall time.
    """

    factor: Factor
    modes: tuple[int, ...]
    ranks: tuple[int, ...]
    weight: Array
    factors: tuple[Array, ...]
    objective: float
    projected: float
    scale: float
    residuals: tuple[Residuals, ...]
    stop: Stop
    seconds: float

    __reduce__ = reduced

    def __str__(self) -> str:
        """Give one line."""
        parts = [v / self.scale if self.scale else 0.0 for v in self._values]
        return (
            f"{self.factor.format} {self.ranks}: loss {parts[0]:.4g} of the layer's, "
            f"plain projection {parts[1]:.4g}; {len(self.residuals)} iterations, "
            f"{self.stop.value}"
        )

    @property
    def _values(self) -> tuple[float, float]:
        return self.objective, self.projected


def fit_weight(
    weight: Any,
    factor: Factor,
    *,
    inputs: Any = None,
    outputs: Any = None,
    elements: Any = None,
    iterations: int = 100,
    tolerance: float = 1e-3,
    time_limit: float = math.inf,
    callback: Callable[[Any], Any] | None = None,
    where: str = "weight",
) -> AdmmFit:
    """Give Z of the factor's ranks with a small loss f(Z) near the weight W₀.

        f(W) = ½ tr M (W - W₀) H (W - W₀)ᵀ    or    f(W) = ½ Σ G ∘ (W - W₀)²

    The answer is a heuristic's, never worse than the plain projection of W₀, which is
    the first point; for "svd" of split "channel" without `elements` the second one is
    the best there is (the truncation in the loss's own norm). An iteration costs two
    products of W with a (d, d) matrix, and one warm projection.

    Parameters
    ----------
    weight
        (n, c, kernel...): convolutions of one group, linear maps.
    inputs
        H, (d, d) with d = c · kernel in the weight's order: E[xxᵀ].
    outputs
        M, (n, n): curvature of the loss in the layer's outputs.
    elements
        G ≥ 0 of the weight's shape, in place of H and M: squared gradients, a Fisher
        diagonal. Without any of the three the loss is ½‖W - W₀‖².
    iterations, tolerance, time_limit
        Where ADMM ends: at most so many iterations; both residuals relative to the
        weight at most the tolerance; seconds, the eigen-decompositions among them.
    callback
        See `ccsolve.solve`.

    Raises
    ------
    InvalidProblem
        Ranks that do not fit the weight; curvature of another shape, not finite, or
        with an eigenvalue below 0.
    """
    _check_limits(iterations, tolerance, time_limit)
    started = time.perf_counter()
    given = _array(weight, None, f"{where}: weight")
    space = rank_set(factor, given.shape, where)
    loss = _loss_of(given, space, inputs, outputs, elements, where)
    tensor = space.tensor(given)
    scale = loss.value(loss.turned(np.zeros_like(loss.reference)))
    limits = Limits(
        time_limit=time_limit,
        # The first two steps are projections.
        step_limit=iterations + 2,
        gap=0.0,
        callback=callback,
        resolution=1e-12 * scale,
        started=started,
    )
    found = run(steps(loss, space, tensor, tolerance), limits)
    factors, dense = _in_own_coordinates(found.x, loss, space)
    return AdmmFit(
        factor,
        space.modes,
        found.x.projected.ranks,
        space.weight(dense),
        tuple(factors),
        found.objective,
        found.trace[0].objective,
        scale,
        found.extra.get("residuals", ()),
        found.stop,
        found.seconds,
    )


def _check_limits(iterations: int, tolerance: float, time_limit: float) -> None:
    whole = isinstance(iterations, int) and not isinstance(iterations, bool)
    if not whole or iterations < 0:
        raise InvalidProblem(f"iterations {iterations!r}; expected an integer >= 0")
    for name, value in (("tolerance", tolerance), ("time_limit", time_limit)):
        if not isinstance(value, int | float) or not value >= 0:
            raise InvalidProblem(f"{name} {value!r}; expected a number >= 0")


def _loss_of(
    weight: Array, space: RankSet, inputs: Any, outputs: Any, elements: Any, where: str
) -> LayerLoss:
    n, d = len(weight), weight.size // len(weight)
    if elements is None:
        H = _psd(inputs, d, f"{where}: inputs")
        return quadratic(weight, space, H, _psd(outputs, n, f"{where}: outputs"))
    if inputs is not None or outputs is not None:
        raise InvalidProblem(
            f"{where}: elements beside inputs or outputs; expected one kind of loss"
        )
    weights = _array(elements, weight.shape, f"{where}: elements")
    if weights.min() < 0:
        raise InvalidProblem(
            f"{where}: elements with {weights.min():g}; expected none below 0"
        )
    return elementwise(weight, space, weights)


def _psd(value: Any, size: int, where: str) -> Array | None:
    if value is None:
        return None
    matrix = _array(value, (size, size), where)
    matrix = 0.5 * (matrix + matrix.T)
    slack = INDEFINITE * float(np.abs(np.diagonal(matrix)).sum())
    try:
        if matrix.any():
            np.linalg.cholesky(matrix + slack * np.eye(size))
    except np.linalg.LinAlgError:
        raise InvalidProblem(
            f"{where}: an eigenvalue below 0; expected a positive semidefinite matrix"
        ) from None
    return matrix


def _array(value: Any, shape: tuple[int, ...] | None, where: str) -> Array:
    array = np.asarray(value, dtype=np.float64)
    if array.ndim < 2 or array.size == 0 or (shape and array.shape != shape):
        raise InvalidProblem(
            f"{where} of shape {array.shape}; expected {shape or '(n, c, kernel...)'}"
        )
    if not np.isfinite(array).all():
        raise InvalidProblem(f"{where} is not finite; expected numbers")
    return array


def _in_own_coordinates(
    candidate: Candidate, loss: LayerLoss, space: RankSet
) -> tuple[list[Array], Array]:
    projected = candidate.projected
    if candidate.plain:
        return projected.factors, projected.tensor
    factors = loss.modewise.back_factors(space.format, projected.factors)
    return factors, loss.modewise.back(projected.tensor)
