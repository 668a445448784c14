"""Points of a NetworkSelection without search: one, and random ones."""

import bisect
from collections.abc import Iterator

import numpy as np

from ccsolve.problems.network import NetworkSelection
from ccsolve.problems.network_relaxed import relaxed_widths


def feasible_point(problem: NetworkSelection) -> np.ndarray:
    """Give a feasible point by the separable part alone, (n,) bool.

    All groups keep the same share, the largest that the budgets allow by bisection,
    and in each the channels of least Q_ii + q_i stay. O(n log n + 40·cost).
    """
    separable = problem.form.diagonal_of_Q() + problem.q
    return chosen(problem, _shared(problem), separable)


def rounded(problem: NetworkSelection, y: np.ndarray) -> np.ndarray:
    """Give the point nearest to a relaxed one (n,): its widths, its largest entries.

    Widths are those of the ladders next to Σ_{i∈g} y_i; it may break budgets.
    """
    totals = relaxed_widths(problem, y)
    nearest = [
        int(allowed[np.abs(allowed - total).argmin()])
        for allowed, total in zip(problem.widths, totals, strict=True)
    ]
    return chosen(problem, np.array(nearest), -y)


def random_point(problem: NetworkSelection, rng: np.random.Generator) -> np.ndarray:
    """Give a random feasible point, (n,) bool: random widths, random channels.

    From the narrowest network on, groups in random order are widened to a random width
    of those that fit.
    """
    k = np.array([allowed[0] for allowed in problem.widths])
    for g in rng.permutation(problem.count):
        drawn = int(rng.integers(len(problem.widths[g])))
        k[g] = _widest(problem, k, g, drawn)
    return chosen(problem, k, rng.random(problem.n))


def _widest(problem: NetworkSelection, k: np.ndarray, g: int, most: int) -> int:
    """Give the widest width of a group that fits beside the others', to a place.

    Wider networks never cost less: by bisection.
    """
    ladder, trial = problem.widths[g], k.copy()

    def is_too_wide(place: int) -> bool:
        trial[g] = ladder[place]
        return not problem.fits(trial)

    found = bisect.bisect_left(range(most + 1), True, key=is_too_wide)
    return int(ladder[max(found - 1, 0)])


def filled(problem: NetworkSelection, z: np.ndarray) -> np.ndarray:
    """Give z (n,) with steps of width put back as long as one fits, (n,) bool.

    The step that raises the objective least comes first, with the channels that raise
    it least by themselves; it may rise. O(n²) a step, O(mn) with a factor.
    """
    z = np.array(z, dtype=bool)
    while steps := list(_wider(problem, z)):
        _, back = min(steps, key=lambda step: step[0])
        z[back] = True
    return z


def _wider(
    problem: NetworkSelection, z: np.ndarray
) -> Iterator[tuple[float, np.ndarray]]:
    """Give what the next step of each group adds, and its channels, where it fits."""
    k = problem.widths_of(z)
    rises = problem.form.diagonal_of_Q() + problem.q + 2.0 * problem.form.multiply(z)
    for g, (own, ladder) in enumerate(
        zip(problem.members, problem.widths, strict=True)
    ):
        place = int(np.searchsorted(ladder, k[g], side="right"))
        free = problem.fixed is None or problem.fixed[own] == -1
        out = np.flatnonzero(~z[own] & free)
        wider = k.copy()
        wider[g] = ladder[min(place, len(ladder) - 1)]
        missing = int(wider[g] - k[g])
        if 0 < missing <= len(out) and problem.fits(wider):
            back = out[np.argsort(rises[own[out]], kind="stable")[:missing]]
            block = problem.form.block(g)[np.ix_(back, back)]
            between = float(block.sum() - np.trace(block))
            yield float(rises[own[back]].sum()) + between, own[back]


def natural_scale(problem: NetworkSelection, points: int = 16, seed: int = 0) -> float:
    """Give the mean |objective| of random feasible points; O(points·zᵀQz)."""
    rng = np.random.default_rng(seed)
    values = [problem.objective(random_point(problem, rng)) for _ in range(points)]
    return float(np.abs(values).mean())


def chosen(
    problem: NetworkSelection, widths: np.ndarray, values: np.ndarray
) -> np.ndarray:
    """Give the point that keeps the channels of least value at the widths (G,)."""
    values = np.asarray(values, dtype=np.float64).copy()
    if problem.fixed is not None:
        values[problem.fixed == 1] = -np.inf
        values[problem.fixed == 0] = np.inf
    z = np.zeros(problem.n, dtype=bool)
    for own, width in zip(problem.members, widths, strict=True):
        z[own[np.argsort(values[own], kind="stable")[: int(width)]]] = True
    return z


def _shared(problem: NetworkSelection) -> np.ndarray:
    """Give the widths at the largest share that fits, (G,)."""
    low, high = 0.0, 1.0
    if problem.fits(_at_share(problem, high)):
        return _at_share(problem, high)
    for _ in range(40):
        middle = 0.5 * (low + high)
        if problem.fits(_at_share(problem, middle)):
            low = middle
        else:
            high = middle
    return _at_share(problem, low)


def _at_share(problem: NetworkSelection, share: float) -> np.ndarray:
    """Give the largest widths of at most the share, the least one where none is."""
    found = []
    for own, allowed in zip(problem.members, problem.widths, strict=True):
        place = np.searchsorted(allowed, share * len(own), side="right") - 1
        found.append(allowed[max(place, 0)])
    return np.array(found, dtype=np.int64)
