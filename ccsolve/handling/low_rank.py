"""How the front door treats a LowRankFit."""

from typing import Any

import numpy as np

from ccsolve.handling.record import Handling, whole
from ccsolve.iterate import Limits
from ccsolve.problems import LowRankFit
from ccsolve.problems.exact_factors import exact_factors
from ccsolve.problems.low_rank import Asks
from ccsolve.problems.tensor_formats import ranks_of
from ccsolve.solution import Solution, Stop

Kernels = tuple[str, Asks, bool]


def pick(problem: LowRankFit) -> str:
    """Give the name of the method that ``auto`` uses."""
    return "fit_and_bound"


def settled(problem: LowRankFit, limits: Limits) -> Solution | None:
    """Give the answer where the tensor is zero, or fits exactly; no method sees it."""
    if problem.energy == 0:
        x = problem.feasible_point()
    elif problem.asks == "tolerance":
        return None
    else:
        x = exact_factors(problem.format, problem.tensor, problem.whole)
        if problem.violation(x) > 0:
            return None
    value = problem.objective(x)
    return Solution(x, value, value, Stop.FINISHED, seconds=limits.seconds())


def kernels(problem: LowRankFit) -> Kernels:
    """Say what a method imports and runs by: format, what is asked, a covariance."""
    return problem.format, problem.asks, bool(problem.blocks)


def tiny(kind: Kernels) -> LowRankFit:
    """Give a fit of twelve entries of that kind."""
    format, asks, normed = kind
    modes = (4, 3) if format == "svd" else (2, 2, 3)
    asked: dict[str, Any] = {
        "ranks": {"ranks": 1},
        "tolerance": {"tolerance": 0.5},
        "budget": {"budget": 10},
    }[asks]
    tensor = np.arange(12.0).reshape(modes) ** 2
    covariance = np.diag([1.0, 2.0, 3.0]) if normed else None
    return LowRankFit(tensor, format, covariance=covariance, **asked)


def as_point(x: Any) -> list[np.ndarray]:
    """Give the factors as a list of arrays in C order, in their own type."""
    return [np.ascontiguousarray(factor) for factor in x]


def shown(problem: LowRankFit, x: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Give the ranks: the factors themselves are for files."""
    return {"ranks": np.array(ranks_of(problem.format, x), dtype=np.int64)}


LOW_RANK = Handling(
    problem=LowRankFit,
    pick=pick,
    reduced=whole,
    settled=settled,
    feasible_point=LowRankFit.feasible_point,
    natural_scale=LowRankFit.natural_scale,
    kernels=kernels,
    tiny=tiny,
    as_point=as_point,
    shown=shown,
    arrays=list,
)
