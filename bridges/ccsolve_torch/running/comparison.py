"""The outputs of two models, compared."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ccsolve.errors import WrongAnswer

TOLERANCE = 1e-4
"""Largest relative difference that rounding in float32 explains."""

ROUNDINGS = 8
"""The same in lower precisions: in units of the model's coarsest machine epsilon."""


def tolerance(model: nn.Module) -> float:
    """Give the largest relative difference that the model's rounding explains."""
    kinds = {value.dtype for value in model.parameters() if value.is_floating_point()}
    coarsest = max((torch.finfo(kind).eps for kind in kinds), default=0.0)
    return max(TOLERANCE, ROUNDINGS * coarsest)


def tensors_in(outputs: Any) -> Iterator[Tensor]:
    """Give the tensors of a model's output: a tensor, or nested lists and mappings."""
    if isinstance(outputs, Tensor):
        yield outputs
    elif isinstance(outputs, Mapping):
        yield from tensors_in(list(outputs.values()))
    elif isinstance(outputs, tuple | list):
        for part in outputs:
            yield from tensors_in(part)


def difference_of(expected: Any, found: Any) -> float:
    """Give the largest difference, relative to the largest entry of each tensor.

    Infinite where one of them is not a number. WrongAnswer for other shapes.
    """
    pairs = [list(tensors_in(outputs)) for outputs in (expected, found)]
    shapes = [[tuple(value.shape) for value in values] for values in pairs]
    if shapes[0] != shapes[1]:
        raise WrongAnswer(f"outputs of shapes {shapes[1]}, expected {shapes[0]}")
    return max((_distance(a, b) for a, b in zip(*pairs, strict=True)), default=0.0)


def _distance(expected: Tensor, found: Tensor) -> float:
    if expected.numel() == 0:
        return 0.0
    scale = float(expected.abs().max())
    error = float((expected - found).abs().max())
    relative = error / scale if scale > 0 else error
    return relative if relative == relative else float("inf")
