"""What a price of the budget proves: by the semidefinite dual, or by the box QP."""

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ccsolve.iterate import Limits, Step
from ccsolve.linalg.linear_minimum import linear_minimum
from ccsolve.problems import ChannelSelection
from ccsolve.solvers.selection.convex_relaxation import affordable as eigenvalue_fits
from ccsolve.solvers.selection.relaxing.box_qp import minimise
from ccsolve.solvers.selection.relaxing.convex_form import (
    ConvexForm,
    best_convex,
    hastily_convex,
)
from ccsolve.solvers.selection.relaxing.lagrangian_ascent import (
    DENSE_CHANNELS,
    affordable,
    settled,
)
from ccsolve.solvers.selection.relaxing.lagrangian_bracket import Probe
from ccsolve.solvers.selection.relaxing.lagrangian_pricing import (
    price_unit,
    priced,
    priced_form,
)
from ccsolve.solvers.selection.relaxing.lattice import Lattice
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram, lift
from ccsolve.solvers.selection.relaxing.rounding import prices

ITERATES, IDLE = 200, 20
"""Iterates of a box QP at most, and how many in a row may bring nothing."""


class Effort(NamedTuple):
    """The relative gap to which a price is solved, and fruitless checks to end after.

    ``stale`` counts checks of the semidefinite dual.
    """

    tolerance: float
    stale: int


class Answer(NamedTuple):
    """What a price proves, and where its relaxation lies.

    Attributes
    ----------
    probe : the value without the problem's constant, in the prober's units.
    x : (n,) the relaxed point.
    guess : a price that makes the budget hold near x.
    state : where the next price may begin.
    """

    probe: Probe
    x: np.ndarray
    guess: float
    state: Any


Answering = Generator[Step, None, Answer]


class Prober(NamedTuple):
    """What answers prices, in units of its own.

    Attributes
    ----------
    answer : of (price, effort, the answer to begin at); gives steps on its way.
    unit : times a price of it gives one of the problem.
    """

    answer: Callable[[float, Effort, Answer | None], Answering]
    unit: float


def prober_for(
    problem: ChannelSelection, form: ConvexForm, lattice: Lattice, limits: Limits
) -> Prober:
    """Give the semidefinite prober where size and time allow it, else the convex one.

    O(n³) either way, for first bounds or an eigenvalue; O(n²) where there is no time.
    """
    if problem.n <= DENSE_CHANNELS:
        lifted = lift(problem)
        if affordable(lifted, limits):
            prober = _Semidefinite(problem, lifted, lattice, limits)
            return Prober(prober.answer, prober.unit)
    fits = eigenvalue_fits(form, limits)
    convex = best_convex(form) if fits else hastily_convex(form)
    return Prober(_Convex(problem, convex, lattice, limits).answer, 1.0)


@dataclass(frozen=True, eq=False)
class _Semidefinite:
    """L(t) by the dual of `sdp`'s relaxation, in units of the lifted program."""

    problem: ChannelSelection
    lifted: LiftedProgram
    lattice: Lattice
    limits: Limits

    def answer(self, price: float, effort: Effort, warm: Answer | None) -> Answering:
        program, last = priced(self.lifted, price), None
        duals = prices(self.problem, price * self.unit)
        state = None if warm is None else warm.state
        for ascent in settled(
            program, self.limits, effort.tolerance, state, effort.stale
        ):
            if ascent is None:
                yield Step()
                continue
            last = ascent
            yield Step(bound=self.lattice.raised(ascent.bound), duals=duals)
        assert last is not None
        lifted = self.lifted
        x = np.clip(np.diagonal(last.X)[lifted.first :], 0.0, 1.0)
        cost = lifted.cost[lifted.first :]
        excess, value = -math.inf, last.certificate.value
        if lifted.has_budget:
            excess = float(cost @ x) - lifted.limit
            value -= price * lifted.limit
        probe = Probe(price, value, excess)
        return Answer(probe, x, self._guess(x), last)

    @property
    def unit(self) -> float:
        """What a price of the lifted program is in the problem's units."""
        return price_unit(self.problem, self.lifted)

    def _guess(self, x: np.ndarray) -> float:
        lifted = self.lifted
        C = lifted.C[lifted.first :, lifted.first :]
        own = np.diagonal(C)
        gradient = 2.0 * (C @ x) + own * (1.0 - 2.0 * x)
        cost = lifted.cost[lifted.first :]
        return _price_near(gradient, lifted.keep or None, cost, lifted.limit)


@dataclass(frozen=True, eq=False)
class _Convex:
    """L(t) by the convex relaxation: its maximum is that with the budget inside."""

    problem: ChannelSelection
    form: ConvexForm
    lattice: Lattice
    limits: Limits

    def answer(self, price: float, effort: Effort, warm: Answer | None) -> Answering:
        form = priced_form(self.form, price)
        z = np.full(form.n, 0.5) if warm is None else warm.x
        duals, idle, best = prices(self.problem, price), 0, -math.inf
        for count, iterate in enumerate(minimise(form, z), 1):
            bound, z = iterate.best.bound, iterate.point.z
            yield Step(bound=self.lattice.raised(bound), duals=duals)
            idle = idle + 1 if bound <= best else 0
            best = bound
            small = iterate.gap <= effort.tolerance * abs(iterate.value)
            if small or idle >= IDLE or count >= ITERATES:
                break
            if self.limits.remaining() == 0:
                break
        gradient = 2.0 * iterate.point.product + form.linear
        return self._answer(price, z, best, gradient)

    def _answer(
        self, price: float, z: np.ndarray, bound: float, gradient: np.ndarray
    ) -> Answer:
        form = self.form
        assert form.cost is not None
        excess = float(form.cost @ z) - form.limit
        probe = Probe(price, bound - form.constant, excess)
        guess = _price_near(
            gradient - price * form.cost, form.keep, form.cost, form.limit
        )
        return Answer(probe, z, guess, None)


def _price_near(
    gradient: np.ndarray, keep: int | None, cost: np.ndarray, limit: float
) -> float:
    """Give the price that makes the budget hold for a linear objective, above 0."""
    dearest = float(cost.max(initial=0.0))
    if dearest == 0:
        return 0.0
    price = linear_minimum(gradient, keep, cost, limit).price
    return price or float(np.abs(gradient).max()) / dearest or 1.0
