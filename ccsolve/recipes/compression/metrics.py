"""In what metric a change of a layer is measured: the paper's, or the loss's own."""

from collections.abc import Iterable

import numpy as np

from ccsolve.criteria.refitting import Reader, comparable, reader_with, readers
from ccsolve.errors import MissingStatistics
from ccsolve.statistics import Layer, Statistics

AUTO, GRADIENT, CURVATURE, REFIT = "auto", "gradient", "curvature", "refit"
METRICS = (AUTO, GRADIENT, CURVATURE, REFIT)


def strongest(stats: Statistics, names: Iterable[str]) -> str:
    """Give "refit" where these layers, and all that read a group, have what it takes.

    Else "gradient".
    """
    asked = {*names, *(name for name, one in stats.layers.items() if one.inputs)}
    known = all(_is_known(stats.layers[name]) for name in asked)
    groups = stats.groups.values()
    curved = all(one.ggn is not None or one.rows("ggn") is not None for one in groups)
    return REFIT if known and curved else GRADIENT


def _is_known(layer: Layer) -> bool:
    return layer.input_moment is not None and layer.output_curvature is not None


def layer_scales(stats: Statistics, names: Iterable[str]) -> dict[str, float]:
    """Give the mean of `comparable` over the groups that a layer reads, 1 without."""
    taken = {name: stats.layers[name].inputs for name in names}
    read = dict.fromkeys(group for groups in taken.values() for group in groups)
    factors = {
        name: comparable(stats, name, list(readers(stats, name))) for name in read
    }
    return {
        name: float(np.mean([factors[group] for group in groups])) if groups else 1.0
        for name, groups in taken.items()
    }


def entry_worths(layer: Layer, scale: float | None) -> np.ndarray:
    """Give what the square of a change of each weight counts, in the weight's shape.

    Without a scale g², g the mean gradient of the loss. Else scale·½·M_aa·E[x_b²]: the
    diagonal of the Gauss-Newton in the weights as a product of those in the outputs and
    in the inputs (Martens and Grosse, ICML 2015).

    MissingStatistics where these were not collected.
    """
    if scale is not None:
        reader = whole_reader(layer)
        inputs = np.diagonal(reader.moment).clip(min=0.0)
        outputs = np.diagonal(reader.curvature).clip(min=0.0)
        return 0.5 * scale * np.outer(outputs, inputs).reshape(layer.weight.shape)
    if layer.gradient is None:
        raise MissingStatistics(
            f"layers/{layer.name}: no mean gradient of the weights was collected; "
            "collect it, or name the layer in leave_out"
        )
    return np.square(layer.gradient.astype(np.float64))


def whole_reader(layer: Layer) -> Reader:
    """Give a layer with its moments and curvature; MissingStatistics without."""
    if layer.output_curvature is None or layer.input_moment is None:
        raise MissingStatistics(
            f"layers/{layer.name}: no input moments or no output curvature; collect "
            "with layers='moments', name the layer in leave_out (a grouped convolution "
            "has none), or take metric='gradient'"
        )
    none = np.empty((0, 0), dtype=np.int64)
    return reader_with(layer, none, layer.output_curvature)
