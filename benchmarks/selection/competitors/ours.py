"""Methods of ccsolve, by their names in the registry."""

import functools

import numpy as np

import ccsolve
from benchmarks.selection.competitors.answer import Answer, DoesNotFit, Terms
from ccsolve.errors import Unsupported
from ccsolve.iterate import Progress
from ccsolve.problems.generate import cancelling


def run(problem: ccsolve.ChannelSelection, terms: Terms, *, method: str) -> Answer:
    """Solve, and note every improvement as the callback sees it."""
    points: list[tuple[float, np.ndarray]] = []
    bounds: list[tuple[float, float]] = []
    best = [np.inf]

    def see(now: Progress) -> bool:
        if now.x is not None and now.objective < best[-1]:
            best.append(now.objective)
            points.append((now.seconds, np.array(now.x, dtype=bool)))
        if now.bound > (bounds[-1][1] if bounds else -np.inf):
            bounds.append((now.seconds, now.bound))
        return terms.target is not None and now.objective <= terms.target

    try:
        _warm_up(method)
        solution = ccsolve.solve(
            problem, method, terms.seconds, seed=terms.seed, callback=see
        )
    except Unsupported as error:
        raise DoesNotFit(str(error)) from None
    points.append((solution.seconds, solution.x))
    if solution.bound > -np.inf:
        bounds.append((solution.seconds, solution.bound))
    return Answer(points, bounds, solution.seconds, solution.stop.value)


@functools.cache
def _warm_up(method: str) -> None:
    """Run once on a small program, so that no measured run loads a library."""
    ccsolve.solve(cancelling(24), method, 5.0, step_limit=20)
