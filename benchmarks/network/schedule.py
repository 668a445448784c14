"""How long each contender runs on each case."""

from benchmarks.network.cases import Case

TIMES = (1.0, 5.0, 25.0, 60.0)
"""Seconds at which points and bounds are told."""

LONG, SHORT = 600.0, 60.0
"""Seconds of SCIP on the first case, by the better form, and elsewhere."""

OURS, SEARCHES, LARGE = 60.0, 5.0, 240.0
"""Seconds of our method, of the searches alone, and of ours on the largest case."""

LAGRANGIAN = 15.0
"""Seconds of the bound that others are compared with."""

SIZE = "ResNet-50's size, factor"
FIRST = "ResNet-56, blocks, 50 %"
PEERED = (
    FIRST,
    "ResNet-56, coupled, 50 %",
    "ResNet-20, coupled with streams, 50 %",
    "chain of 160 channels, coupled",
)
"""Cases on which SCIP runs: an hour otherwise."""


def limit_of(case: Case, contender: str) -> float | None:
    """Give the seconds of a contender on a case; None for not at all."""
    if case.name == SIZE:
        return LARGE if contender.endswith(("search_and_bound", "greedy")) else None
    if contender.startswith("ccsolve"):
        return OURS if contender.endswith("search_and_bound") else SEARCHES
    if contender == "block Lagrangian":
        return LAGRANGIAN if case.cross else None
    if contender == "Gurobi":
        return SHORT if not case.network else None
    if case.name not in PEERED:
        return None
    if case.name == FIRST and contender == "SCIP native":
        return LONG
    return SHORT
