"""Minimising the relaxation over {0 ≤ z ≤ 1, 1ᵀz = keep} by spectral gradients."""

from collections import deque
from collections.abc import Iterator

import numpy as np

from ccsolve.kernels.capped_polytope import clip_to_total
from ccsolve.solvers.reconstruction.relaxing.perspective_form import (
    Evaluation,
    PerspectiveForm,
    evaluate,
)

_MEMORY, _DECREASE, _SHORTEST = 5, 1e-4, 1e-6


def descent(form: PerspectiveForm) -> Iterator[Evaluation]:
    """Give an evaluation a step, until z stands still; a factorisation each or more.

    Projected gradients with the step lengths of Barzilai and Borwein and a line search
    that is not monotone (Birgin, Martínez and Raydan, SIAM J. Optim. 10, 2000). It
    begins with z alike and one multiplicative step, z_j ∝ z_j·√t_j, the minimum over z
    at the weights of the first.
    """
    n = len(form.parts.blocks)
    now = evaluate(form, np.full(n, form.keep / n))
    yield now
    last = now
    now = evaluate(form, _reweighted(now, form.keep))
    yield now
    values = deque([last.value, now.value], maxlen=_MEMORY)
    while True:
        length = _length(now.z - last.z, now.gradient - last.gradient)
        if length == 0:
            return
        direction = _projected(now.z - length * now.gradient, form.keep) - now.z
        last, now = now, _searched(form, now, direction, max(values))
        values.append(now.value)
        yield now


def _searched(
    form: PerspectiveForm, now: Evaluation, direction: np.ndarray, ceiling: float
) -> Evaluation:
    """Halve the step until the value is below the ceiling, by part of the slope."""
    slope, length = float(now.gradient @ direction), 1.0
    while True:
        trial = evaluate(form, np.clip(now.z + length * direction, 0.0, 1.0))
        enough = trial.value <= ceiling + _DECREASE * length * slope
        if enough or length < _SHORTEST:
            return trial
        length *= 0.5


def _length(moved: np.ndarray, turned: np.ndarray) -> float:
    """Give the step length ‖Δz‖²/Δzᵀ∇Δ; f is convex, so that is positive or nothing."""
    along = float(moved @ turned)
    return float(moved @ moved) / along if along > 0 else 0.0


def _reweighted(now: Evaluation, keep: int) -> np.ndarray:
    """Give z_j = min(1, s_j/μ) of sum ``keep``, s_j = z_j·√t_j."""
    s = now.z * np.sqrt(np.maximum(-2.0 * now.gradient, 0.0))
    if not s.max() > 0:
        return now.z
    return _clipped(np.zeros_like(s), np.maximum(s, 1e-12 * s.max()), keep)


def _projected(v: np.ndarray, keep: int) -> np.ndarray:
    return _clipped(v, np.ones_like(v), keep)


def _clipped(v: np.ndarray, reach: np.ndarray, keep: int) -> np.ndarray:
    z = np.empty_like(v)
    clip_to_total(v, reach, float(keep), 0.0, z)
    return z
