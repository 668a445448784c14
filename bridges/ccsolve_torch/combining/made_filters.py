"""What a LinearConv layer saves, the rank of its coefficients, and what it takes."""

import math
from typing import Any

import numpy as np
import torch

from ccsolve.recipes.linear_conv import LinearFilters, primary_count, rank_count
from ccsolve_torch.combining.linear_layers import LinearConv


def saves_parameters(plain: Any, ratio: float | int, rank: float | int | None) -> bool:
    """Say whether the layer would have fewer parameters."""
    n = plain.out_channels
    if isinstance(ratio, int) and ratio > n:
        return False
    held = primary_count(ratio, n)
    room = coefficient_rank(rank, held)
    made = n - held
    coefficients = made * held if room is None else int(room) * (made + held)
    return coefficients < made * math.prod(plain.weight.shape[1:])


def coefficient_rank(rank: float | int | None, held: int) -> int | None:
    """Give the rank of the coefficients, None for none; at most the primary filters."""
    if rank is None:
        return None
    if isinstance(rank, int) and rank > held:
        return held
    return rank_count(rank, held)


@torch.no_grad()
def take_filters(layer: LinearConv, plain: Any, found: LinearFilters) -> None:
    """Give the layer the filters that were found, and the convolution's own bias."""
    index = torch.from_numpy(found.primary).to(plain.weight.device)
    layer.primary.copy_(plain.weight.index_select(0, index))
    if found.factors is None:
        layer.coefficients.copy_(torch.from_numpy(found.coefficients))
    else:
        # A rank above what the other filters have room for leaves columns of zeros.
        for value, part in zip((layer.left, layer.right), found.factors, strict=True):
            value.zero_()
            rows, columns = part.shape
            value[:rows, :columns] = torch.from_numpy(np.ascontiguousarray(part)).to(
                value
            )
    layer.order.copy_(torch.from_numpy(found.order))
    if plain.bias is not None:
        layer.bias = plain.bias
    for value in layer.parameters():
        value.requires_grad_(plain.weight.requires_grad)
