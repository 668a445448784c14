"""One gate per channel on the dense weights: the quadratic that is left without refit.

With V the weights that keep all, the loss at weights β_j·V_j is
½βᵀQβ - tᵀβ + constant, Q_ij = tr(M V_iᵀH_ij V_j), t_i = tr(M V_iᵀC_i).
"""

from typing import NamedTuple

import numpy as np

from ccsolve.solvers.reconstruction.searching.working_form import WorkingForm

_SLAB = 2**24
"""Entries of d x d products made at a time: 128 MB."""


class Gates(NamedTuple):
    """Q (n, n), positive semidefinite, and t (n,)."""

    Q: np.ndarray
    t: np.ndarray


def gates(form: WorkingForm, n: int) -> Gates:
    """Give the quadratic in the gates of n channels; O(d²r)."""
    d, r = form.V.shape
    group = d // n
    Q, slab = np.empty((n, n)), max(1, _SLAB // (d * group))
    for start in range(0, n, slab):
        rows = slice(start * group, min(n, start + slab) * group)
        products = form.H[rows] * (form.V[rows] @ form.V.T)
        sums = products.reshape(-1, group, n, group).sum(axis=(1, 3))
        Q[start : start + slab] = sums
    t = (form.V * form.C).reshape(n, group * r).sum(axis=1)
    return Gates(0.5 * (Q + Q.T), t)
