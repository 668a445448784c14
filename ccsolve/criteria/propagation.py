"""Importance that is handed back from the outputs through the weights."""

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import MissingStatistics
from ccsolve.statistics import Layer, Statistics

Array = NDArray[np.float64]

_LARGE = 1e100


def nisp(stats: Statistics, group: str) -> Array:
    """Give |W|ᵀs summed over the layers that read each class, s what their outputs got.

    Yu et al., NISP, CVPR 2018: s of a layer's inputs is |W|ᵀ times that of
    its outputs; kernels add up, batch norms and pooling count as the identity. It
    begins with 1 for each channel that no group holds, the network's outputs above all;
    the paper begins with a ranking of the features before the classifier, which takes
    their samples. Layers go in the reverse order of execution; a class of a residual
    stream adds up what its readers give back, and a layer that writes the stream gets
    what the readers behind it gave. Only ratios count. O(weights).
    """
    if not any(group in layer.inputs for layer in stats.layers.values()):
        raise MissingStatistics(
            f"groups/{group}: no layer that reads it was exported with its weight; "
            "export layers, or a score of that name"
        )
    worth = {name: np.zeros(item.size) for name, item in stats.groups.items()}
    unit = 1.0
    for layer in list(stats.layers.values())[::-1]:
        if not layer.inputs:
            continue
        # Sums of many weights overflow after some hundred layers; ratios are enough.
        if _hand_back(layer, worth, unit) > _LARGE:
            unit /= _LARGE
            worth = {name: scores / _LARGE for name, scores in worth.items()}
    return worth[group]


def _hand_back(layer: Layer, worth: dict[str, Array], unit: float) -> float:
    """Add to the layer's inputs what they are worth to its outputs; give the most."""
    outputs = np.full(len(layer.weight), unit)
    for name, classes in layer.outputs.items():
        outputs[classes >= 0] = worth[name][classes[classes >= 0]]
    given = _through(layer, outputs)
    for name, classes in layer.inputs.items():
        np.add.at(worth[name], classes[classes >= 0], given[classes >= 0])
    return max(float(worth[name].max()) for name in layer.inputs)


def _through(layer: Layer, outputs: Array) -> Array:
    """Give |W|ᵀs, (n_in,), the channels of all weight groups in order."""
    length = len(next(iter(layer.inputs.values())))
    filters, own = layer.weight.shape[:2]
    blocks = length // own
    sums = np.abs(layer.weight.astype(np.float64)).reshape(filters, own, -1).sum(axis=2)
    parts = sums.reshape(blocks, filters // blocks, own)
    return np.einsum("bfc,bf->bc", parts, outputs.reshape(blocks, -1)).ravel()
