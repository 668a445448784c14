"""What a training adds to its loss for the sake of LinearConv layers."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ccsolve_torch.combining.linear_layers import LinearConv


def correlation_penalty(model: nn.Module) -> Tensor:
    """Give Σ |R - I| over the primary filters of all LinearConv layers, one number.

    R (n_p, n_p) holds Pearson's correlations of the primary filters, within [-1, 1];
    a filter that is constant correlates with none. The redundancy is left to the
    coefficients, so that primary filters had better be independent. The paper adds
    0.01 times this in every tenth batch; 0 for a model without such layers.
    """
    return _summed(_excess(layer.primary) for layer in linear_layers(model))


def coefficient_penalty(model: nn.Module) -> Tensor:
    """Give Σ |L| over the coefficients of all sparse LinearConv layers, one number.

    The paper adds 0.01 times this where coefficients are to become sparse.
    """
    return _summed(
        layer.coefficients.abs().sum()
        for layer in linear_layers(model)
        if layer.threshold is not None
    )


def update_thresholds(model: nn.Module) -> None:
    """Move the threshold of every sparse LinearConv; see `LinearConv`."""
    for layer in linear_layers(model):
        if layer.threshold is not None:
            layer.update_threshold()


def linear_layers(model: nn.Module) -> Iterator[LinearConv]:
    """Give the LinearConv layers, each once."""
    return (module for module in model.modules() if isinstance(module, LinearConv))


def _excess(primary: Tensor) -> Tensor:
    rows = primary.flatten(1)
    rows = rows - rows.mean(dim=1, keepdim=True)
    sizes = rows.norm(dim=1, keepdim=True)
    # The norm's own gradient at 0 is not a number: such rows are left out before.
    unit = rows / torch.where(sizes > 0, sizes, torch.ones_like(sizes))
    correlations = (unit @ unit.T).clamp(-1, 1)
    # A filter's correlation with itself is 1, or 0 without variance: no penalty.
    return correlations.abs().sum() - correlations.diagonal().abs().sum()


def _summed(parts: Iterator[Tensor]) -> Tensor:
    found = list(parts)
    return torch.stack(found).sum() if found else torch.zeros(())
