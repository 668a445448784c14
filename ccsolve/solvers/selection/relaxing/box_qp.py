"""The continuous relaxation of a convex form: accelerated projected gradient."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ccsolve.kernels.capped_polytope import project
from ccsolve.linalg.rounding import EPS
from ccsolve.problems.checks import frozen
from ccsolve.solvers.selection.relaxing.convex_form import (
    ConvexForm,
    Point,
    Tangent,
    diagonal,
    evaluate,
    tangent,
    value,
)

STEP_WORK = 2e7
"""Multiplications in one step of the relaxation: about 10 ms."""

SPREAD = 1e-3
"""Least part of the largest diagonal entry by which steps are scaled."""


class Iterate(NamedTuple):
    """A point of the polytope, its value, and the best tangent's bound so far."""

    point: Point
    value: float
    best: Tangent

    @property
    def gap(self) -> float:
        """How far the value can be above the minimum over the polytope."""
        return self.value - self.best.bound


def minimise(form: ConvexForm, start: np.ndarray) -> Iterator[Iterate]:
    """Minimise a convex form over {0 ≤ z ≤ 1, 1ᵀz = keep, costᵀz ≤ limit}, without end.

    FISTA (Beck and Teboulle 2009) with the restart of O'Donoghue and Candès (2015) and
    with backtracking, which costs nothing: the curvature along a step is known from the
    product that the next iterate needs anyway. Lengths are measured in the metric of
    the diagonal, which takes a quarter of the iterations where channels differ in
    scale. One product with the matrix per iteration, O(n²) or O(mn), and a projection.
    Each iterate yielded stands for about ``STEP_WORK`` multiplications; its bound is
    the best of all that were yielded.
    """
    metric = _metric(form)
    state = _start(form, metric, start)
    best = Tangent(-math.inf, 0.0)
    while True:
        for _ in range(metric.iterations):
            state = _iterate(form, metric, state)
        best = max(best, tangent(form, state.point), key=lambda t: t.bound)
        yield Iterate(state.point, value(form, state.point), best)


@dataclass(frozen=True, eq=False)
class _Metric:
    """Lengths √(Σ x_i²/reach_i), the largest curvature in them, and work per step."""

    reach: np.ndarray
    curvature_limit: float
    iterations: int

    def square(self, x: np.ndarray) -> float:
        return float(x @ (x / self.reach))


class _State(NamedTuple):
    """The last two iterates, momentum, curvature and its floor, projection's price."""

    point: Point
    before: Point
    momentum: float
    curvature: float
    least: float
    price: float


def _metric(form: ConvexForm) -> _Metric:
    entries = diagonal(form)
    largest = float(entries.max())
    reach = np.ones(form.n)
    if largest > 0:
        reach = largest / np.maximum(entries, SPREAD * largest)
    norm = form.norm if form.factor is None else form.norm**2
    limit = (norm + abs(form.shift)) * float(reach.max())
    rows = form.n if form.factor is None else 2 * form.factor.shape[0]
    iterations = int(min(max(STEP_WORK / (form.n * max(rows, 1)), 1), 25))
    return _Metric(reach, limit, iterations)


def _start(form: ConvexForm, metric: _Metric, z: np.ndarray) -> _State:
    """Begin at z, with the curvature along its gradient for a first step length."""
    point = evaluate(form, _projected(form, metric, z, 0.0)[0])
    along = point.product + 0.5 * form.linear
    if form.keep is not None:
        along = along - along.mean()
    along = metric.reach * along
    length = float(np.abs(along).max())
    # Only the direction counts, and squares of its length may overflow.
    along = along / length if length > 0 else along
    size = metric.square(along)
    curved = float(along @ evaluate(form, along).product) if size > 0 else 0.0
    curvature = 2.0 * curved / size if curved > 0 else 2.0 * metric.curvature_limit
    # No step need move an entry by more than 1,000, and rounding forbids much longer.
    least = max(1e-3 * length, 1e-12 * metric.curvature_limit, 1e-290)
    return _State(point, point, 1.0, max(curvature, least), least, 0.0)


def _iterate(form: ConvexForm, metric: _Metric, state: _State) -> _State:
    """Take one accelerated step; it is shortened until the curvature allows it."""
    momentum = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * state.momentum**2))
    beta = (state.momentum - 1.0) / momentum
    y = state.point.z + beta * (state.point.z - state.before.z)
    product = state.point.product + beta * (state.point.product - state.before.product)
    downhill = -metric.reach * (2.0 * product + form.linear)
    curvature = max(0.97 * state.curvature, state.least)
    while True:
        z, price = _projected(form, metric, y + downhill / curvature, state.price)
        point = evaluate(form, z)
        step = z - y
        squared = metric.square(step)
        needed = 2.0 * float(step @ (point.product - product))
        # Written so that NaN, where data overflow, ends it too.
        excessive = needed > curvature * squared
        if not excessive or _is_noise(form, metric, step, curvature):
            break
        curvature = 1.1 * max(needed / squared, curvature)
    if float(((y - z) / metric.reach) @ (z - state.point.z)) > 0:
        momentum = 1.0
    return _State(point, state.point, momentum, curvature, state.least, price)


def _is_noise(
    form: ConvexForm, metric: _Metric, step: np.ndarray, curvature: float
) -> bool:
    """Say whether the step is so short, or so careful, that rounding speaks."""
    short = float(step @ step) <= (1e3 * EPS) ** 2 * form.most
    return short or curvature >= 2.0 * metric.curvature_limit


def _projected(
    form: ConvexForm, metric: _Metric, v: np.ndarray, price: float
) -> tuple[np.ndarray, float]:
    z = np.empty_like(v)
    # Kernels are compiled once per type, and read-only is part of the type.
    cost = frozen(np.empty(0)) if form.cost is None else form.cost
    total = -1.0 if form.keep is None else float(form.keep)
    return z, project(v, metric.reach, total, cost, form.limit, price, z)
