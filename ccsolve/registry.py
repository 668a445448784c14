"""The methods, one row of data each.

Modules are named by strings: a method's imports (scipy, numba, cvxpy) are paid when it
is first used. A new method is one file under ``ccsolve/solvers`` and one row here.
"""

import enum
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ccsolve.errors import InvalidProblem, UnknownMethod, Unsupported
from ccsolve.problems import ChannelSelection


class Kind(enum.Enum):
    """What a method gives."""

    HEURISTIC = "heuristic"
    RELAXATION = "relaxation"
    EXACT = "exact"


@dataclass(frozen=True)
class Method:
    """One method of one problem.

    Attributes
    ----------
    name : what ``solve(problem, method=name)`` takes.
    problem : the type it solves.
    kind : a heuristic gives a point, a relaxation a bound and a point, an exact method
        both until they meet.
    module : where its ``solve`` is.
    summary : one line.
    max_size : largest ``problem.n`` it takes, None for any.
    needs_budget : whether it takes only problems with a budget.
    """

    name: str
    problem: type
    kind: Kind
    module: str
    summary: str
    max_size: int | None = None
    needs_budget: bool = False

    @property
    def gives_bound(self) -> bool:
        """Whether it gives a lower bound."""
        return self.kind is not Kind.HEURISTIC

    def load(self) -> Callable[..., Any]:
        """Import the method's module and give its ``solve``."""
        return importlib.import_module(self.module).solve

    def options(self) -> dict[str, inspect.Parameter]:
        """Give its keyword-only options by name."""
        parameters = inspect.signature(self.load()).parameters.values()
        return {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}


_SELECTION = "ccsolve.solvers.selection."

TABLE: tuple[Method, ...] = (
    Method(
        "greedy",
        ChannelSelection,
        Kind.HEURISTIC,
        _SELECTION + "greedy",
        "add or delete one channel at a time, whichever changes the objective best",
    ),
    Method(
        "local_search",
        ChannelSelection,
        Kind.HEURISTIC,
        _SELECTION + "local_search",
        "swap descent from a greedy and many random starts",
    ),
    Method(
        "tabu",
        ChannelSelection,
        Kind.HEURISTIC,
        _SELECTION + "tabu",
        "annealed populations, recombined, with tabu search; the strongest heuristic",
    ),
    Method(
        "annealing",
        ChannelSelection,
        Kind.HEURISTIC,
        _SELECTION + "annealing",
        "simulated annealing by swaps that never leave the cardinality",
    ),
    Method(
        "eigenvalue_bound",
        ChannelSelection,
        Kind.RELAXATION,
        _SELECTION + "eigenvalue_bound",
        "minimum over the sphere through all feasible points; one eigen-decomposition",
    ),
    Method(
        "convex_relaxation",
        ChannelSelection,
        Kind.RELAXATION,
        _SELECTION + "convex_relaxation",
        "eigenvalue shift on 1'x = 0, then the box QP; rounded and improved by swaps",
    ),
    Method(
        "sdp",
        ChannelSelection,
        Kind.RELAXATION,
        _SELECTION + "sdp",
        "semidefinite, the constraints multiplied by every channel; proven bounds",
    ),
    Method(
        "dnn",
        ChannelSelection,
        Kind.RELAXATION,
        _SELECTION + "dnn",
        "the same with every product at least 0; tighter, at hardly more time",
    ),
    Method(
        "dnn_triangles",
        ChannelSelection,
        Kind.RELAXATION,
        _SELECTION + "dnn_triangles",
        "the same with the violated triangle cuts; the tightest bound",
    ),
    Method(
        "qcr",
        ChannelSelection,
        Kind.RELAXATION,
        _SELECTION + "qcr",
        "a convex quadratic as tight as sdp, for its bound and for MIQP solvers",
    ),
    Method(
        "lagrangian",
        ChannelSelection,
        Kind.RELAXATION,
        _SELECTION + "lagrangian",
        "the budget priced, each price bounded by sdp's dual, its points mended",
        needs_budget=True,
    ),
    Method(
        "search_and_bound",
        ChannelSelection,
        Kind.RELAXATION,
        _SELECTION + "search_and_bound",
        "the convex relaxation's bound, then tabu search for the rest of the time",
    ),
    Method(
        "sdp_cvxpy",
        ChannelSelection,
        Kind.RELAXATION,
        _SELECTION + "sdp_cvxpy",
        "sdp or dnn by Clarabel or SCS through cvxpy, repaired to a proof; an oracle",
        max_size=120,
    ),
    Method(
        "branch_and_bound",
        ChannelSelection,
        Kind.EXACT,
        _SELECTION + "branch_and_bound",
        "semidefinite duals above, convex quadratic trees below; the strongest proof",
    ),
    Method(
        "milp",
        ChannelSelection,
        Kind.RELAXATION,
        _SELECTION + "milp",
        "products linearised, solved by HiGHS: a second opinion, its bound unproven",
        max_size=200,
    ),
    Method(
        "enumerate_all",
        ChannelSelection,
        Kind.EXACT,
        _SELECTION + "enumerate_all",
        "every feasible point in Gray-code order; the oracle of the tests",
        max_size=40,
    ),
)


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
    rows = [row for row in TABLE if isinstance(problem, row.problem)]
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
    if row.needs_budget and problem.budget is None:
        return (
            f"method {row.name!r} takes problems with a budget, given none; use 'auto' "
            f"or a method that needs no budget"
        )
    return None
