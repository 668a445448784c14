"""SmoothRateAllocation: how much to take from each layer, on exponential curves."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ccsolve.errors import Infeasible, InvalidProblem
from ccsolve.linalg.rounding import gamma
from ccsolve.problems.checks import frozen, real_array, real_number
from ccsolve.problems.records import reduced

LEAST, MOST = 1e-60, 1e60
"""What scale, rate and size may be: prices and their logs stay finite."""

LARGEST_LOSS = 1e100
"""Largest loss of one layer at its cap that is accepted."""


@dataclass(frozen=True, eq=False, init=False, repr=False)
class SmoothRateAllocation:
    """Minimise Σ w_l·scale_l·exp(rate_l·C_l) over rates floor ≤ C ≤ cap.

    Subject to Σ size_l·C_l ≥ remove: C_l is the share of layer l that goes, size_l what
    all of the layer costs, and ``remove`` how much must go altogether, in the units of
    ``size``. The losses are the fitted sensitivity curves of Collaborative Compression
    (Li et al., CVPR 2021). With w = size the optimum has one marginal loss
    scale_l·rate_l·exp(rate_l·C_l) in all layers between floor and cap, which is the
    rule of the authors' code; with w = 1 it has one marginal loss per unit of size.

    The program is convex. Arrays are copied to float64 and read-only.

    Parameters
    ----------
    scale, rate, size : (L,) arrays
        Positive, from 1e-60 to 1e60, and scale·exp(rate·cap) ≤ 1e100.
    remove : float
        What floors alone achieve is free; more than caps achieve is infeasible.
    floor, cap : float or (L,) arrays
        Within [0, 1].
    weighted : bool
        Whether w = size; otherwise w = 1.

    Raises
    ------
    InvalidProblem
        Data are malformed.
    Infeasible
        All caps together do not reach ``remove``; the message says what they reach.

    Examples
    --------
    >>> problem = SmoothRateAllocation([1.0, 2.0], [3.0, 5.0], [4.0, 6.0], remove=5.0)
    >>> problem.violation([0.5, 0.5])
    0.0
    """

    scale: np.ndarray
    rate: np.ndarray
    size: np.ndarray
    remove: float
    floor: np.ndarray
    cap: np.ndarray
    weighted: bool

    def __init__(
        self,
        scale: Any,
        rate: Any,
        size: Any,
        remove: float,
        floor: Any = 0.0,
        cap: Any = 0.95,
        weighted: bool = True,
    ) -> None:
        scale = _positive("scale", scale, None)
        layers = scale.size
        fields = {
            "scale": scale,
            "rate": _positive("rate", rate, layers),
            "size": _positive("size", size, layers),
            "remove": real_number("remove", remove),
            "floor": _shares("floor", floor, layers),
            "cap": _shares("cap", cap, layers),
            "weighted": _flag("weighted", weighted),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        _require_ordered(self.floor, self.cap)
        _require_computable(self)
        if self.remove_limit > self.attainable:
            raise Infeasible(
                f"remove = {self.remove:g}, but all caps together remove "
                f"{self.attainable:.9g}; lower remove to that, or raise the caps"
            )

    __reduce__ = reduced

    def __repr__(self) -> str:
        share = self.remove / float(self.size.sum())
        rule = "weighted" if self.weighted else "unweighted"
        return f"SmoothRateAllocation(n={self.n}, remove={share:.3g} of all, {rule})"

    @property
    def n(self) -> int:
        """Number of layers."""
        return self.scale.size

    @property
    def coefficient(self) -> np.ndarray:
        """The loss of every layer at rate 0, w·scale, (L,)."""
        return self.size * self.scale if self.weighted else self.scale

    @property
    def log_price(self) -> np.ndarray:
        """Log of every layer's marginal loss per unit of size at rate 0, (L,)."""
        marginal = np.log(self.scale) + np.log(self.rate)
        return marginal if self.weighted else marginal - np.log(self.size)

    @property
    def attainable(self) -> float:
        """What all caps together remove."""
        return float(self.size @ self.cap)

    @property
    def slack(self) -> float:
        """The rounding that a sum of sizes times rates allows."""
        return gamma(self.n + 2) * self.attainable

    @property
    def remove_limit(self) -> float:
        """What must be removed, less the slack."""
        return self.remove - self.slack

    @property
    def data_scale(self) -> float:
        """The largest loss of a layer at its floor: no point's objective is below it.

        Terms are positive and nothing cancels, so this is what rounding is
        measured by; losses at the caps, which no good point has, would hide it.
        """
        return float((self.coefficient * np.exp(self.rate * self.floor)).max())

    @property
    def resolution(self) -> float:
        """1e-12·n·s with s the data scale: smaller differences are rounding."""
        return 1e-12 * self.n * self.data_scale

    def objective(self, x: Any, /) -> float:
        """Give Σ w·scale·exp(rate·x) for rates (L,); inf where it overflows."""
        x = self._point(x)
        with np.errstate(over="ignore"):
            return float(self.coefficient @ np.exp(self.rate * x))

    def violation(self, x: Any, /) -> float:
        """Give how far the rates (L,) are from feasible, 0 if they satisfy everything.

        The largest of: distance to floor and cap, what is missing to ``remove`` in
        units of the largest size. InvalidProblem for a point of another shape.
        """
        x = self._point(x)
        missing = (self.remove_limit - float(self.size @ x)) / float(self.size.max())
        beyond = np.maximum(self.floor - x, x - self.cap)
        return float(np.maximum(0.0, np.append(beyond, missing)).max())

    def feasible_point(self) -> np.ndarray:
        """Give rates that are the same share of the way from floor to cap, (L,)."""
        return raised(self, self.floor)

    def natural_scale(self, points: int = 16) -> float:
        """Give the mean objective of random feasible rates."""
        rng = np.random.default_rng(0)
        drawn = self.floor + rng.random((points, self.n)) * (self.cap - self.floor)
        return float(np.mean([self.objective(raised(self, x)) for x in drawn]))

    def _point(self, x: Any) -> np.ndarray:
        x = np.asarray(x, dtype=np.float64)
        if x.shape != (self.n,):
            raise InvalidProblem(f"the point has shape {x.shape}; expected ({self.n},)")
        return x


def raised(problem: SmoothRateAllocation, x: np.ndarray) -> np.ndarray:
    """Raise rates within floor and cap until they remove enough; (L,), O(L).

    Every layer goes the same share of the way to its cap. Layers strictly between floor
    and cap go first: a floor that an optimum rests on is left for nothing but them.
    """
    x = np.array(x)
    while (missing := problem.remove_limit - float(problem.size @ x)) > 0:
        moved = (x > problem.floor) & (x < problem.cap)
        moved = moved if moved.any() else x < problem.cap
        room = problem.cap[moved] - x[moved]
        share = min(1.0, missing / float(problem.size[moved] @ room))
        # At least to the next float: what is missing may be less than rounding.
        higher = np.maximum(x[moved] + share * room, np.nextafter(x[moved], np.inf))
        x[moved] = np.minimum(higher, problem.cap[moved])
    return x


def _positive(name: str, values: Any, layers: int | None) -> np.ndarray:
    array = real_array(name, values, (layers,))
    if array.size == 0:
        raise InvalidProblem(f"{name} is empty; expected at least one layer")
    if not (array > 0).all():
        advice = "; a layer whose loss does not rise is fixed at its cap by its floor"
        raise InvalidProblem(
            f"{name} has entries down to {array.min():g}; expected > 0"
            f"{advice if name == 'rate' else ''}"
        )
    if array.min() < LEAST or array.max() > MOST:
        raise InvalidProblem(
            f"{name} has entries from {array.min():g} to {array.max():g}; expected "
            f"{LEAST:g} to {MOST:g}; rescale the problem"
        )
    return array


def _shares(name: str, values: Any, layers: int) -> np.ndarray:
    shape = () if np.ndim(values) == 0 else (layers,)
    array = real_array(name, values, shape)
    if array.min() < 0 or array.max() > 1:
        raise InvalidProblem(
            f"{name} has entries from {array.min():g} to {array.max():g}; expected "
            f"shares of a layer, 0 to 1"
        )
    return frozen(np.array(np.broadcast_to(array, (layers,))))


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise InvalidProblem(f"{name} = {value!r}; expected True or False")
    return bool(value)


def _require_ordered(floor: np.ndarray, cap: np.ndarray) -> None:
    crossed = np.flatnonzero(floor > cap)
    if crossed.size:
        first = int(crossed[0])
        raise InvalidProblem(
            f"floor exceeds cap in {crossed.size} layers, first in layer {first}: "
            f"{floor[first]:g} > {cap[first]:g}; expected floor <= cap"
        )


def _require_computable(problem: SmoothRateAllocation) -> None:
    highest = np.log(problem.scale) + problem.rate * problem.cap
    worst = int(highest.argmax())
    if highest[worst] > np.log(LARGEST_LOSS):
        raise InvalidProblem(
            f"layer {worst} loses exp({highest[worst]:.4g}) at its cap; expected at "
            f"most {LARGEST_LOSS:g}; lower its cap or its rate"
        )
