"""The outputs of two models, compared."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from ccsolve.errors import WrongAnswer


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
