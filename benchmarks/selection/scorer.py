"""The scorer: plain float64 numpy on the instance's raw data; no solver is trusted."""

import math
from collections.abc import Iterable

import numpy as np

from benchmarks.selection.instances.instance import Instance


def score(instance: Instance, z: np.ndarray) -> float:
    """Give the value of the kept set z; inf where it breaks a constraint."""
    kept = np.asarray(z)
    if kept.shape != instance.c.shape or not np.isin(kept, (0, 1)).all():
        return math.inf
    u = kept == 0 if instance.removed else kept == 1
    if instance.count is not None and int(u.sum()) != instance.count:
        return math.inf
    if instance.a is not None and _overspent(instance, u):
        return math.inf
    chosen = np.flatnonzero(u)
    inside = instance.S[np.ix_(chosen, chosen)]
    return float(inside.sum() + instance.c[chosen].sum())


def improvements(
    instance: Instance, points: Iterable[tuple[float, np.ndarray]]
) -> tuple[list[tuple[float, float]], np.ndarray | None]:
    """Score points in the order of time: give the curve of the best, and the best."""
    curve: list[tuple[float, float]] = []
    best, value = None, math.inf
    for seconds, z in sorted(points, key=lambda point: point[0]):
        found = score(instance, z)
        if found < value:
            best, value = z, found
            curve.append((seconds, value))
    return curve, best


def _overspent(instance: Instance, u: np.ndarray) -> bool:
    assert instance.a is not None
    rounding = 1e-12 * instance.a.size * float(np.abs(instance.a).max(initial=0.0))
    return float(instance.a[u].sum()) > instance.b + rounding
