"""What the outputs of a layer are worth when they are reconstructed: CPLI's D."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ccsolve.criteria import taylor_per_sample
from ccsolve.errors import InvalidProblem, MissingStatistics
from ccsolve.statistics import Layer, Statistics

Array = NDArray[np.float64]
Classes = Mapping[str, NDArray[np.bool_]]
"""By group: (size,), True where a class stays; groups that it lacks stay whole."""

IMPORTANCES = ("taylor", "curvature", "full", "none")


def output_weights(
    stats: Statistics, layer: Layer, importance: str, staying: Classes
) -> Array:
    """Give M of a layer's outputs, (n_out,), or (n_out, n_out) where it is full.

    Parameters
    ----------
    importance
        "taylor": mean over samples of |Σ g_m y_m|, g the gradient of the loss in output
        m, of the class that the output belongs to, over its group's mean; 1 for outputs
        of no group. Times the mean of the curvature's diagonal, so that layers compare.
        "curvature": the diagonal of the Gauss-Newton of the loss in the outputs;
        "full": all of it. "none": 1.
    staying
        Outputs of classes that do not stay are worth nothing: they need not be
        reconstructed. Where no output of a layer stays, all count.

    Raises
    ------
    MissingStatistics
        The curvature of the outputs or the per-sample gradients were not collected.
    """
    if importance not in IMPORTANCES:
        raise InvalidProblem(
            f"importance = {importance!r}; expected one of {', '.join(IMPORTANCES)}"
        )
    stays = _staying(layer, staying).astype(np.float64)
    if not stays.any():
        stays[:] = 1.0
    if importance == "full":
        return _curvature(layer) * np.outer(stays, stays)
    return stays * _diagonal(stats, layer, importance)


def _diagonal(stats: Statistics, layer: Layer, importance: str) -> Array:
    if importance == "none":
        return np.ones(len(layer.weight))
    if importance == "curvature":
        return np.diagonal(_curvature(layer)).clip(min=0.0)
    worth = np.ones(len(layer.weight))
    for group, classes in layer.outputs.items():
        scores = taylor_per_sample(stats, group)
        mean = float(scores.mean())
        relative = scores / mean if mean > 0 else np.ones(len(scores))
        worth[classes >= 0] = relative[classes[classes >= 0]]
    return float(np.trace(_curvature(layer))) / len(worth) * worth


def _staying(layer: Layer, staying: Classes) -> NDArray[np.bool_]:
    stays = np.ones(len(layer.weight), dtype=bool)
    for group, classes in layer.outputs.items():
        if group in staying:
            owned = classes >= 0
            stays[owned] = staying[group][classes[owned]]
    return stays


def _curvature(layer: Layer) -> Array:
    if layer.output_curvature is None:
        raise MissingStatistics(
            f"layers/{layer.name}: no output curvature; collect with layers='moments' "
            "and the Gauss-Newton, or give importance='none'"
        )
    return layer.output_curvature.astype(np.float64)
