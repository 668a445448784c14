"""LowRankFit as named arrays: the tensor in its modes, and what is asked."""

from typing import Any

import numpy as np

from ccsolve.errors import InvalidFile
from ccsolve.io.fields import (
    Arrays,
    refuse_rest,
    take_array,
    take_number,
    take_text,
)
from ccsolve.problems.low_rank import LowRankFit

_MODE = "covariance/"


def low_rank_arrays(problem: LowRankFit) -> Arrays:
    """Give the arrays that hold the problem; what is not given is left out.

    A covariance of the trailing modes is one array, one of single modes has the number
    of its mode in its name.
    """
    asked = {problem.asks: np.asarray(getattr(problem, problem.asks))}
    arrays = {
        "tensor": problem.tensor,
        "format": np.asarray(problem.format),
        "costs": problem.costs,
        "whole": np.array(problem.whole, dtype=np.int64),
    }
    if isinstance(problem.covariance, tuple):
        arrays |= {
            f"{_MODE}{mode}": matrix
            for mode, matrix in enumerate(problem.covariance)
            if matrix is not None
        }
    elif problem.covariance is not None:
        arrays["covariance"] = problem.covariance
    return arrays | asked


def low_rank_of(arrays: Arrays, where: str) -> LowRankFit:
    """Give the problem that the arrays hold; the problem's own checks apply."""
    tensor = take_array(arrays, "tensor", where)
    if tensor is None:
        raise InvalidFile(f"{where}: no array 'tensor'; every LowRankFit has one")
    fields: dict[str, Any] = {
        "format": take_text(arrays, "format", where),
        "ranks": _whole_numbers(arrays, "ranks", where),
        "tolerance": take_number(arrays, "tolerance", where),
        "budget": take_number(arrays, "budget", where),
        "costs": take_array(arrays, "costs", where, 1),
        "whole": _whole_numbers(arrays, "whole", where),
        "covariance": _covariance(arrays, tensor.ndim, where),
    }
    refuse_rest(arrays, where)
    return LowRankFit(tensor, modes=tensor.shape, **fields)


def _whole_numbers(arrays: Arrays, key: str, where: str) -> list[int] | None:
    array = take_array(arrays, key, where, 1)
    if array is None:
        return None
    if array.size and array.dtype.kind not in "iu":
        raise InvalidFile(f"{where}: {key} is {array.dtype}; expected whole numbers")
    return [int(value) for value in array]


def _covariance(arrays: Arrays, modes: int, where: str) -> Any:
    """Give one matrix, or a list with one for each mode that the names have."""
    found = [take_array(arrays, f"{_MODE}{mode}", where, 2) for mode in range(modes)]
    one = take_array(arrays, "covariance", where, 2)
    if all(matrix is None for matrix in found):
        return one
    if one is not None:
        raise InvalidFile(
            f"{where}: covariance stands beside those of modes; expected one kind"
        )
    return found
