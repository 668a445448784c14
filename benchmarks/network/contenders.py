"""Who solves: each gives the points and bounds it had over time, and its last point."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

import ccsolve
from benchmarks.network import mixed_integer
from benchmarks.network.schedule import EARLY
from ccsolve import NetworkSelection
from ccsolve.iterate import Limits, Step
from ccsolve.solvers.network.bounding.raising import HASTY, Raising
from ccsolve.solvers.network.bounding.separable import split
from ccsolve.solvers.network.curves import moved
from ccsolve.solvers.network.searching.pool import Pool


@dataclass
class Run:
    """What a contender did: (seconds, value or None, bound or None) as they came.

    `early` is what each of several seeds had after `EARLY` seconds of its own.
    """

    trace: list[tuple[float, float | None, float | None]] = field(default_factory=list)
    x: np.ndarray | None = None
    early: list[float] = field(default_factory=list)
    status: str = "ran"
    version: str = ""
    note: str = ""


Contender = Callable[[NetworkSelection, float], Run]


def ours(method: str, **options: Any) -> Contender:
    """Give a method of ccsolve."""

    def run(problem: NetworkSelection, limit: float) -> Run:
        found = ccsolve.solve(problem, method, time_limit=limit, gap=1e-6, **options)
        trace: list[tuple[float, float | None, float | None]] = [
            (at.seconds, _finite(at.objective), _finite(at.bound)) for at in found.trace
        ]
        x = None if found.x is None else np.asarray(found.x)
        version = ccsolve.__version__
        return Run(trace, x, version=version, note=found.stop.value)

    return run


def in_turn(seeds: int) -> Contender:
    """Give our method with so many seeds, one after the other, that share the time.

    The search is random; what one seed finds in any time is no measure of itself.
    """

    def run(problem: NetworkSelection, limit: float) -> Run:
        share, least, whole = limit / seeds, np.inf, Run(version=ccsolve.__version__)
        for seed in range(seeds):
            one = ours("search_and_bound", seed=seed)(problem, share)
            for at, reached, bound in one.trace:
                whole.trace.append((seed * share + min(at, share), reached, bound))
            (soon,), _ = at_times(one, [EARLY])
            if soon is not None:
                whole.early.append(soon)
            if one.x is not None and (value := problem.objective(one.x)) < least:
                whole.x, least = one.x, value
        return whole

    return run


def block_lagrangian(problem: NetworkSelection, limit: float) -> Run:
    """Give the bound that leaves the blocks to the groups, whole, and no other share.

    What is beside the blocks is made convex by a multiple of the identity; the tangent
    of that is moved as `curves` does.
    """
    if problem.form.is_separable:
        return Run(status="the form is separable")
    limits, pool = Limits(time_limit=limit), Pool()
    z = ccsolve.solve(problem, "local_search", time_limit=1.0).x
    list(pool.watch([Step(z, problem.objective(z))]))
    raising = Raising(problem, limits, care=HASTY)
    steps = moved(raising, split(problem, 1.0), pool, [z.astype(np.float64)])
    trace: list[tuple[float, float | None, float | None]] = []
    best = -np.inf
    for step in pool.watch(steps):
        best = max(best, step.bound)
        trace.append((limits.seconds(), _finite(pool.objective), _finite(best)))
        if limits.remaining() <= 0:
            break
    return Run(trace, np.asarray(pool.x), version=ccsolve.__version__)


def scip(form: str) -> Contender:
    """Give SCIP on one of the ways to state the program."""
    return lambda problem, limit: Run(**mixed_integer.scip(problem, limit, form))


def gurobi(problem: NetworkSelection, limit: float) -> Run:
    """Give Gurobi with its free licence, for programs that fit."""
    return Run(**mixed_integer.gurobi(problem, limit))


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


MANY = 10**6
"""Restarts, where the clock ends the search."""

CONTENDERS: Mapping[str, Contender] = MappingProxyType(
    {
        "ccsolve search_and_bound": ours("search_and_bound"),
        "ccsolve, 6 seeds": in_turn(6),
        "ccsolve, 24 seeds": in_turn(24),
        "ccsolve exchange": ours("exchange", restarts=MANY),
        "ccsolve tabu": ours("tabu", restarts=MANY),
        "ccsolve local_search": ours("local_search", restarts=MANY),
        "ccsolve greedy": ours("greedy"),
        "block Lagrangian": block_lagrangian,
        "SCIP native": scip("native"),
        "SCIP linearised": scip("linearised"),
        "Gurobi": gurobi,
    }
)


def at_times(
    run: Run, times: list[float]
) -> tuple[list[float | None], list[float | None]]:
    """Give the value and the bound that were there at each of the times."""
    values, bounds = [], []
    for limit in times:
        seen = [point for point in run.trace if point[0] <= limit]
        values.append(min((v for _, v, _ in seen if v is not None), default=None))
        bounds.append(max((b for _, _, b in seen if b is not None), default=None))
    return values, bounds


def timed(
    contender: Contender, problem: NetworkSelection, limit: float
) -> tuple[Run, float, float]:
    """Run a contender; give its run, the seconds it took, and those of the processor.

    Both include what is compiled or loaded before a contender's own clock starts.
    """
    start, worked = time.perf_counter(), time.process_time()
    run = contender(problem, limit)
    return run, time.perf_counter() - start, time.process_time() - worked
