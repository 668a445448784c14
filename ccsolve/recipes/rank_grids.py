"""The ranks that are offered to a layer, or fixed by its user, bond by bond.

Modes are those of a tensor with a bond between neighbours: (n, d) of a matrix,
(n, kernel, c) of a pair of ranks, more of a longer train.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import whole_number
from ccsolve.problems.tensor_formats import fitting_ranks, full_ranks

Ranks = NDArray[np.int64]
Fixed = int | Sequence[int]
"""One rank for all bonds, 0 for the layer as it is; or a rank for each bond."""

MOST_RANKS = 32
"""Ranks of each side that pairs are made of; more are thinned, evenly."""

MOST_OPTIONS = MOST_RANKS**2
"""Of a train of more bonds: how many ranks are offered, of each bond spread evenly in
their logarithms."""


def offered(modes: Sequence[int], multiple_of: int, min_keep: int) -> Ranks:
    """Give the ranks on offer, (K, bonds): those whose bonds leave one another room.

    Multiples of the one number, no less than the other; of several bonds also the full
    rank of each. Of one bond all of them.
    """
    full = full_ranks("tt", tuple(modes))
    count = len(full)
    most = max(2, int(MOST_OPTIONS ** (1 / count) + 1e-9))
    sides = [_multiples(one, multiple_of, min_keep, count > 1) for one in full]
    if count > 1:
        spread = np.linspace if count == 2 else np.geomspace
        sides = [_thinned(side, most, spread) for side in sides]
    grid = np.stack(np.meshgrid(*sides, indexing="ij"), -1)
    grid = grid.reshape(-1, count).astype(np.int64)
    return grid[have_room(grid, modes)]


def have_room(ranks: Ranks, modes: Sequence[int]) -> NDArray[np.bool_]:
    """Say of ranks (K, bonds) which ones a tensor can have: r <= r' · mode, r' too."""
    ones = np.ones((len(ranks), 1), dtype=ranks.dtype)
    left, right = np.hstack([ones, ranks]), np.hstack([ranks, ones])
    sizes = np.array(modes)
    fits = (right <= left * sizes) & (left <= right * sizes)
    return np.asarray(fits.all(axis=1))


def raised(
    ranks: Ranks, modes: Sequence[int], multiple_of: int, min_keep: int
) -> Ranks:
    """Give ranks (K, bonds) raised to what `offered` may offer, where they can be."""
    full = np.array(full_ranks("tt", tuple(modes)))
    least = max(1, -(-min_keep // multiple_of)) * multiple_of
    up = np.maximum(-(-ranks // multiple_of) * multiple_of, least)
    found = np.unique(np.minimum(up, full), axis=0)
    return found[have_room(found, modes)]


def fixed_ranks(where: str, fixed: Any, modes: Sequence[int]) -> tuple[int, ...]:
    """Give the ranks that a layer is fixed at.

    Of one number each bond has at most what it can have. InvalidProblem, with `where`
    in its message, for ranks that the layer has no room for, or another number of them.
    """
    full = full_ranks("tt", tuple(modes))
    if not isinstance(fixed, Sequence | np.ndarray) or isinstance(fixed, str):
        most = whole_number(where, fixed, 0, max(full))
        return fitting_ranks("tt", tuple(modes), tuple(min(most, r) for r in full))
    if len(fixed) != len(full):
        raise InvalidProblem(
            f"{where} = {list(fixed)!r:.80}: {len(fixed)} ranks; expected one number, "
            f"or one for each of {len(full)} bonds, at most {full}"
        )
    ranks = tuple(
        whole_number(f"{where}[{place}]", rank, 1, most)
        for place, (rank, most) in enumerate(zip(fixed, full, strict=True))
    )
    room = fitting_ranks("tt", tuple(modes), ranks)
    if room != ranks:
        raise InvalidProblem(
            f"{where} = {ranks}: the other ranks leave room for {room} of modes "
            f"{tuple(modes)}; expected no more"
        )
    return ranks


def _multiples(full: int, step: int, least: int, several: bool) -> list[int]:
    first = max(1, -(-least // step)) * step
    ranks = list(range(first, full + 1, step))
    if several and full not in ranks:
        ranks.append(full)
    return ranks


def _thinned(ranks: list[int], most: int, spread: Any) -> list[int]:
    if len(ranks) <= most:
        return ranks
    places = spread(1, len(ranks), most).round().astype(int) - 1
    return [ranks[place] for place in np.unique(places)]
