"""Collaborative Compression's allocator as published, in our own words and code.

One multiplier for all layers, moved by a fixed step along the residual of the budget,
a Python loop over the layers in every iteration (methods 1.5 of the paper's release):
C_l = log(x / (a_l b_l)) / b_l, clipped to [0, cap].
"""

import math

import numpy as np

from benchmarks.allocation.competitors.answer import Answer, timed
from benchmarks.allocation.instances import Instance
from ccsolve.problems import SmoothRateAllocation

FIRST, STEP, MOST, ENOUGH = 0.1, 1e-6, 1_000_000, 1e-10


def solve(instance: Instance, seconds: float) -> Answer:
    """Run the loop until the squared residual, in units of 1e7, is below 1e-10.

    The start and the step are the release's. Where they do not converge the point is
    what they leave.
    """
    problem = instance.problem
    assert isinstance(problem, SmoothRateAllocation)
    return timed(lambda: (np.array(_rates(problem)), -math.inf))


def _rates(problem: SmoothRateAllocation) -> list[float]:
    curves = list(zip(problem.scale.tolist(), problem.rate.tolist(), strict=True))
    sizes, caps = (problem.size / 1e7).tolist(), problem.cap.tolist()
    wanted, x = problem.remove / 1e7, FIRST
    for _ in range(MOST):
        removed, slope = 0.0, 0.0
        for (a, b), size, cap in zip(curves, sizes, caps, strict=True):
            rate = math.log(x / (a * b)) / b
            if 0.0 <= rate <= cap:
                slope += size / b
            removed += size * min(max(rate, 0.0), cap)
        residual = removed - wanted
        if residual * residual < ENOUGH:
            break
        x = max(x - STEP * 2.0 * residual * slope, 1e-12)
    return [
        min(max(math.log(x / (a * b)) / b, 0.0), cap)
        for (a, b), cap in zip(curves, caps, strict=True)
    ]
