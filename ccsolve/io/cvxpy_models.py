"""Programs to cvxpy, and its values back: for the solvers that cvxpy knows."""

from collections.abc import Callable
from typing import Any, cast

import cvxpy as cp
import numpy as np

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.problems.selection import ChannelSelection


def to_cvxpy(
    problem: ChannelSelection,
) -> tuple[cp.Problem, Callable[[Any], np.ndarray]]:
    """Give the binary program as a convex cvxpy problem, and the way back.

    The variable is ``model.var_dict["z"]``, (n,) and boolean. cvxpy takes convex
    objectives only, and z_i² = z_i on binary points, so that a dense Q with smallest
    eigenvalue λ < 0 is given as Q - λI with λ added to the linear term, and of a factor
    the squares with its diagonal in the linear term. Objectives are ours at every
    binary point, but not between, so a relaxation of it depends on this choice. O(n³)
    for the eigenvalue of a dense Q, O(mn) factored.

    Returns
    -------
    model : cvxpy.Problem
        To minimise; ``model.solve(solver=...)`` needs a mixed-integer quadratic
        solver, such as GUROBI or SCIP.
    point_of : callable
        Gives the point (n,) bool nearest to a value of the variable. Whether it is
        feasible, ``problem.violation`` says.

    Raises
    ------
    Unsupported
        The problem has no channels.

    Examples
    --------
    >>> import ccsolve
    >>> problem = ccsolve.ChannelSelection([[1.0, -3.0], [-3.0, 1.0]], keep=1)
    >>> model, point_of = ccsolve.to_cvxpy(problem)
    >>> model.is_dcp()
    True
    >>> model.var_dict["z"].value = [0, 1]  # or: model.solve(solver="SCIP")
    >>> z = point_of(model.var_dict["z"].value)
    >>> problem.objective(z), problem.violation(z)
    (1.0, 0.0)
    """
    if problem.n == 0:
        raise Unsupported("the problem has no channels; cvxpy needs a variable")
    z = cp.Variable(problem.n, name="z", boolean=True)
    model = cp.Problem(cp.Minimize(_objective(problem, z)), _constraints(problem, z))
    return model, _point_of(problem.n)


def _objective(problem: ChannelSelection, z: cp.Variable) -> Any:
    if problem.factor is not None and problem.diagonal is not None:
        squares = cp.sum_squares(problem.factor @ z)
        return squares + (problem.q + problem.diagonal) @ z + problem.constant
    Q = problem.dense()
    lowest = min(0.0, float(np.linalg.eigvalsh(Q)[0]))
    # cvxpy's own test of convexity is left out: it fails on rounding of λ.
    form = cp.quad_form(z, Q - lowest * np.eye(problem.n), assume_PSD=True)
    return form + (problem.q + lowest) @ z + problem.constant


def _constraints(problem: ChannelSelection, z: cp.Variable) -> list[cp.Constraint]:
    rows: list[Any] = []
    if problem.keep is not None:
        rows.append(cp.sum(z) == problem.keep)
    if problem.cost is not None:
        rows.append(problem.cost @ z <= problem.budget)
    if problem.fixed is not None:
        held = np.flatnonzero(problem.fixed >= 0)
        rows += [z[held] == problem.fixed[held]] if held.size else []
    return cast(list[cp.Constraint], rows)


def _point_of(n: int) -> Callable[[Any], np.ndarray]:
    def point_of(value: Any) -> np.ndarray:
        """Give the nearest point; InvalidProblem where there is no value of size n."""
        if np.shape(value) != (n,):
            found = "no value" if value is None else f"shape {np.shape(value)}"
            raise InvalidProblem(
                f"the variable has {found}; expected ({n},): solve the model first"
            )
        return np.asarray(value, dtype=np.float64) > 0.5

    return point_of
