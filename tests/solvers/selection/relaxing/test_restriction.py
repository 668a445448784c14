"""Fixing a channel never loses bound, and stays below the child's optimum."""

from itertools import islice

import numpy as np
import pytest

from ccsolve import ChannelSelection, testing
from ccsolve.errors import Infeasible
from ccsolve.problems.generate import FAMILIES
from ccsolve.reductions.fixings import fix_variables
from ccsolve.solvers.selection.relaxing.admm import Settings, ascend
from ccsolve.solvers.selection.relaxing.duals import certified
from ccsolve.solvers.selection.relaxing.lifted import LiftedProgram, lift
from ccsolve.solvers.selection.relaxing.restriction import (
    Child,
    restrict,
    restrict_point,
)

KINDS = [name for name in FAMILIES if name not in ("keep_none", "keep_all")]


def with_channel(problem: ChannelSelection, channel: int, kept: bool):
    """Give the problem with one channel fixed, None where nothing is feasible."""
    fixed = np.full(problem.n, -1)
    fixed[channel] = int(kept)
    try:
        whole = ChannelSelection(
            problem.Q,
            problem.q,
            problem.keep,
            problem.constant,
            factor=problem.factor,
            diagonal=problem.diagonal,
            cost=problem.cost,
            budget=problem.budget,
            fixed=fixed,
        )
    except Infeasible:
        return None
    return fix_variables(whole)[0]


def leaves_a_program(program: LiftedProgram, channel: int, kept: bool) -> bool:
    if kept and program.cost[channel + program.first] > program.limit:
        return False
    if not program.keep:
        return program.n > 1
    return program.keep >= 2 if kept else program.keep < program.n


@pytest.mark.parametrize("family", KINDS)
@pytest.mark.parametrize("solved", [False, True])
def test_restriction_never_loses(family: str, solved: bool, reduced, random_dual):
    problem = reduced(family, 8, 1)
    program = lift(problem)
    tolerance = 1e-10 * problem.n * problem.data_scale
    dual = random_dual(program, 2)
    if solved:
        dual = next(islice(ascend(program, Settings(cuts=60)), 6, None)).dual
    parent = certified(program, dual)
    tolerance += 1e-10 * abs(parent.bound)
    for channel in range(problem.n):
        for kept in (False, True):
            child_problem = with_channel(problem, channel, kept)
            if child_problem is None or not leaves_a_program(program, channel, kept):
                continue
            child = restrict(program, dual, parent, channel, kept)
            found = certified(child.program, child.dual).bound
            _, optimum = testing.brute_force(child_problem)
            assert parent.bound - tolerance <= found <= optimum + tolerance


def test_it_may_be_repeated_to_the_end(reduced, random_dual):
    rng = np.random.default_rng(0)
    for family in ("cancelling", "budgeted", "budget_only", "unconstrained"):
        problem = reduced(family, 9, 0)
        program = lift(problem)
        dual = random_dual(program, 5)
        tolerance = 1e-9 * (1.0 + abs(certified(program, dual).bound))
        while True:
            parent = certified(program, dual)
            channel, kept = int(rng.integers(program.n)), bool(rng.integers(2))
            if not leaves_a_program(program, channel, kept):
                break
            program, dual = restrict(program, dual, parent, channel, kept)
            assert certified(program, dual).bound >= parent.bound - tolerance


def test_the_child_is_the_restricted_program(random_dual):
    for family in ("indefinite", "budgeted", "unconstrained", "budget_only"):
        problem = testing.problem(family, 7, 3)
        program = lift(problem)
        parent = certified(program, random_dual(program, 0))
        for kept in (False, True):
            child_problem = with_channel(problem, 2, kept)
            if child_problem is None:
                continue
            child = restrict(program, random_dual(program, 0), parent, 2, kept)
            _check_same(child, child_problem)


def _check_same(child: Child, problem: ChannelSelection) -> None:
    program = child.program
    assert program.keep == (problem.keep or 0) and program.n == problem.n
    x = (np.arange(problem.n) % 2).astype(np.float64)
    w = x if program.keep else np.append(1.0, x)
    value = program.in_units(float(w @ program.C @ w))
    assert value == pytest.approx(problem.objective(x), rel=1e-9, abs=1e-9)
    if problem.cost is not None:
        unit = float(problem.cost.max() / program.cost.max())
        assert program.limit * unit == pytest.approx(problem.budget_limit, rel=1e-6)


def test_a_restricted_point_is_semidefinite_with_the_trace():
    program = lift(testing.problem("cancelling", 10, 1))
    ascent = next(islice(ascend(program, Settings()), 5, None))
    for kept in (False, True):
        X = restrict_point(program, ascent.X, 3, kept)
        assert X.shape == (9, 9)
        assert np.trace(X) == pytest.approx(program.keep - kept)
        assert np.linalg.eigvalsh(X).min() >= -1e-2


def test_a_warm_start_overtakes_the_parent():
    program = lift(testing.problem("cancelling", 24, 2))
    settings = Settings(check=10)
    parent = next(islice(ascend(program, settings), 25, None))
    shares = np.diagonal(parent.X)
    channel = int(np.abs(shares - 0.5).argmin())
    for kept in (False, True):
        child = restrict(program, parent.dual, parent.certificate, channel, kept)
        X = restrict_point(program, parent.X, channel, kept)
        start = (child.dual, X, parent.penalty)
        run = ascend(child.program, settings, *start)
        bounds = [ascent.bound for _, ascent in zip(range(12), run, strict=False)]
        assert bounds[0] >= parent.bound - 1e-9
        assert bounds == sorted(bounds) and bounds[-1] > parent.bound
