"""The proof that removing channels did what closing their gates does."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ccsolve.errors import WrongAnswer
from ccsolve_torch.gates import Keep, closed
from ccsolve_torch.graph import Graph
from ccsolve_torch.rewriting.deviation import deviation
from ccsolve_torch.running.comparison import difference_of, tolerance
from ccsolve_torch.running.state import Inputs, as_inputs, evaluating
from ccsolve_torch.surgery import equivalence, remove_channels


@dataclass(frozen=True)
class Certificate:
    """Differences of outputs, relative to the largest one of each tensor.

    `exact` and `approximate` are of the smaller model to the model with closed gates:
    with those groups alone for which both are the same, and with all, None where those
    are all; `reasons` says why others differ. `masking` is what closing the gates
    changes in the model itself: where it is 0, a comparison could not fail.
    """

    exact: float
    approximate: float | None
    reasons: Mapping[str, str]
    masking: float


def certificate(
    model: nn.Module, small: nn.Module, graph: Graph, keep: Keep, inputs: Inputs
) -> Certificate:
    """Compare with closed gates: the exact groups by themselves, then all groups.

    Where removing is not masking by nature, the difference is measured, not refused.
    WrongAnswer where it is, and rounding does not explain the difference.
    """
    reasons = {
        name: group.approximate
        for name, group in graph.groups.items()
        if group.approximate and len(keep[name]) < group.size
    }
    masking = _masking(model, graph, keep, inputs)
    if not reasons:
        distance = _checked(model, small, graph, keep, inputs)
        return Certificate(distance, None, reasons, masking)
    exact = {
        name: np.arange(graph.groups[name].size) if name in reasons else kept
        for name, kept in keep.items()
    }
    part = remove_channels(model, graph, exact)
    distance = _checked(model, part, graph, exact, inputs)
    del part
    return Certificate(
        distance, equivalence(model, small, graph, keep, inputs), reasons, masking
    )


def _masking(model: nn.Module, graph: Graph, keep: Keep, inputs: Inputs) -> float:
    """Give what closing the gates changes in the outputs."""
    given = as_inputs(inputs)
    with torch.no_grad(), evaluating(model):
        dense = model(*given)
        with closed(model, graph, keep):
            return difference_of(dense, model(*given))


def _checked(
    model: nn.Module, small: nn.Module, graph: Graph, keep: Keep, inputs: Inputs
) -> float:
    """Give the difference to closed gates, which rounding must explain."""
    try:
        distance = equivalence(model, small, graph, keep, inputs)
    except WrongAnswer as error:
        where = deviation(model, small, graph, keep)
        raise WrongAnswer(f"{error}{where}") from error
    most = tolerance(model)
    if not distance <= most:
        where = deviation(model, small, graph, keep) or "; report this"
        raise WrongAnswer(
            f"the smaller model differs from the model with closed gates by "
            f"{distance:.2g}, expected at most {most:g}: the model's code uses a "
            f"width that the graph does not show{where}"
        )
    return distance
