"""How the front door treats a ReconstructionSelection."""

import numpy as np

from ccsolve.handling.record import Handling, whole
from ccsolve.iterate import Limits
from ccsolve.problems import ReconstructionSelection
from ccsolve.solution import Solution, Stop

PROVABLE = 40
"""Channels up to which ``auto`` tries a proof."""

MOST_COLUMNS = 600
"""Columns up to which it does: a node of the tree costs their square."""


def pick(problem: ReconstructionSelection) -> str:
    """Give the name of the method that ``auto`` uses."""
    small = problem.n <= PROVABLE and problem.d <= MOST_COLUMNS
    return "branch_and_bound" if small else "search_and_bound"


def settled(problem: ReconstructionSelection, limits: Limits) -> Solution | None:
    """Give the answer where keep leaves one point only; methods see no such problem."""
    if problem.n and problem.keep not in (0, problem.n):
        return None
    x = np.full(problem.n, bool(problem.keep))
    value = problem.objective(x)
    bound = value - problem.resolution
    extra = {"weights": problem.refit(x)}
    return Solution(
        x, value, bound, Stop.FINISHED, seconds=limits.seconds(), extra=extra
    )


def kernels(problem: ReconstructionSelection) -> None:
    """Say that all programs run the same kernels."""


def tiny(kind: None) -> ReconstructionSelection:
    """Give a program of four channels of two columns."""
    return ReconstructionSelection(np.eye(8), np.ones((8, 2)), keep=2, group=2)


def as_point(x: np.ndarray) -> np.ndarray:
    """Give a point as bool (n,)."""
    return x.astype(bool)


def shown(problem: ReconstructionSelection, x: np.ndarray) -> dict[str, np.ndarray]:
    """Give the channels kept."""
    return {"kept": np.flatnonzero(x)}


RECONSTRUCTION = Handling(
    problem=ReconstructionSelection,
    pick=pick,
    reduced=whole,
    settled=settled,
    feasible_point=ReconstructionSelection.feasible_point,
    natural_scale=ReconstructionSelection.natural_scale,
    kernels=kernels,
    tiny=tiny,
    as_point=as_point,
    shown=shown,
)
