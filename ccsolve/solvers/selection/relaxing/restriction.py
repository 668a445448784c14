"""A lifted program and its dual with one channel fixed; the bound does not fall."""

from typing import NamedTuple

import numpy as np

from ccsolve.kernels.dual_sweep import ALL, APEX, EITHER, UNDER
from ccsolve.linalg.rounding import EPS
from ccsolve.solvers.selection.relaxing.duals import (
    Certificate,
    Cuts,
    Dual,
)
from ccsolve.solvers.selection.relaxing.lifted import (
    LiftedProgram,
    most_affordable,
)

SMALLEST_SHARE = 1e-6
"""Below it a channel's column says nothing of the others."""


class Child(NamedTuple):
    """The program without one channel, and a dual of at least the parent's bound."""

    program: LiftedProgram
    dual: Dual


def restrict(
    program: LiftedProgram,
    dual: Dual,
    certificate: Certificate,
    channel: int,
    kept: bool,
) -> Child:
    """Fix a channel at 1 (``kept``) or at 0; O(n² + cuts).

    The other channels keep their order. In exact arithmetic the child's dual proves at
    least what ``certificate`` proves of the parent's.

    At 0 a row and a column go. At 1, with w = Tv, T = [e'/k'; I] for k' = keep - 1
    (T: e_0 → e_0 + e_i without ``keep``), M = Z + λI with Z ⪰ 0 gives T'ZT ⪰ 0, and

        T'GT = G_r + 2·diag(g) + A*(2g/k' + e·G_ii/k'²) + (G_ii/k')·I

    for any symmetric G with g = G_ri (A*(-2g) + G_ii·E_00 without ``keep``): this turns
    every part of M into the same part of the child's program and a change of y.

    Parameters
    ----------
    certificate : of ``dual``, as `duals.certified` gives it.
    channel : 0..n-1. At 1 a cardinality of at least 2 must be left to keep, or the
        child has no lifted program; at 0 one of at most n - 1.
    """
    place = channel + program.first
    rest = np.delete(np.arange(program.C.shape[0]), place)
    smaller = _program(program, place, rest, kept)
    parts = _inequalities(dual, place, rest, kept)
    y = _equalities(program, dual, certificate, place, rest, kept)
    cuts, squares = _without_squares(parts.cuts)
    y += _squares_part(smaller, squares)
    return Child(smaller, Dual(y, parts.S, cuts, parts.spend, parts.save))


def restrict_point(
    program: LiftedProgram, X: np.ndarray, channel: int, kept: bool
) -> np.ndarray:
    """Give where the child's ascent should begin, from the parent's X; O(n²).

    With g the channel's column and s its share X_ii: gg'/s, what X says of the others
    where the channel is kept, or X - gg'/s, both scaled to the child's trace. Of the
    ways tried (the mean of all points, the rows left as they are) this one overtakes
    the parent's bound soonest, with a penalty of once or twice the parent's.
    """
    place = channel + program.first
    rest = np.delete(np.arange(X.shape[0]), place)
    column, share = X[rest, place], max(float(X[place, place]), SMALLEST_SHARE)
    outer = np.outer(column, column) / share
    Y = outer if kept else X[np.ix_(rest, rest)] - outer
    trace = float(program.most - 1 if kept else program.most)
    own = float(np.trace(Y))
    return Y * (trace / own) if own > SMALLEST_SHARE * trace else np.eye(rest.size)


def _program(
    program: LiftedProgram, place: int, rest: np.ndarray, kept: bool
) -> LiftedProgram:
    C = program.C[np.ix_(rest, rest)]
    row = program.C[place, rest]
    cost, limit = program.cost[rest], program.limit
    keep, constant, error = program.keep, program.constant, program.error
    if kept:
        own = np.arange(rest.size)
        C[own, own] += 2.0 * row
        error += 2.0 * EPS * float(np.abs(C[own, own]).sum())
        error += 4.0 * EPS * float(np.abs(row).sum())
        constant = program.in_units(float(program.C[place, place]))
        limit -= float(program.cost[place])
        limit += 2.0 * EPS * abs(limit) if program.has_budget else 0.0
        keep = keep - 1 if keep else 0
    most = keep or 1 + most_affordable(cost[1:], limit)
    return LiftedProgram(C, keep, most, cost, limit, program.exponent, constant, error)


def _inequalities(dual: Dual, place: int, rest: np.ndarray, kept: bool) -> Dual:
    """Give S, cuts, spend and save of the child; y is not set."""
    S = dual.S[np.ix_(rest, rest)]
    cuts = _reduced_cuts(dual.cuts, S, place, kept)
    spend, save = dual.spend[rest], dual.save[np.append(rest, dual.save.size - 1)]
    # (1 - x)(limit - cost'x) is 0 at x = 1, limit - cost'x at x = 0; x(...) opposite.
    save[-1] += dual.spend[place] if kept else dual.save[place]
    return Dual(np.empty(0), S, cuts, spend, save)


def _equalities(
    program: LiftedProgram,
    dual: Dual,
    certificate: Certificate,
    place: int,
    rest: np.ndarray,
    kept: bool,
) -> np.ndarray:
    y = dual.y[rest]
    if not kept:
        return y
    H = certificate.matrix[place] - _adjoint_row(program, dual.y, place)
    h, own = H[rest], float(H[place]) - certificate.floor
    if program.keep:
        k = program.keep - 1
        return (program.keep / k) * y + 2.0 * h / k + own / k**2
    h = h.copy()
    h[0] = 0.0
    y = y - 2.0 * h
    y[0] = dual.y[0] - float(H[place]) + certificate.floor
    return y


def _adjoint_row(program: LiftedProgram, y: np.ndarray, place: int) -> np.ndarray:
    """Give one row of `lifted.adjoint`; O(n)."""
    if program.keep:
        row = 0.5 * (y[place] + y)
        row[place] = (1.0 - program.keep) * y[place]
        return row
    row = np.zeros(y.size)
    row[0], row[place] = -0.5 * y[place], y[place]
    return row


def _reduced_cuts(cuts: Cuts, S: np.ndarray, place: int, kept: bool) -> Cuts:
    """Give what the cuts become, without the place; multiples of X_jk go into S."""
    if cuts.t.size == 0:
        return cuts
    meets = cuts.places == place
    # The place of the channel among a cut's three; in pairs the third repeats one.
    touched = meets.any(axis=1)
    parts = [_renumbered(cuts.subset(~touched), place)]
    for kind, at, others, becomes in _REDUCTIONS[kept]:
        chosen = (cuts.kinds == kind) & meets[:, at]
        found = cuts.subset(chosen)
        if becomes is None:
            _add_pairs(S, _renumbered(found, place), others)
        else:
            places = found.places[:, list(others)]
            parts.append(
                _renumbered(
                    found._replace(
                        kinds=np.full_like(found.kinds, becomes), places=places
                    ),
                    place,
                )
            )
    joined = parts[0]
    for part in parts[1:]:
        joined = joined.joined(part)
    return joined


def _renumbered(cuts: Cuts, place: int) -> Cuts:
    return cuts._replace(places=cuts.places - (cuts.places > place))


def _add_pairs(S: np.ndarray, cuts: Cuts, others: tuple[int, ...]) -> None:
    """Add ½t to S_jk and S_kj."""
    j, k = cuts.places[:, others[0]], cuts.places[:, others[1]]
    np.add.at(S, (j, k), 0.5 * cuts.t)
    np.add.at(S, (k, j), 0.5 * cuts.t)


_SQUARE = 4
"""The cut 1 - x_j, for a moment only: it is the square of 1 - x_j."""

_REDUCTIONS = {
    False: (
        (APEX, 0, (1, 2), None),
        (APEX, 1, (0, 2, 0), UNDER),
        (APEX, 2, (0, 1, 0), UNDER),
        (ALL, 0, (1, 2, 1), EITHER),
        (ALL, 1, (0, 2, 0), EITHER),
        (ALL, 2, (0, 1, 0), EITHER),
        (EITHER, 0, (1, 1, 1), _SQUARE),
        (EITHER, 1, (0, 0, 0), _SQUARE),
    ),
    True: (
        (APEX, 0, (1, 2, 1), EITHER),
        (APEX, 1, (2, 0, 2), UNDER),
        (APEX, 2, (1, 0, 1), UNDER),
        (ALL, 0, (1, 2), None),
        (ALL, 1, (0, 2), None),
        (ALL, 2, (0, 1), None),
        (UNDER, 0, (1, 1, 1), _SQUARE),
    ),
}
"""By the channel's value: (kind, which of its three it is, the others, what remains).

None stands for X_jk ≥ 0. What is not listed becomes 0, or x_i ≥ 0, which is a square.
"""


def _without_squares(cuts: Cuts) -> tuple[Cuts, Cuts]:
    square = cuts.kinds == _SQUARE
    return cuts.subset(~square), cuts.subset(square)


def _squares_part(program: LiftedProgram, squares: Cuts) -> np.ndarray:
    """Give the change of y that takes the place of cuts 1 - x_j ≥ 0; no bound is lost.

    1 - x_j = (1 - x_j)² is ⟨(u - e_j)(u - e_j)', X⟩ with u'w = 1, u = e/keep or e_0.
    """
    y = np.zeros(program.C.shape[0])
    total, j = float(squares.t.sum()), squares.places[:, 0]
    if program.keep:
        np.add.at(y, j, -2.0 * squares.t / program.keep)
        return y + total / program.keep**2
    np.add.at(y, j, 2.0 * squares.t)
    y[0] -= total
    return y
