"""Convex programs against the objective at feasible points, without any rounding."""

import itertools
from collections.abc import Callable
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

from ccsolve import ChannelSelection, testing
from ccsolve.kernels.tree_path import OFF_PLANE, STATIC
from ccsolve.problems.generate import FAMILIES
from ccsolve.reductions.fixings import fix_variables
from ccsolve.solvers.selection.branching.convex_program import (
    ConvexProgram,
    convex_program,
    plane_program,
    tangent_rounding,
)
from ccsolve.solvers.selection.relaxing.admm import Settings, ascend
from ccsolve.solvers.selection.relaxing.convex_form import (
    best_convex,
    plain_form,
    with_shift,
)
from ccsolve.solvers.selection.relaxing.duals import NO_CUTS, Dual, certified
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram, lift

KINDS = [name for name in FAMILIES if name not in ("keep_none", "keep_all")]
CUTS = {
    0: lambda i, j, k: i * (1 - j) * (1 - k) + (1 - i) * j * k,
    1: lambda i, j, k: (1 - i) * (1 - j) * (1 - k) + i * j * k,
    2: lambda i, j, _: i * (1 - j),
    3: lambda i, j, _: (1 - i) * (1 - j),
}
"""By kind: the cut's value at binary points."""


def exact(value: float) -> Fraction:
    return Fraction(float(value))


def exact_form(Q: np.ndarray, x: tuple[int, ...]) -> Fraction:
    kept = [i for i, keeps in enumerate(x) if keeps]
    return sum((exact(Q[i, j]) for i in kept for j in kept), Fraction(0))


def convex_value(convex: ConvexProgram, x: tuple[int, ...]) -> Fraction:
    """Give the program's value with all its products and cuts, without any rounding."""
    value = (exact_form(convex.H, x) + exact_form(convex.P, x)) / 2
    value += exact(convex.constant)
    value += sum((exact(t) for t, k in zip(convex.linear, x, strict=True) if k), 0)
    for kind, (i, j, k), t in zip(*convex.cuts, strict=True):
        value += exact(t) * CUTS[int(kind)](x[i], x[j], x[k])
    return value


def objective(problem: ChannelSelection, x: tuple[int, ...]) -> Fraction:
    """Give the objective without any rounding, but that of forming a factored Q."""
    value = exact_form(problem.dense(), x) + exact(problem.constant)
    return value + sum((exact(t) for t, k in zip(problem.q, x, strict=True) if k), 0)


def in_units(program: LiftedProgram, value: Fraction) -> Fraction:
    return value * Fraction(2) ** program.exponent + exact(program.constant)


def points(problem: ChannelSelection) -> list[tuple[int, ...]]:
    every = itertools.product((0, 1), repeat=problem.n)
    return [x for x in every if problem.violation(np.array(x)) == 0]


def check_below(
    problem: ChannelSelection,
    program: LiftedProgram,
    convex: ConvexProgram,
    spent: Callable[[tuple[int, ...]], float],
) -> None:
    """The program is the objective less what the budget's products are worth."""
    error = Fraction(2) ** program.exponent * exact(convex.error)
    assert 0 < error
    for x in points(problem):
        value = in_units(program, convex_value(convex, x))
        truth = objective(problem, x)
        assert value - error <= truth, "above the objective"
        products = Fraction(2) ** program.exponent * exact(spent(x))
        room = error + abs(products) / 10**9
        assert abs(truth - products - value) <= room, "not the objective"


def least_pivot(H: np.ndarray) -> Fraction:
    """Give the least pivot of elimination without rounding; positive where definite."""
    A = [[exact(entry) for entry in row] for row in H]
    pivots = []
    while A:
        pivots.append(A[0][0])
        if pivots[-1] <= 0:
            break
        first = A[0]
        A = [
            [b - row[0] * a / first[0] for a, b in zip(first[1:], row[1:], strict=True)]
            for row in A[1:]
        ]
    return min(pivots)


def check_convex(convex: ConvexProgram) -> None:
    n, H = convex.n, convex.H
    np.testing.assert_array_equal(H, H.T)
    if convex.off_plane:
        assert convex.keep >= 0
        assert convex.off_plane >= 1.5 * np.linalg.norm(H, 2)
        basis = np.linalg.svd(np.ones((1, n)))[2][1:]
        H = basis @ H @ basis.T
    floor = np.linalg.eigvalsh(H).min(initial=0.0)
    assert floor >= -1e-13 * n * np.abs(convex.H).max(initial=0.0)
    assert (convex.P >= 0).all() and not np.diagonal(convex.P).any()


def budget_products(
    program: LiftedProgram, dual: Dual
) -> Callable[[tuple[int, ...]], float]:
    """Give what the multipliers of the budget add to the convex part at a point."""

    def value(x: tuple[int, ...]) -> float:
        if not program.has_budget:
            return 0.0
        w = np.array(x if program.keep else (1, *x), dtype=np.float64)
        left = program.limit - float(program.cost @ w)
        save = float((dual.save[:-1] * (1.0 - w)).sum() + dual.save[-1])
        return left * (float(dual.spend @ w) + save)

    return value


@pytest.mark.parametrize("solved", [False, True])
@pytest.mark.parametrize("family", KINDS)
def test_a_dual_makes_the_objective(family: str, solved: bool, reduced, random_dual):
    problem = reduced(family, 6, 1)
    program = lift(problem)
    dual = random_dual(program, 3)
    if solved:
        dual = next(islice(ascend(program, Settings(cuts=60)), 6, None)).dual
    certificate = certified(program, dual)
    convex = convex_program(program, dual, certificate, 1e-6)
    check_convex(convex)
    check_below(problem, program, convex, budget_products(program, dual))


@pytest.mark.parametrize("size", [1e6, 1e10])
def test_large_multipliers_that_cancel_are_covered(size: float):
    """The rounding of the matrix is as large as they are, the matrix is not."""
    for family in ("cancelling", "unconstrained", "budgeted"):
        problem = testing.problem(family, 7, 2)
        program = lift(problem)
        rng = np.random.default_rng(5)
        N = program.C.shape[0]
        S = np.triu(size * rng.random((N, N)), 1)
        S[: program.first] = 0.0
        dual = Dual(
            y=size * rng.standard_normal(N),
            S=S + S.T,
            cuts=NO_CUTS,
            spend=np.zeros(N),
            save=np.zeros(N + 1),
        )
        certificate = certified(program, dual)
        convex = convex_program(program, dual, certificate, 1e-6)
        for x in points(problem):
            value = convex_value(convex, x) - exact(convex.error)
            assert in_units(program, value) <= objective(problem, x)


@pytest.mark.parametrize("softening", [0.0, 1e-9, 0.1])
@pytest.mark.parametrize("family", KINDS)
def test_a_convex_form_makes_the_objective(family: str, softening: float, reduced):
    problem = reduced(family, 7, 2)
    program, form = lift(problem), best_convex(plain_form(problem))
    soft = with_shift(form, form.shift - softening * problem.data_scale)
    convex = plane_program(soft, program)
    assert not convex.P.any() and convex.cuts.t.size == 0
    check_convex(convex)
    check_below(problem, program, convex, lambda _: 0.0)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_scales_do_not_matter(scale: float):
    """Powers of ten round the data, not what is made of them."""
    for family in ("indefinite", "budget_only", "factored"):
        problem = fix_variables(testing.problem(family, 6, 4))[0]
        scaled = ChannelSelection(
            scale * problem.dense(),
            scale * problem.q,
            problem.keep,
            scale * problem.constant,
            cost=None if problem.cost is None else problem.cost / scale,
            budget=None if problem.budget is None else problem.budget / scale,
        )
        program, form = lift(scaled), best_convex(plain_form(scaled))
        convex = plane_program(form, program)
        check_convex(convex)
        check_below(scaled, program, convex, lambda _: 0.0)


def test_a_factor_is_formed():
    rng = np.random.default_rng(0)
    problem = ChannelSelection(
        factor=rng.standard_normal((3, 8)), q=rng.standard_normal(8), keep=4
    )
    program, form = lift(problem), best_convex(plain_form(problem))
    assert form.matrix is None
    convex = plane_program(form, program)
    check_convex(convex)
    check_below(problem, program, convex, lambda _: 0.0)
    # FᵀF is semidefinite, and what is formed must be in spite of its rounding.
    assert least_pivot(convex.H) > 0


def test_a_tangent_is_lowered_by_all_that_rounds():
    problem = testing.problem("budgeted", 8, 0)
    program, form = lift(problem), best_convex(plain_form(problem))
    convex = plane_program(form, program)
    rounding = tangent_rounding(convex)
    assert rounding.shape == (4,) and (rounding >= 0).all()
    assert rounding[STATIC] > convex.error
    assert rounding[OFF_PLANE] == convex.off_plane
