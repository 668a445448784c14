"""The scorer: what a point is worth, asked of the problem and of no method."""

import math

import numpy as np

from ccsolve.problems import ChannelSelection
from ccsolve.solution import FEASIBILITY_TOLERANCE


def score(problem: ChannelSelection, z: np.ndarray) -> float:
    """Give the objective of a point in plain numpy, inf where it is infeasible."""
    if problem.violation(z) > FEASIBILITY_TOLERANCE:
        return math.inf
    return problem.objective(z)
