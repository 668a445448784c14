"""What every method of ReconstructionSelection gives: a point with its weights."""

from collections.abc import Iterable
from dataclasses import replace

from ccsolve.iterate import Limits, Step, run
from ccsolve.problems import ReconstructionSelection
from ccsolve.solution import Solution


def answered(
    problem: ReconstructionSelection, steps: Iterable[Step], limits: Limits
) -> Solution:
    """Run a method; ``extra["weights"]`` is the refit (d, n_out) of its point."""
    solution = run(steps, limits)
    if solution.x is None:
        return solution
    extra = {**solution.extra, "weights": problem.refit(solution.x)}
    return replace(solution, extra=extra)


def first_step(problem: ReconstructionSelection) -> Step:
    """Give a feasible point at once, by what channels gain on their own."""
    x = problem.feasible_point()
    return Step(x, problem.objective(x))


def is_settled(problem: ReconstructionSelection) -> bool:
    """Say whether there is one feasible point alone."""
    return problem.keep in (0, problem.n)
