"""Selections by score alone: what toolkits do instead of solving the program."""

import numpy as np

from ccsolve.problems import ChannelSelection


def diagonal(problem: ChannelSelection) -> np.ndarray:
    """Keep the channels whose removal alone costs most, (n,) bool; O(n²) or O(mn).

    The cost is that of deleting channel i from the whole, f(1 - e_i) - f(1) =
    Q_ii - 2(Q1)_i - q_i, which is ½H_ii for a removal model without gradient: the
    saliency of Optimal Brain Damage (LeCun et al., 1990). Interaction is ignored, as in
    every ranking of channels by a norm of their own.
    """
    whole = problem.multiply(np.ones(problem.n))
    return top(problem.diagonal_of_Q() - 2.0 * whole - problem.q, problem.keep)


def top(score: np.ndarray, keep: int | None) -> np.ndarray:
    """Give the point that keeps the ``keep`` largest scores; ties go to low indices."""
    z = np.zeros(score.size, dtype=bool)
    z[np.argsort(-score, kind="stable")[:keep]] = True
    return z
