"""How the front door treats each type of problem: one record each."""

from typing import Any

from ccsolve.errors import InvalidProblem
from ccsolve.handling.allocation import ALLOCATION
from ccsolve.handling.low_rank import LOW_RANK
from ccsolve.handling.network import NETWORK
from ccsolve.handling.reconstruction import RECONSTRUCTION
from ccsolve.handling.record import Handling, Lift
from ccsolve.handling.selection import SELECTION
from ccsolve.handling.smooth_allocation import SMOOTH_ALLOCATION

__all__ = ["TABLE", "Handling", "Lift", "handling_of"]

TABLE: tuple[Handling, ...] = (
    SELECTION,
    RECONSTRUCTION,
    ALLOCATION,
    SMOOTH_ALLOCATION,
    LOW_RANK,
    NETWORK,
)


def handling_of(problem: Any) -> Handling:
    """Give the record of a problem's type; InvalidProblem for what is no problem."""
    for handling in TABLE:
        if isinstance(problem, handling.problem):
            return handling
    known = ", ".join(handling.problem.__name__ for handling in TABLE)
    raise InvalidProblem(
        f"given a {type(problem).__name__}; expected a problem of ccsolve: {known}"
    )
