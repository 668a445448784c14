"""The methods, one row of data each, by the type of problem they solve.

Modules are named by strings: a method's imports (scipy, numba, cvxpy) are paid when it
is first used. A new method is one file under ``ccsolve/solvers`` and one row here.
"""

from typing import Any

from ccsolve.errors import InvalidProblem, UnknownMethod, Unsupported
from ccsolve.registry import (
    allocation,
    low_rank,
    network,
    reconstruction,
    selection,
    smooth_allocation,
)
from ccsolve.registry.row import Kind, Method, Need

__all__ = [
    "TABLE",
    "Kind",
    "Method",
    "Need",
    "find",
    "methods",
    "reason_against",
    "rows_of",
]

TABLE: tuple[Method, ...] = (
    *selection.ROWS,
    *reconstruction.ROWS,
    *allocation.ROWS,
    *smooth_allocation.ROWS,
    *low_rank.ROWS,
    *network.ROWS,
)


def rows_of(problem: type) -> tuple[Method, ...]:
    """Give the rows of the methods that solve a type of problem."""
    return tuple(row for row in TABLE if issubclass(problem, row.problem))


def methods(problem: Any = None) -> tuple[Method, ...]:
    """Give the rows that apply to a problem, or all of them.

    A row applies when type and constraints fit and the size is within its limit.
    InvalidProblem for what is no problem of ccsolve.
    """
    if problem is None:
        return TABLE
    if not any(isinstance(problem, row.problem) for row in TABLE):
        raise InvalidProblem(
            f"given a {type(problem).__name__}; expected a problem of ccsolve"
        )
    return tuple(row for row in TABLE if reason_against(row, problem) is None)


def find(name: str, problem: Any) -> Method:
    """Give the row of that name, or say why there is none that applies.

    Raises
    ------
    UnknownMethod
        The message lists the methods that apply.
    Unsupported
        The method exists, but cannot take this problem.
    """
    rows = rows_of(type(problem))
    for row in rows:
        if row.name == name:
            reason = reason_against(row, problem)
            if reason is not None:
                raise Unsupported(reason)
            return row
    known = ", ".join(["auto", *(row.name for row in rows)])
    raise UnknownMethod(
        f"no method {name!r} for {type(problem).__name__}; known: {known}"
    )


def reason_against(row: Method, problem: Any) -> str | None:
    """Say why a method cannot take a problem, None if it can."""
    if not isinstance(problem, row.problem):
        return f"method {row.name!r} solves {row.problem.__name__}"
    if row.max_size is not None and problem.n > row.max_size:
        return (
            f"method {row.name!r} takes n <= {row.max_size}, given n = {problem.n}; "
            f"use 'auto' or a heuristic with a bound"
        )
    missing = [need.text for need in row.needs if not need.holds(problem)]
    if missing:
        return (
            f"method {row.name!r} takes {' and '.join(missing)}, given {problem!r}; "
            f"use 'auto' or another method"
        )
    return None
