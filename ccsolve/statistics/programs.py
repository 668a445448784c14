"""The programs that statistics give."""

import math
from typing import Literal

import numpy as np

from ccsolve.errors import InvalidProblem, InvalidStatistics, MissingStatistics
from ccsolve.linalg.elimination import schur_complement
from ccsolve.problems.checks import real_number
from ccsolve.problems.reconstruction import ReconstructionSelection
from ccsolve.problems.selection import ChannelSelection
from ccsolve.statistics.group import Group
from ccsolve.statistics.layer import Layer
from ccsolve.statistics.shrinkage import target_diagonal

Weighting = Literal["full", "diagonal", "none"]


def channel_selection(
    group: Group,
    keep: int,
    *,
    curvature: str,
    damping: float,
    first_order: float,
    shrinkage: float | str,
    target: str,
) -> ChannelSelection:
    """Give the program that chooses `keep` classes of one group.

    The rows become its factor where there are fewer of them than classes (then Q is
    never formed), else the dense block is used: it serves every method.
    """
    rows = group.rows(curvature)
    rest = {
        "gradient": group.slope(first_order) if first_order else None,
        "keep": keep,
        "damping": damping,
        "first_order": first_order,
    }
    if rows is None or len(rows) >= group.size:
        block = group.hessian(curvature, shrinkage=shrinkage, target=target)
        return ChannelSelection.from_removal(block, **rest)
    rho = group.intensity(curvature, shrinkage, target)
    exact = rows.astype(np.float64, copy=False)
    own = np.square(exact).sum(axis=0)
    return ChannelSelection.from_removal(
        factor=math.sqrt(1 - rho) * exact,
        diagonal=rho * target_diagonal(own, target),
        **rest,
    )


def reconstruction_selection(
    layer: Layer,
    group: Group,
    keep: int,
    *,
    ridge: float = 1e-3,
    weighting: Weighting = "full",
) -> ReconstructionSelection:
    """Give the program that keeps `keep` classes of a group in a layer that reads it.

    It minimises ½tr(M·E[εεᵀ]) for the error ε that the best new weights and bias of the
    layer leave at its outputs, plus the ridge's pull to the weights it has. Columns of
    other groups always stay; they are fitted as well, and are eliminated beforehand.

    Parameters
    ----------
    layer
        With its input moments and mean: ``collect(..., layers="moments")``.
    ridge
        In units of the mean variance of the layer's columns.
    weighting
        M: "full", the Gauss-Newton of the loss in the layer's outputs; "diagonal", its
        diagonal (CPLI's idea); "none", the identity.

    Raises
    ------
    MissingStatistics
        The moments, or the Gauss-Newton where it is asked for, were not collected.
    InvalidStatistics
        The classes of the group do not have as many columns each.
    """
    columns = class_columns(layer, group.name, group.size)
    moments = _covariance(layer)
    spread = float(np.trace(moments)) / len(moments)
    moments[np.diag_indices(len(moments))] += real_number("ridge", ridge, 0.0) * spread
    own = columns.ravel()
    dense = layer.weight.reshape(len(layer.weight), -1).T.astype(np.float64)
    return ReconstructionSelection.from_layer(
        schur_complement(moments, own),
        dense[own],
        keep,
        group=columns.shape[1],
        weights=_output_weights(layer, weighting),
    )


def class_columns(layer: Layer, group: str, size: int) -> np.ndarray:
    """Give the columns of a layer's unfolded input by class of a group, (size, m).

    Raises
    ------
    MissingStatistics
        The layer does not read the group.
    InvalidStatistics
        The classes do not have as many columns each.
    """
    if group not in layer.inputs:
        raise MissingStatistics(
            f"layers/{layer.name}: it does not read the group {group!r}; give a layer "
            "that does"
        )
    classes = layer.inputs[group]
    counts = np.bincount(classes[classes >= 0], minlength=size)
    if counts.min() != counts.max():
        raise InvalidStatistics(
            f"layers/{layer.name}/inputs/{group}: {counts.min()} to {counts.max()} "
            "channels per class; expected as many of each"
        )
    channels = np.argsort(classes, kind="stable")[(classes < 0).sum() :]
    per_channel = layer.weight[0, 0].size
    columns = channels[:, None] * per_channel + np.arange(per_channel)
    return columns.reshape(size, -1)


def _covariance(layer: Layer) -> np.ndarray:
    moment, mean = layer.input_moment, layer.input_mean
    if moment is None or mean is None:
        raise MissingStatistics(
            f"layers/{layer.name}: no input moments; collect with layers='moments' (a "
            "grouped convolution has none)"
        )
    centre = mean.astype(np.float64)
    return moment.astype(np.float64) - np.outer(centre, centre)


def _output_weights(layer: Layer, weighting: Weighting) -> np.ndarray | None:
    if weighting not in ("full", "diagonal", "none"):
        raise InvalidProblem(
            f"weighting = {weighting!r}; expected 'full', 'diagonal' or 'none'"
        )
    if weighting == "none":
        return None
    if layer.output_curvature is None:
        raise MissingStatistics(
            f"layers/{layer.name}: no output curvature; collect with layers='moments' "
            "or give weighting='none'"
        )
    curvature = layer.output_curvature.astype(np.float64)
    return curvature if weighting == "full" else np.diagonal(curvature).clip(min=0.0)
