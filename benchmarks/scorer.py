"""The scorer: plain float64 numpy on the instance's own data; no solver is trusted."""

import numpy as np

from benchmarks.instances import PUBLISHED, SIX_DECIMALS, Instance


def score(instance: Instance, z: np.ndarray) -> float:
    """Give the value of the kept set z; inf where it breaks a constraint."""
    z = np.asarray(z).astype(bool)
    if instance.problem.violation(z) > 0:
        return np.inf
    chosen = np.flatnonzero(~z if instance.removed else z)
    inside = instance.S[np.ix_(chosen, chosen)]
    return float(inside.sum() + instance.c[chosen].sum())


def excess(instance: Instance, value: float) -> float:
    """Give (value - best known) / |best known|."""
    return (value - instance.best_known) / abs(instance.best_known)


def reached(instance: Instance, z: np.ndarray) -> bool:
    """Say whether the set is as good as the best known, to what the data can tell.

    Published values hold to 1e-7 of themselves, those of the real programs are given to
    six decimals.
    """
    room = SIX_DECIMALS if instance.removed else PUBLISHED * abs(instance.best_known)
    return score(instance, z) <= instance.best_known + room
