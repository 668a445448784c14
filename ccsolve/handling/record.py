"""How the front door treats one type of problem."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ccsolve.iterate import Limits
from ccsolve.solution import Solution

Lift = Callable[[Any], Any]
"""Maps a point of the smaller problem to the point of the original."""


@dataclass(frozen=True)
class Handling:
    """What `solve` asks of a type of problem, besides that it scores points.

    Attributes
    ----------
    problem : the type.
    pick : the name of the method that ``auto`` uses.
    reduced : a smaller problem with the same answer, and the way back.
    settled : the answer where there is nothing to decide, else None.
    feasible_point : some feasible point without search; None where none is known.
    natural_scale : mean |objective| of random feasible points; nan where none is known.
    kernels : what decides which kernels a method runs.
    tiny : a tiny problem that runs the same ones.
    as_point : a method's point, in the type that `Solution.x` has.
    arrays : the arrays that a point is made of.
    shown : a point as it is read, by name: kept channels, chosen options, ranks.
    """

    problem: type
    pick: Callable[[Any], str]
    reduced: Callable[[Any], tuple[Any, Lift]]
    settled: Callable[[Any, Limits], Solution | None]
    feasible_point: Callable[[Any], Any]
    natural_scale: Callable[[Any], float]
    kernels: Callable[[Any], Hashable]
    tiny: Callable[[Any], Any]
    as_point: Callable[[Any], Any]
    shown: Callable[[Any, Any], Mapping[str, np.ndarray]]
    arrays: Callable[[Any], Sequence[np.ndarray]] = lambda x: (x,)


def whole(problem: Any) -> tuple[Any, Lift]:
    """Reduce nothing."""
    return problem, _same


def undecided(problem: Any, limits: Limits) -> None:
    """Settle nothing before a method has run."""


def _same(x: Any) -> Any:
    return x
