"""The methods of SmoothRateAllocation, one row of data each."""

from ccsolve.problems import SmoothRateAllocation
from ccsolve.registry.row import Kind, Method

_SMOOTH = "ccsolve.solvers.smooth_allocation."

ROWS: tuple[Method, ...] = (
    Method(
        "bisection",
        SmoothRateAllocation,
        Kind.EXACT,
        _SMOOTH + "bisection",
        "the price between two breakpoints, in closed form; exact",
    ),
    Method(
        "exponential_cone",
        SmoothRateAllocation,
        Kind.RELAXATION,
        _SMOOTH + "exponential_cone",
        "through cvxpy, repaired to a proof; an oracle",
    ),
)
