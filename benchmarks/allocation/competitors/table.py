"""The competitors by name, and the process that each runs in."""

import functools
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import NamedTuple

from benchmarks.allocation.competitors import (
    cp_sat,
    highs,
    ours,
    published_loop,
    scip,
)
from benchmarks.allocation.competitors.answer import Answer
from benchmarks.allocation.instances import Instance
from ccsolve import __version__

CLOSE = 1e-4
CLOSER = 1e-5


class Competitor(NamedTuple):
    """How it runs, in which process, and what its version depends on."""

    run: Callable[[Instance, float], Answer]
    process: str
    library: str


def _ours(method: str, gap: float) -> Competitor:
    run = functools.partial(ours.solved, method=method, gap=gap)
    return Competitor(run, "ccsolve", "ccsolve")


TABLE: Mapping[str, Competitor] = {
    "ccsolve exact": _ours("auto", 0.0),
    "ccsolve 1e-4": _ours("auto", CLOSE),
    "ccsolve 1e-5": _ours("auto", CLOSER),
    "ccsolve greedy": _ours("greedy", 0.0),
    "ccsolve buckets (SPDY)": _ours("buckets", 0.0),
    "ccsolve precedence (HALP)": _ours("precedence", 0.0),
    "ccsolve front": Competitor(
        functools.partial(ours.front, gap=CLOSE), "ccsolve", "ccsolve"
    ),
    "ccsolve bisection": Competitor(
        functools.partial(ours.smooth, method="bisection"), "ccsolve", "ccsolve"
    ),
    "cvxpy, Clarabel": Competitor(
        functools.partial(ours.smooth, method="exponential_cone"), "ccsolve", "cvxpy"
    ),
    "published loop": Competitor(published_loop.solve, "ccsolve", "numpy"),
    "HiGHS 1e-4": Competitor(
        functools.partial(highs.milp, gap=CLOSE), "highs", "scipy"
    ),
    "HiGHS LP": Competitor(highs.relaxation, "highs", "scipy"),
    "CP-SAT 1e-4": Competitor(
        functools.partial(cp_sat.solve, gap=CLOSE), "ortools", "ortools"
    ),
    "SCIP 1e-4": Competitor(
        functools.partial(scip.solve, gap=CLOSE), "scip", "pyscipopt"
    ),
}
"""By name. Each library has a process of its own: ortools and highspy clash in one."""


def version(name: str) -> str:
    """Give the library's version."""
    library = TABLE[name].library
    # Our own may be a checkout, which has no metadata.
    found = __version__ if library == "ccsolve" else metadata.version(library)
    return f"{library} {found}"
