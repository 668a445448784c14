"""HiGHS, which takes no quadratic objective of binaries: Glover's linearisation.

With g_i(z) = Σ_j Q_ij z_j over j ≠ i and w_i standing for z_i·g_i(z):
minimise Σ w_i + Σ (Q_ii + q_i) z_i subject to w_i >= low_i·z_i and
w_i >= g_i(z) - high_i·(1 - z_i), where low_i and high_i bound g_i over the points with
the right count of ones. That is tighter than the textbook's bounds over all binaries.
"""

import importlib
import time
from typing import Any

import numpy as np
from scipy.sparse import csr_array, eye_array, hstack, vstack

import ccsolve
from benchmarks.selection.competitors.answer import Answer, Terms

_INFINITY = 1e20


def run(problem: ccsolve.ChannelSelection, terms: Terms) -> Answer:
    """Minimise with one thread, to a relative gap of 1e-6."""
    highs: Any = importlib.import_module("highspy")
    solver = _solver(highs, problem, terms)
    points: list[tuple[float, np.ndarray]] = []
    bounds: list[tuple[float, float]] = []
    start = time.perf_counter()

    def improved(event: Any) -> None:
        found = np.array(event.data_out.mip_solution[: problem.n])
        points.append((time.perf_counter() - start, found > 0.5))

    def logged(event: Any) -> None:
        bound = float(event.data_out.mip_dual_bound)
        bounds.append((time.perf_counter() - start, bound))

    solver.cbMipImprovingSolution.subscribe(improved)
    solver.cbMipLogging.subscribe(logged)
    solver.run()
    seconds = time.perf_counter() - start
    bounds.append((seconds, float(solver.getInfo().mip_dual_bound)))
    last = solver.getSolution()
    if last.value_valid:
        points.append((seconds, np.array(last.col_value[: problem.n]) > 0.5))
    finite = [(at, bound) for at, bound in bounds if abs(bound) < _INFINITY]
    stop = solver.modelStatusToString(solver.getModelStatus()).lower()
    return Answer(points, finite, seconds, stop, rigorous=False)


def _solver(highs: Any, problem: ccsolve.ChannelSelection, terms: Terms) -> Any:
    solver = highs.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("random_seed", terms.seed % 2**31)
    solver.setOptionValue("time_limit", float(terms.seconds))
    solver.setOptionValue("mip_rel_gap", 1e-6)
    if terms.target is not None:
        solver.setOptionValue("objective_target", terms.target)
    solver.passModel(_program(highs, problem))
    return solver


def _program(highs: Any, problem: ccsolve.ChannelSelection) -> Any:
    """Give the linear program over (z, w), row by row."""
    n, Q = problem.n, problem.dense()
    rows, low, high = _rows(problem)
    program = highs.HighsLp()
    program.num_col_, program.num_row_ = 2 * n, rows.shape[0]
    program.offset_ = problem.constant
    program.col_cost_ = np.concatenate([np.diag(Q) + problem.q, np.ones(n)])
    program.col_lower_ = np.concatenate([np.zeros(n), np.full(n, -highs.kHighsInf)])
    program.col_upper_ = np.concatenate([np.ones(n), np.full(n, highs.kHighsInf)])
    program.row_lower_ = np.where(low == -np.inf, -highs.kHighsInf, low)
    program.row_upper_ = np.where(high == np.inf, highs.kHighsInf, high)
    program.a_matrix_.format_ = highs.MatrixFormat.kRowwise
    program.a_matrix_.start_ = rows.indptr
    program.a_matrix_.index_ = rows.indices
    program.a_matrix_.value_ = rows.data
    kinds = highs.HighsVarType
    program.integrality_ = [kinds.kInteger] * n + [kinds.kContinuous] * n
    return program


def _rows(problem: ccsolve.ChannelSelection) -> tuple[Any, np.ndarray, np.ndarray]:
    """Give the constraint matrix with the lower and upper ends of its rows."""
    n, Q = problem.n, problem.dense().copy()
    np.fill_diagonal(Q, 0.0)
    least, most = _ranges(Q, problem.keep)
    unit = eye_array(n, format="csr")
    parts = [
        hstack([csr_array(np.diag(-least)), unit]),
        hstack([csr_array(-Q - np.diag(most)), unit]),
    ]
    low, high = [np.zeros(n), -most], [np.full(2 * n, np.inf)]
    for row, lower, upper in _constraints(problem):
        parts.append(csr_array(np.concatenate([row, np.zeros(n)])[None]))
        low.append(np.array([lower]))
        high.append(np.array([upper]))
    matrix = csr_array(vstack(parts))
    return matrix, np.concatenate(low), np.concatenate(high)


def _ranges(Q: np.ndarray, keep: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Bound g_i from below where z_i = 1, and from above where z_i = 0."""
    if keep is None:
        return np.minimum(Q, 0.0).sum(axis=1), np.maximum(Q, 0.0).sum(axis=1)
    others = np.sort(Q + np.diag(np.full(len(Q), np.nan)), axis=1)[:, :-1]
    fewest = max(others.shape[1] - keep, 0)
    least = others[:, : max(keep - 1, 0)].sum(axis=1)
    return least, others[:, fewest:].sum(axis=1)


def _constraints(
    problem: ccsolve.ChannelSelection,
) -> list[tuple[np.ndarray, float, float]]:
    found: list[tuple[np.ndarray, float, float]] = []
    if problem.keep is not None:
        found.append((np.ones(problem.n), problem.keep, problem.keep))
    if problem.cost is not None and problem.budget is not None:
        found.append((problem.cost, -np.inf, problem.budget))
    return found
