"""Dynamic-coded filter fusion on weights: which filters stay, and what they become.

Lin et al., "Training compact CNNs for image classification using dynamic-coded filter
fusion".

Every filter of a layer has a distribution over all of them: the nearer another filter,
the larger its share. A filter is worth keeping where its distribution is unlike the
others', and those that stay are replaced by the means that their distributions give:
what is removed lives on in them. As training goes on, the distributions are sharpened
until each filter stands for itself.

    P_jk = exp(-‖w_j - w_k‖ / t) / Σ_m exp(-‖w_j - w_m‖ / t)
    I_j  = (1/n) Σ_k KL(P_j ‖ P_k)
    W̃    = P[kept] W

The formulas are those of the authors' released code. Here a group of coupled layers has
one P: its filters are laid end to end, for what is kept of one is kept of all.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import InvalidProblem, MissingStatistics
from ccsolve.plans import Plan
from ccsolve.problems.checks import real_array, real_number, whole_number
from ccsolve.problems.records import reduced
from ccsolve.recipes.shares import Widths, as_given, shares_of
from ccsolve.statistics import Layer, Statistics

Array = NDArray[np.float64]

FLOOR = 1e-7
"""Added to a share inside the logarithm, as the authors have it."""

FIRST, LAST, RATE = 1.0, 1e4, 1.0
"""The schedule of the authors: T at the first and behind the last epoch, and κ."""

_MANY = 10**9


@dataclass(frozen=True, eq=False)
class Fusion:
    """Which filters stay, and what of all filters each of them becomes.

    Parameters
    ----------
    keep
        (m,) the filters that stay, ascending.
    matrix
        (m, n) their rows of P: non-negative, each sums to 1.
    importance
        (n,) I of all filters.
    """

    keep: NDArray[np.int64]
    matrix: Array
    importance: Array

    __reduce__ = reduced

    def fused(self, values: Any) -> Array:
        """Give (m, ...): the fused filters, or biases, of (n, ...) ones."""
        return np.tensordot(self.matrix, np.asarray(values), axes=1)


def temperature_at(
    epoch: int,
    epochs: int,
    *,
    first: float = FIRST,
    last: float = LAST,
    rate: float = RATE,
) -> float:
    """Give t = 1/T of an epoch: T rises as a sigmoid from `first` to `last`.

        T = A / (1 + exp(-κe)) + first - A/2,
        A = 2 (last - first) (1 + exp(-κE)) / (1 - exp(-κE))

    Parameters
    ----------
    epoch, epochs
        e from 0 to E; training ends before E, the export may take it.
    first, last
        T at e = 0 and e = E, > 0.
    rate
        κ > 0: with 1, the authors' value, all is over after some ten epochs.
    """
    epochs = whole_number("epochs", epochs, 1, _MANY)
    epoch = whole_number("epoch", epoch, 0, epochs)
    first, last, rate = (
        _positive(name, value)
        for name, value in (("first", first), ("last", last), ("rate", rate))
    )
    # tanh(x/2) = (1 - exp(-x)) / (1 + exp(-x)), and it never overflows.
    share = math.tanh(0.5 * rate * epoch) / math.tanh(0.5 * rate * epochs)
    return 1.0 / (first + (last - first) * share)


def distributions(filters: Any, temperature: float) -> Array:
    """Give P (n, n) of filters (n, ...): row j is the softmax of -‖w_j - w_k‖/t.

    O(n²·d). The largest entry of every row stands on the diagonal, and tends to 1 as t
    falls, but for filters that are equal. InvalidProblem for t <= 0, NaN, or no filter.
    """
    t = _positive("temperature", temperature)
    exponents = -_distances(_rows(filters)) / t
    # The diagonal is 0 and the rest below it: no exponential overflows.
    shares = np.exp(exponents)
    return shares / shares.sum(axis=1, keepdims=True)


def importance(distributions: Any) -> Array:
    """Give I (n,) of P: the mean divergence of each distribution to all of them.

    I_j = (1/n) Σ_k Σ_m P_jm log(P_jm / (P_km + 1e-7)), a share of 0 counting nothing,
    in O(n²) by the sums over k alone. The authors' code has NaN where a share rounds to
    0, and then takes the scores of an earlier epoch; the limit is defined, and used.
    """
    P = real_array("distributions", distributions, (None, None))
    shares = np.where(P > 0, P, 1.0)
    own = (P * np.log(shares)).sum(axis=1)
    # In the order of their size: distributions that are alike have the same sum, to
    # the last bit, and `fusion` can tell that nothing sets them apart.
    others = np.sort(np.log(P + FLOOR), axis=0).sum(axis=0)
    return own - P @ others / len(P)


def fusion(
    filters: Any, width: int, temperature: float, *, before: Any = None
) -> Fusion:
    """Choose the `width` filters of the largest importance, with what they become.

    Parameters
    ----------
    filters : (n, ...) array
        One filter along axis 0.
    width
        m, 1 to n.
    temperature
        t > 0.
    before : (m',) integers, optional
        Filters that were kept so far: of equal ones these come first, else the lower.
        Once every filter stands for itself nothing sets them apart, and the choice
        stays what it was.
    """
    P = distributions(filters, temperature)
    width = whole_number("width", width, 1, len(P))
    scores = importance(P)
    new = np.ones(len(P), dtype=bool)
    new[np.asarray([] if before is None else before, dtype=np.int64)] = False
    keep = np.sort(np.lexsort((new, -scores))[:width])
    return Fusion(keep, P[keep], scores)


def plan(
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    widths: Widths = "uniform",
    allocation: str = "exact",
    temperature: float = 1.0 / FIRST,
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
    time_limit: float = 10.0,
    seed: int = 0,
) -> Plan:
    """Keep the filters whose distributions are unlike the others'.

    No program is solved for the choice: the objective is NaN and there is no bound. The
    plan says what stays; the bridge's `fuse` makes a network of it whose filters are
    fused while it is trained, which is the paper's method.

    Parameters
    ----------
    stats, limits
        The statistics, with layers' weights, and by resource the absolute amount that
        may remain.
    widths
        Given (the paper's are chosen by hand), "uniform" or allocated, see `shares_of`.
    allocation, multiple_of, min_keep, fixed, time_limit, seed
        See `allocated`.
    temperature
        t, against which distances of filters are measured. The default is the paper's
        in its first epoch, the one at which the importances of filters differ most.

    Raises
    ------
    MissingStatistics
        No layer that makes a group's channels has its weight in the statistics.
    """
    rules = {"allocation": allocation, "time_limit": time_limit, "seed": seed}
    steps = {"multiple_of": multiple_of, "min_keep": min_keep, "fixed": fixed}
    shares = shares_of(stats, limits, widths, **{**steps, **rules})
    keep = {
        name: fusion(group_filters(stats, name), width, temperature).keep
        if width
        else np.arange(0)
        for name, width in shares.widths.items()
    }
    return Plan(
        recipe="dcff",
        keep=keep,
        sizes={name: group.size for name, group in stats.groups.items()},
        prices=shares.prices,
        provenance={
            "widths": as_given(widths),
            "temperature": temperature,
            **rules,
            **steps,
            "fused": {
                name: [layer.name for layer in fused_layers(stats, name)]
                for name in stats.groups
            },
        },
    )


def fused_layers(stats: Statistics, group: str) -> list[Layer]:
    """Give the layers whose filters are the group's channels.

    A layer that convolves every channel by itself mixes none: it takes its channels
    from the group as it gives them to it, and only counts where there is no other.
    """
    every = [layer for layer in stats.layers.values() if group in layer.outputs]
    return [layer for layer in every if not _grouped(layer)] or every


def group_filters(stats: Statistics, group: str) -> Array:
    """Give (size, d): by class of a group, the filters of all its layers end to end.

    MissingStatistics where no such layer was collected.
    """
    layers = fused_layers(stats, group)
    if not layers:
        raise MissingStatistics(
            f"groups/{group}: no layer that makes its channels is held; collect with "
            "layers='weights'"
        )
    size = stats.groups[group].size
    parts = [by_class(layer.weight, layer.outputs[group], size) for layer in layers]
    return np.concatenate(parts, axis=1)


def by_class(weight: Any, classes: NDArray[np.int64], size: int) -> Array:
    """Give (size, d): the filters (n_out, ...) of every class end to end.

    InvalidProblem where the classes have not as many filters each.
    """
    rows = np.asarray(weight, dtype=np.float64).reshape(len(weight), -1)
    counts = np.bincount(classes[classes >= 0], minlength=size)
    if counts.min() != counts.max():
        raise InvalidProblem(
            f"classes have {counts.min()} to {counts.max()} filters; expected as many "
            "of each"
        )
    held = np.flatnonzero(classes >= 0)
    return rows[held[np.argsort(classes[held], kind="stable")]].reshape(size, -1)


def _grouped(layer: Layer) -> bool:
    n_in = layer.weight.shape[1]
    return any(len(classes) > n_in for classes in layer.inputs.values())


def _rows(filters: Any) -> Array:
    held = np.asarray(filters, dtype=np.float64)
    if held.ndim < 2 or not held.size:
        raise InvalidProblem(
            f"filters of shape {held.shape}; expected (n, ...), one along axis 0 each"
        )
    return real_array("filters", held.reshape(len(held), -1), (None, None))


def _distances(rows: Array) -> Array:
    """Give ‖w_j - w_k‖ (n, n), 0 on the diagonal, from inner products."""
    centred = rows - rows.mean(axis=0)
    gram = centred @ centred.T
    own = np.diagonal(gram)
    squares = own[:, None] + own[None, :] - (gram + gram.T)
    np.fill_diagonal(squares, 0.0)
    return np.sqrt(np.maximum(squares, 0.0))


def _positive(name: str, value: object) -> float:
    number = real_number(name, value, 0.0)
    if not 0 < number < math.inf:
        raise InvalidProblem(f"{name} = {value!r}; expected a finite number > 0")
    return number
