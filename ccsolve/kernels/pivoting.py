"""Principal pivoting for convex quadratic programs over a box and two linear rows.

The optimality conditions of min ½xᵀHx + bᵀx, 1ᵀx = keep, costᵀx ≤ limit, 0 ≤ x ≤ 1 are
kept as a tableau over m variables, then the multiplier of the cardinality (index m),
then the budget's price (index m + 1). With K the bordered matrix of all of them, P the
basic indices and N the others, the symmetric tableau holds -K_PP⁻¹, K_NP·K_PP⁻¹ and the
Schur complement K_NN - K_NP·K_PP⁻¹·K_PN; `sweep` moves an index between P and N.
"""

from numba import njit

TINY_PIVOT = 1e-13
"""Pivots below this are taken for zero; rounding would be divided by them."""

STUCK = 1e-9
"""The same where a variable is to leave: the inverse of a curvature, never so small but
where rows alone hold the variable."""


@njit(cache=True)
def sweep(T, k, sign, row):
    """Exchange index k between basic and nonbasic in the tableau T; O(size²).

    The pivot T_kk ≠ 0 is that of the Schur complement where k enters (``sign`` = 1),
    and that of -K_PP⁻¹ where it leaves (``sign`` = -1); the rules differ in the sign of
    the pivot's row alone. ``row`` (size,) is room to work.
    """
    size = T.shape[0]
    for j in range(size):
        row[j] = T[k, j]
    inverse = 1.0 / row[k]
    for i in range(size):
        part = row[i] * inverse
        if part != 0.0:
            for j in range(size):
                T[i, j] -= part * row[j]
    for i in range(size):
        T[i, k] = T[k, i] = sign * row[i] * inverse
    T[k, k] = -inverse


@njit(cache=True)
def move(T, k, by, basic, x, reduced):
    """Move a nonbasic x_k; basic entries and nonbasic reduced costs follow. O(size)."""
    for j in range(T.shape[0]):
        if basic[j]:
            x[j] -= T[j, k] * by
        else:
            reduced[j] += T[j, k] * by
    x[k] += by


@njit(cache=True)
def enter(T, k, basic, x, reduced, row):
    """Make index k basic, at the value where its reduced cost is 0."""
    move(T, k, -reduced[k] / T[k, k], basic, x, reduced)
    reduced[k] = 0.0
    sweep(T, k, 1.0, row)
    basic[k] = True


@njit(cache=True)
def leave(T, k, target, basic, x, reduced, row):
    """Make index k nonbasic, at ``target``."""
    sweep(T, k, -1.0, row)
    basic[k] = False
    reduced[k] = 0.0
    move(T, k, target - x[k], basic, x, reduced)
    x[k] = target


@njit(cache=True)
def settle(T, basic, x, reduced, has_budget, tolerance, row):
    """Pivot on the worst violation until none is worth ``tolerance``; give the pivots.

    A basic variable outside the box goes to its bound, a variable at a bound with a
    reduced cost of the wrong sign becomes basic; the price of the budget likewise
    (Júdice and Pires, Computers and Operations Research 21, 1994: one index at a time).
    A violation is measured by the change of the objective that removing it alone would
    bring. Ends after 2m + 20 pivots, for a cycle cannot be excluded, and at a worst
    violation of pivot 0, which another would have to replace: callers bound what is
    left by a tangent, which needs no optimal point. Such exchanges, as in the dual
    simplex method, were tried: fewer ends of the second kind, as many more cycles.
    """
    m = T.shape[0] - 2
    for pivots in range(2 * m + 20):
        k = _worst(T, basic, x, reduced, has_budget, tolerance)
        if k < 0 or is_stuck(T, k, basic):
            return pivots
        if not basic[k]:
            enter(T, k, basic, x, reduced, row)
        elif k < m:
            leave(T, k, 0.0 if x[k] < 0.5 else 1.0, basic, x, reduced, row)
        else:
            leave(T, k, 0.0, basic, x, reduced, row)
    return 2 * m + 20


@njit(cache=True)
def is_stuck(T, k, basic):
    """Say whether the pivot of an index is 0 but for rounding."""
    leaves = basic[k] and k < T.shape[0] - 2
    return abs(T[k, k]) < (STUCK if leaves else TINY_PIVOT)


@njit(cache=True)
def _worst(T, basic, x, reduced, has_budget, tolerance):
    """Give the index of the worst violation, -1 where none is worth ``tolerance``."""
    m = T.shape[0] - 2
    worst, k = tolerance, -1
    for i in range(m):
        if basic[i]:
            off = max(-x[i], x[i] - 1.0)
        elif x[i] < 0.5:
            off = -reduced[i]
        else:
            off = reduced[i]
        if off > 0.0:
            gain = off * off / max(abs(T[i, i]), 1e-300)
            if gain > worst:
                worst, k = gain, i
    if has_budget:
        price = m + 1
        off = -x[price] if basic[price] else reduced[price]
        if off > 0.0 and off * off > worst * abs(T[price, price]):
            k = price
    return k


@njit(cache=True)
def tilt(T, k, by, basic, x, reduced):
    """Add ``by`` to the linear term of x_k; the basic point follows. O(size)."""
    if not basic[k]:
        reduced[k] += by
        return
    for j in range(T.shape[0]):
        if basic[j]:
            x[j] += T[j, k] * by
        else:
            reduced[j] -= T[j, k] * by
