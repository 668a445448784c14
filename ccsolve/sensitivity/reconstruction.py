"""The reconstruction program of a group at every width: its value as classes go."""

import numpy as np

from ccsolve.criteria.refitting import Reader, comparable, readers, ridged
from ccsolve.criteria.removal import RIDGE
from ccsolve.problems import ReconstructionSelection
from ccsolve.sensitivity.selection import SelectionCurve
from ccsolve.solvers.reconstruction.curve import reconstruction_curve
from ccsolve.statistics import Statistics


def refit_curve(
    stats: Statistics, group: str, *, refine: bool = True
) -> SelectionCurve:
    """Give what is lost at every width once the layers that read a group are refitted.

    The loss of `refit_removal`, in its units, but for classes chosen by the program:
    `reconstruction_curve` improves what greedy removal chooses by swaps, and never
    loses more. Several readers make one program, block by block, for they lose the
    same classes.

    Parameters
    ----------
    refine
        Whether to improve upon greedy removal, which takes several times as long.

    Returns
    -------
    SelectionCurve
        Without bounds.

    Raises
    ------
    MissingStatistics
        A reader's moments or output curvature, or the group's Gauss-Newton.
    """
    layers = list(readers(stats, group))
    size = stats.groups[group].size
    found = reconstruction_curve(
        _program(layers, size), range(size, -1, -1), refine=refine
    )
    # Zero for all classes up to rounding; a loss begins at nothing.
    losses = np.maximum(found.losses, 0.0) * comparable(stats, group, layers)
    return SelectionCurve(losses, found.choices, np.full(size + 1, -np.inf))


def _program(layers: list[Reader], size: int) -> ReconstructionSelection:
    """Give one program for all readers: their columns side by side in each class."""
    widths = [layer.columns.shape[1] for layer in layers]
    outputs = [len(layer.curvature) for layer in layers]
    d, n_out = size * sum(widths), sum(outputs)
    moments, curvature = np.zeros((d, d)), np.zeros((n_out, n_out))
    dense = np.zeros((d, n_out))
    columns = np.arange(d).reshape(size, -1)
    parts = np.split(columns, np.cumsum(widths)[:-1], axis=1)
    ends = np.split(np.arange(n_out), np.cumsum(outputs)[:-1])
    for layer, part, end in zip(layers, parts, ends, strict=True):
        at = part.ravel()
        moments[np.ix_(at, at)] = ridged(layer, RIDGE)
        dense[np.ix_(at, end)] = layer.worth[layer.columns.ravel()]
        curvature[np.ix_(end, end)] = layer.curvature
    return ReconstructionSelection.from_layer(
        moments, dense, 0, group=sum(widths), weights=curvature
    )
