"""The curvature over the channels of all groups, and pulling it to a steadier one.

S = rowsᵀrows with the rows of all groups side by side has blocks between groups, of
which there are far more numbers than samples. It is replaced by (1 - ρ)·S + ρ·T with

    "groups"    T = the blocks of S on the groups: only what joins groups is pulled
    "diagonal"  T = diag S
    "identity"  T = μ_g·I on every group g, μ_g the mean of its diagonal.

The intensity of least expected squared error is, as in `shrinkage`, the noise of what T
does not share with S by ‖S - T‖² (Ledoit and Wolf, Journal of Multivariate Analysis 88,
2004; Schäfer and Strimmer, Statistical Applications in Genetics and Molecular Biology
4, 2005). With r_s the rows of sample s, whose weight 1/√N is inside, and their Gram
matrices, which are sums over groups, so that S need not be formed:

    noise = Σ_s ‖r_s·r_sᵀ‖² - ‖S‖²/N,   less the same of each block, or diagonal, in T.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import InvalidProblem, MissingStatistics
from ccsolve.statistics.group import Group
from ccsolve.statistics.shrinkage import TARGETS, block_noise, target_diagonal

Array = NDArray[np.float64]

GROUPS = "groups"


def whole_curvature(
    groups: Sequence[Group],
    curvature: str,
    shrinkage: float | str,
    target: str,
    samples: int,
) -> dict[str, Any]:
    """Give (1 - ρ)·S + ρ·T as arguments of `NetworkSelection`: Q, or its parts.

    In parts where rows are fewer than channels: then S is not formed. `samples` says
    how many rows are of one sample, for the intensity "auto".

    Raises
    ------
    MissingStatistics
        A group has no rows, or for "auto" they are not as many for each sample.
    InvalidProblem
        Another target, or a shrinkage outside 0 to 1.
    """
    rho = pull_of(groups, curvature, shrinkage, target, samples)
    rows = _rows(groups, curvature)
    if not rows:
        return {"Q": np.zeros((0, 0))}
    factor = np.concatenate(rows, axis=1)
    if len(factor) >= factor.shape[1]:
        return {"Q": (1 - rho) * (factor.T @ factor) + rho * _target(rows, target)}
    parts: dict[str, Any] = {"factor": np.sqrt(1 - rho) * factor}
    if target == GROUPS:
        return {**parts, "blocks": [rho * (own.T @ own) for own in rows]}
    return {**parts, "diagonal": rho * _diagonal(rows, target)}


def pull_of(
    groups: Sequence[Group],
    curvature: str,
    shrinkage: float | str,
    target: str,
    samples: int,
) -> float:
    """Give the ρ that `whole_curvature` takes, with its errors."""
    if target not in (*TARGETS, GROUPS):
        known = " or ".join((*TARGETS, GROUPS))
        raise InvalidProblem(f"target {target!r}; expected {known}")
    rows = _rows(groups, curvature)
    if not rows:
        return 0.0
    if shrinkage == "auto":
        return whole_intensity(rows, rows_per_sample(rows, samples), target)
    # The number alone: how it is checked does not depend on the group.
    return groups[0].intensity(curvature, shrinkage)


def whole_intensity(rows: Sequence[Array], each: int, target: str) -> float:
    """Give the ρ in [0, 1] of least expected squared error, from the groups' rows.

    `each` rows behind one another are of one sample. 0 where T is S itself.
    O(R·each·n + R·n·min(R, n)).
    """
    count = len(rows[0]) // each
    square = _square(rows)
    grams = sum(_grams(own, each) for own in rows)
    noise = float(np.square(grams).sum()) - square / count
    held = np.array([block_noise(own, each) for own in rows]).sum(axis=0)
    diagonal = np.concatenate([np.square(own).sum(axis=0) for own in rows])
    aim = _diagonal(rows, target) if target != GROUPS else diagonal
    if target == GROUPS:
        shared, distance = held[0], square - sum(_square([own]) for own in rows)
    else:
        shared = held[1] if target == "diagonal" else 0.0
        off = square - float(diagonal @ diagonal)
        distance = off + float(np.square(diagonal - aim).sum())
    if distance <= 0.0:
        return 0.0
    return float(min(1.0, max(0.0, noise - shared) / distance))


def rows_per_sample(rows: Sequence[Array], samples: int) -> int:
    """Give how many rows are of one sample; MissingStatistics where that is unknown."""
    count = len(rows[0])
    if samples < 1 or count < samples or count % samples:
        raise MissingStatistics(
            f"{count} rows of {samples} samples: not as many of each, which the noise "
            "follows from; collect again, or give the shrinkage as a number"
        )
    return count // samples


def _rows(groups: Sequence[Group], curvature: str) -> list[Array]:
    held = [(group.name, group.rows(curvature)) for group in groups]
    for name, rows in held:
        if rows is None:
            raise MissingStatistics(
                f"groups/{name}: no {curvature}_rows, which blocks between groups "
                "come from; collect with rows, or give cross=False"
            )
    return [np.asarray(rows, np.float64) for _, rows in held]


def _grams(rows: Array, each: int) -> Array:
    """Give each sample's r_s·r_sᵀ, (N, each, each)."""
    parts = rows.reshape(-1, each, rows.shape[1])
    return np.einsum("nri,nqi->nrq", parts, parts)


def _square(rows: Sequence[Array]) -> float:
    """Give ‖S‖², from the smaller of the two Gram matrices."""
    count, n = len(rows[0]), sum(own.shape[1] for own in rows)
    if count <= n:
        return float(np.square(sum(own @ own.T for own in rows)).sum())
    factor = np.concatenate(rows, axis=1)
    return float(np.square(factor.T @ factor).sum())


def _diagonal(rows: Sequence[Array], target: str) -> Array:
    own = [np.square(part).sum(axis=0) for part in rows]
    return np.concatenate([target_diagonal(part, target) for part in own])


def _target(rows: Sequence[Array], target: str) -> Array:
    """Give T as it is, (n, n)."""
    if target != GROUPS:
        return np.diag(_diagonal(rows, target))
    n = sum(own.shape[1] for own in rows)
    found, start = np.zeros((n, n)), 0
    for own in rows:
        stop = start + own.shape[1]
        found[start:stop, start:stop] = own.T @ own
        start = stop
    return found
