"""Removing classes one after the other: in which order, and what the loss becomes.

Both orders are greedy, from the whole group down: the class whose removal raises the
loss least goes next. So the choices of all widths are nested, and one pass gives the
loss at every width.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ccsolve.criteria.refitting import comparable, readers, removal_state
from ccsolve.statistics import Group, Statistics
from ccsolve.statistics.group import CURVATURES

Array = NDArray[np.float64]

RIDGE = 1e-3
"""Of the refit, in units of the columns' mean variance; 1e-2 and 1e-4 choose alike."""


class Removal(NamedTuple):
    """Classes in the order of their removal.

    `order[r]` goes when r others have gone; `loss[r]` is the predicted rise of the
    loss when r classes have gone, so that there is one more loss than classes.
    """

    order: NDArray[np.int64]
    loss: Array

    def kept(self, width: int) -> NDArray[np.int64]:
        """Give the `width` classes that go last, sorted."""
        return np.sort(self.order[len(self.order) - width :])

    def scores(self) -> Array:
        """Give every class the loss at which it goes, (size,)."""
        return self.loss[1:][np.argsort(self.order)]


def taylor_removal(
    stats: Statistics,
    group: str,
    *,
    curvature: str | None = None,
    damping: float = 0.0,
    first_order: float = 0.0,
    shrinkage: float | str = 0.0,
    target: str = "diagonal",
) -> Removal:
    """Order by the rise of -μ·gᵀu + ½·uᵀ(H + damping·I)u, u marking removed classes.

    The loss of CCP (Peng et al., ICML 2019), by default without its gradient term,
    μ = `first_order` = 0: nothing that remains is fitted again. H is the group's
    curvature "ggn" or "fisher", pulled to `target` by `shrinkage` as in
    `Statistics.channel_selection`; by default the Gauss-Newton where it was collected,
    else the empirical Fisher. O(size²).
    """
    held = stats.groups[group]
    name = _collected(held) if curvature is None else curvature
    h = held.hessian(name, shrinkage=shrinkage, target=target)
    h[np.diag_indices(len(h))] += damping
    coupled = -first_order * held.slope(first_order)

    def remove(chosen: int) -> None:
        coupled[:] += h[chosen]
        coupled[chosen] = np.inf

    return _removal(len(h), lambda: 0.5 * np.diagonal(h) + coupled, remove)


def _collected(group: Group) -> str:
    """Give the curvature that is held; the Gauss-Newton where none is."""
    for name in CURVATURES:
        if group.rows(name) is not None or getattr(group, name) is not None:
            return name
    return CURVATURES[0]


def refit_removal(stats: Statistics, group: str) -> Removal:
    """Order by the rise of the loss once the layers that read the group are refitted.

    With ε = V x_S + b - W x, the error that the best map V, b of the remaining columns
    leaves at an output position of a reader, and M the Gauss-Newton of the loss in
    its outputs, the loss is

        scale · Σ over readers of  min over V, b  ½ tr(M · E[εεᵀ]) + ridge

    the reconstruction of He et al. (ICCV 2017), weighted by the loss as CPLI does
    (Guo et al., 2020; there M's diagonal). M adds up positions as though they erred
    independently. The group's own Gauss-Newton knows how far they agree: `comparable`
    makes both say the same, on average over the classes, of one class removed without
    a refit, so that losses compare between groups. It changes no order.

    Every reader needs its input moments and output curvature, the group its
    Gauss-Newton: ``collect(..., layers="moments")``. O(d³ + d²·n_out) per reader of d
    input columns.
    """
    layers = list(readers(stats, group))
    scale = comparable(stats, group, layers)
    states = [removal_state(layer, RIDGE) for layer in layers]

    def rises() -> Array:
        total = scale * np.sum([state.prices() for state in states], axis=0)
        return np.where(states[0].inside, total, np.inf)

    def remove(chosen: int) -> None:
        for state in states:
            state.move(chosen)

    return _removal(stats.groups[group].size, rises, remove)


def refit(stats: Statistics, group: str) -> Array:
    """Give the loss at which each class goes in the order of `refit_removal`."""
    return refit_removal(stats, group).scores()


def _removal(
    size: int, rises: Callable[[], Array], remove: Callable[[int], None]
) -> Removal:
    """Take the class of the smallest rise, again and again."""
    order, loss = [], [0.0]
    for _ in range(size):
        now = rises()
        chosen = int(now.argmin())
        order.append(chosen)
        loss.append(loss[-1] + float(now[chosen]))
        remove(chosen)
    return Removal(np.array(order, dtype=np.int64), np.array(loss))
