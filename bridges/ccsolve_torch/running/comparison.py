"""The outputs of two models, compared."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ccsolve.errors import Unsupported, WrongAnswer

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
    """Give the tensors of a model's output, however they nest.

    In tuples, lists, mappings, dataclasses, and all that torch knows as a tree.
    """
    for leaf in tree_leaves(outputs):
        if isinstance(leaf, Tensor):
            yield leaf
        elif isinstance(leaf, Mapping):
            yield from tensors_in(list(leaf.values()))
        elif is_dataclass(leaf) and not isinstance(leaf, type):
            yield from tensors_in([getattr(leaf, part.name) for part in fields(leaf)])


def difference_of(expected: Any, found: Any) -> float:
    """Give the largest difference, relative to the largest entry of each tensor.

    Entries that are the same infinity in both (masked logits) agree, and are not the
    largest. Infinite where one is not a number, or infinite alone.

    Raises
    ------
    WrongAnswer
        For other shapes.
    Unsupported
        For outputs without tensors, which would agree whatever they hold.
    """
    pairs = [list(tensors_in(outputs)) for outputs in (expected, found)]
    if not pairs[0]:
        raise Unsupported(
            f"model: no tensor is seen in its output, a {type(expected).__name__}; "
            f"expected tensors, nested in lists, mappings or dataclasses, or in a "
            f"class that torch.utils._pytree knows"
        )
    shapes = [[tuple(value.shape) for value in values] for values in pairs]
    if shapes[0] != shapes[1]:
        raise WrongAnswer(f"outputs of shapes {shapes[1]}, expected {shapes[0]}")
    return max(_distance(a, b) for a, b in zip(*pairs, strict=True))


def finite_pairs(expected: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
    """Give the entries (n,) of both tensors, without those that are one infinity."""
    same = torch.isinf(expected) & (expected == found)
    if not bool(same.any()):
        return expected.flatten(), found.flatten()
    return expected[~same], found[~same]


def _distance(expected: Tensor, found: Tensor) -> float:
    expected, found = finite_pairs(_numbers(expected), _numbers(found))
    if expected.numel() == 0:
        return 0.0
    scale = float(expected.abs().max())
    error = float((expected - found).abs().max())
    relative = error / scale if scale > 0 else error
    return relative if math.isfinite(relative) else math.inf


def _numbers(value: Tensor) -> Tensor:
    """Give flags and counts as numbers that can be subtracted."""
    whole = not (value.is_floating_point() or value.is_complex())
    return value.double() if whole else value
