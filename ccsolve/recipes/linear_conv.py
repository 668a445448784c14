"""LinearConv (Kahatapitiya and Rodrigo, WACV 2021) for weights that are there already.

A layer of n filters holds n_p primary ones; the others are linear combinations of them.
The paper trains both from random numbers. Of a trained layer, which filters are primary
is a choice of n_p rows, and the rest a least-squares fit: the program of
`ReconstructionSelection`, on the filters instead of the input channels.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.api import solve
from ccsolve.errors import InvalidProblem
from ccsolve.problems import ReconstructionSelection
from ccsolve.problems.checks import real_array, symmetric_matrix
from ccsolve.problems.records import reduced
from ccsolve.solution import Solution, merge

Array = NDArray[np.float64]

SWAPS = "swap_search"


@dataclass(frozen=True, eq=False)
class LinearFilters:
    """Filters M (n, d) as M_P of the primary ones and L·M_P of the others.

    Parameters
    ----------
    primary, secondary
        The rows of M that are primary, and the others; both ascending.
    coefficients
        L, (n - n_p, n_p); of rank r where one was asked for.
    factors
        (n - n_p, r) and (r, n_p) with L as their product, None where no rank was asked.
    error
        ‖(M_s - L·M_P) Σ^½‖ / ‖M Σ^½‖, Frobenius.
    solution
        Of the program that chose: its objective is ½‖(M_s - L·M_P) Σ^½‖² for L of full
        rank, weighted by the outputs' weights if there were any; with its bound.
    """

    primary: NDArray[np.int64]
    secondary: NDArray[np.int64]
    coefficients: Array
    factors: tuple[Array, Array] | None
    error: float
    solution: Solution

    __reduce__ = reduced

    @property
    def order(self) -> NDArray[np.int64]:
        """Where each row of M stands among the primary, then the secondary ones."""
        return np.argsort(np.concatenate([self.primary, self.secondary]))


def primary_program(
    filters: Any, keep: int, moment: Any = None, weights: Any = None
) -> ReconstructionSelection:
    """Give the program that chooses `keep` primary filters; O(n·d² + n²·d).

    With K = M Σ Mᵀ the least error of rows P is ½tr(K - K_:P K_PP⁻¹ K_P:), which is
    `ReconstructionSelection` for second moments K and cross moments K.

    Parameters
    ----------
    filters : (n, d) array
        M, one filter a row.
    keep : int
        n_p, from 0 to n.
    moment : (d, d) array, optional
        Σ, second moments of the columns that filters meet; the identity by default.
    weights : (n,) or (n, n) array, optional
        What an error of each output is worth. It moves the choice, not the fit.

    Raises
    ------
    InvalidProblem
        For NaN, wrong shapes, indefinite moments or weights.
    """
    rows = real_array("filters", filters, (None, None))
    K = gram_of(rows, _second_moment(moment, rows.shape[1]))
    # The objective then reads as the error: keeping all filters leaves none.
    start = ReconstructionSelection(K, K, keep, weights=weights)
    gain = -start.objective(np.ones(len(rows), dtype=bool))
    return ReconstructionSelection(K, K, keep, weights=weights, constant=gain)


def linear_filters(
    filters: Any,
    ratio: float | int = 0.5,
    *,
    moment: Any = None,
    weights: Any = None,
    rank: float | int | None = None,
    method: str = SWAPS,
    time_limit: float | None = 10.0,
    gap: float = 1e-6,
    seed: int = 0,
) -> LinearFilters:
    """Choose primary filters, and fit the others as linear combinations of them.

    Swaps also begin at the rows that a pivoted QR of MΣ^½ takes, so that the choice is
    never worse than those. With a rank, L is that of the reduced-rank regression: the
    best fit's projection U·Uᵀ·L on the leading eigenvectors U of L·K_PP·Lᵀ, which is
    the best of rank r for these primary filters (Izenman 1975).

    Parameters
    ----------
    filters, moment, weights
        See `primary_program`.
    ratio
        A float in (0, 1]: that part of the filters is primary, rounded down, at least
        one. An int is their number.
    rank
        Of L: an int, or a float in (0, 1], a part of n_p; None for no limit.
    method, time_limit, gap, seed
        See `ccsolve.solve`; "auto" also proves how good the choice is.

    Raises
    ------
    InvalidProblem
        A ratio, rank or array is malformed.
    """
    rows = real_array("filters", filters, (None, None))
    keep = primary_count(ratio, len(rows))
    second = _second_moment(moment, rows.shape[1])
    program = primary_program(rows, keep, second, weights)
    limits = {"time_limit": time_limit, "gap": gap, "seed": seed}
    solution = solve(program, method, **limits)
    pivots = np.isin(np.arange(len(rows)), pivoted_rows(program.moments, keep))
    solution = merge(solution, solve(program, SWAPS, **limits, start=pivots))
    primary, secondary = np.flatnonzero(solution.x), np.flatnonzero(~solution.x)
    fit = program.refit(solution.x)[np.ix_(primary, secondary)].T
    factors = None
    if rank is not None:
        wanted = min(rank_count(rank, keep), *fit.shape)
        factors = _reduced_rank(fit, gram_of(rows[primary], second), wanted)
        fit = factors[0] @ factors[1]
    off = rows[secondary] - fit @ rows[primary]
    error = _ratio(_size(off, second), _size(rows, second))
    return LinearFilters(primary, secondary, fit, factors, error, solution)


def pivoted_rows(gram: Array, count: int) -> NDArray[np.int64]:
    """Give the rows that a pivoted QR takes first, given their products; O(n²·count).

    Again and again the row of which most is left once those before are projected out
    (Businger and Golub 1965); here as pivots of a Cholesky factorisation.
    """
    left, chosen = np.diagonal(gram).copy(), []
    parts = np.zeros((count, len(gram)))
    for step in range(count):
        row = int(left.argmax())
        chosen.append(row)
        if left[row] > 0:
            rest = gram[row] - parts[:step, row] @ parts[:step]
            parts[step] = rest / np.sqrt(left[row])
            left -= parts[step] ** 2
        # Where nothing is left, rounding must not choose a row twice.
        left[chosen] = -np.inf
    return np.array(chosen, dtype=np.int64)


def primary_count(ratio: float | int, filters: int) -> int:
    """Give n_p = ⌊ratio·n⌋, at least 1; an int is n_p itself.

    InvalidProblem for a ratio outside of (0, 1], or an int outside of 1 to n.
    """
    return _count("ratio", ratio, filters, "filters")


def rank_count(rank: float | int, primary: int) -> int:
    """Give r = ⌊rank·n_p⌋, at least 1; an int is r itself.

    InvalidProblem for a float outside of (0, 1], or an int outside of 1 to n_p.
    """
    return _count("rank", rank, primary, "primary filters")


def _count(name: str, part: float | int, whole: int, of: str) -> int:
    if isinstance(part, float | np.floating) and 0 < part <= 1:
        # A part like 0.29 of 100 must not lose one to rounding.
        return max(1, math.floor(float(part) * whole * (1 + 1e-12)))
    exact = isinstance(part, int | np.integer) and not isinstance(part, bool)
    if exact and 1 <= part <= whole:
        return int(part)
    raise InvalidProblem(
        f"{name} = {part!r:.80}; expected a float in (0, 1] or an int from 1 to "
        f"{whole}, of {whole} {of}"
    )


def _second_moment(moment: Any, columns: int) -> Array | None:
    if moment is None:
        return None
    second = symmetric_matrix("moment", moment)
    if len(second) != columns:
        raise InvalidProblem(
            f"moment has shape {second.shape}; expected ({columns}, {columns}), one "
            f"column for each of a filter's"
        )
    return second


def gram_of(rows: Array, moment: Array | None) -> Array:
    """Give M Σ Mᵀ of filters (n, d), symmetric to the last bit; Σ None for 1."""
    product = (rows if moment is None else rows @ moment) @ rows.T
    return 0.5 * (product + product.T)


def _reduced_rank(fit: Array, gram: Array, rank: int) -> tuple[Array, Array]:
    """Give the factors of the fit of this rank, their columns and rows of one size."""
    _, vectors = np.linalg.eigh(fit @ gram @ fit.T)
    left = vectors[:, len(vectors) - rank :][:, ::-1]
    right = left.T @ fit
    norms = np.linalg.norm(right, axis=1)
    scale = np.sqrt(np.where(norms > 0, norms, 1.0))
    return left * scale, right / scale[:, None]


def _size(rows: Array, moment: Array | None) -> float:
    weighted = rows if moment is None else rows @ moment
    return math.sqrt(max(0.0, float(np.vdot(weighted, rows))))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
