"""The reconstruction program of a group at every width: its value as classes go."""

import numpy as np

from ccsolve.criteria.refitting import Reader, readers
from ccsolve.criteria.removal import RIDGE
from ccsolve.linalg.elimination import schur_complement
from ccsolve.problems import ReconstructionSelection
from ccsolve.sensitivity.curves import Array
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
    losses = np.maximum(found.losses, 0.0) * _scale(stats, group, layers)
    return SelectionCurve(losses, found.choices, np.full(size + 1, -np.inf))


def _scale(stats: Statistics, group: str, layers: list[Reader]) -> float:
    """Give what makes losses of groups comparable; see `refit_removal`."""
    unfitted = sum(layer.unfitted() for layer in layers)
    agreement = float(np.trace(stats.groups[group].hessian("ggn")))
    return agreement / unfitted if unfitted > 0 else 1.0


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
        moments[np.ix_(at, at)] = _ridged(layer)
        dense[np.ix_(at, end)] = layer.weight[layer.columns.ravel()]
        curvature[np.ix_(end, end)] = layer.curvature
    return ReconstructionSelection.from_layer(
        moments, dense, 0, group=sum(widths), weights=curvature
    )


def _ridged(layer: Reader) -> Array:
    """Give the covariance of the classes' columns, the others fitted as well."""
    d = len(layer.covariance)
    spread = float(np.trace(layer.covariance)) / d
    # Where no column varies none is worth anything, whatever the pull.
    pull = RIDGE * spread if spread > 0 else 1.0
    return schur_complement(layer.covariance + pull * np.eye(d), layer.columns.ravel())
