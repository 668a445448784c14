"""The methods of LowRankFit, one row of data each."""

from ccsolve.problems import LowRankFit
from ccsolve.registry.row import Kind, Method

_LOW_RANK = "ccsolve.solvers.low_rank."

ROWS: tuple[Method, ...] = (
    Method(
        "fit_and_bound",
        LowRankFit,
        Kind.RELAXATION,
        _LOW_RANK + "fit_and_bound",
        "the best factors found, ranks chosen where they are not given, and a bound",
    ),
)
