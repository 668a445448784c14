"""Which channels make up groups, and which widths these may have."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ccsolve.errors import Infeasible, InvalidProblem
from ccsolve.problems.checks import frozen, whole_number

_LARGEST = 10**9


def labels_of(groups: Any, n: int) -> np.ndarray:
    """Give the group number of every channel, (n,) int64.

    ``groups`` are these labels, 0 to G - 1, each taken; or a list of the groups'
    channels, which share no channel and leave none out.
    """
    listed = isinstance(groups, list | tuple) and any(np.ndim(own) for own in groups)
    labels = _from_members(groups, n) if listed else _whole_vector("groups", groups)
    if labels.shape != (n,):
        raise InvalidProblem(
            f"groups has {labels.shape[0]} labels; expected {n}, one per channel"
        )
    if not n:
        raise InvalidProblem("groups is empty; expected at least one channel")
    counts = np.bincount(labels) if labels.min() >= 0 else np.zeros(1)
    if not counts.all():
        raise InvalidProblem(
            f"groups has labels {labels.min()} to {labels.max()}; "
            "expected 0 to G - 1, each of them taken"
        )
    return frozen(labels)


def _from_members(groups: Sequence[Any], n: int) -> np.ndarray:
    labels = np.full(n, -1, dtype=np.int64)
    for g, given in enumerate(groups):
        own = _whole_vector(f"groups[{g}]", given)
        if own.size and not (0 <= own.min() and own.max() < n):
            raise InvalidProblem(
                f"groups[{g}] holds channels {own.min()} to {own.max()}; expected 0 "
                f"to {n - 1}"
            )
        if len(np.unique(own)) != own.size or (labels[own] >= 0).any() or not own.size:
            raise InvalidProblem(
                f"groups[{g}] is empty or holds a channel twice; expected that every "
                "channel is in one group"
            )
        labels[own] = g
    if (labels < 0).any():
        raise InvalidProblem(
            f"channel {int(np.argmax(labels < 0))} is in no group; expected that every "
            "channel is in one"
        )
    return labels


def _whole_vector(name: str, values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise InvalidProblem(
            f"{name} is {array.dtype} of shape {array.shape}; expected a vector of "
            "whole numbers"
        )
    return array.astype(np.int64)


def per_group(name: str, value: Any, count: int, low: int) -> np.ndarray:
    """Give one whole number for each group, (G,), from one for all or one each."""
    if np.ndim(value) == 0:
        return frozen(np.full(count, whole_number(name, value, low, _LARGEST)))
    values = _whole_vector(name, value)
    if values.shape != (count,) or values.min(initial=low) < low:
        raise InvalidProblem(
            f"{name} = {value!r:.80}; expected a whole number of at least {low}, or "
            f"one for each of the {count} groups"
        )
    return frozen(values)


def ladder(
    name: str,
    size: int,
    multiple: int,
    bounds: tuple[int, int],
    fixed: tuple[int, int],
) -> np.ndarray:
    """Give the widths that a group may have, rising.

    Multiples of ``multiple``, and the whole size, within ``bounds`` and as far as the
    channels ``fixed`` to stay and to go allow. Infeasible if none is left.
    """
    (least, most), (kept, gone) = bounds, fixed
    widths = np.union1d(np.arange(0, size + 1, multiple), [size])
    # At least more than there are means all of them.
    wide = (widths >= min(least, size)) & (widths <= most)
    found = widths[wide & (widths >= kept) & (widths <= size - gone)]
    if not found.size:
        raise Infeasible(
            f"group {name}: no width of {size} channels is a multiple of {multiple}, "
            f"from {least} to {most}, and within {kept} to {size - gone}, what the "
            "fixings allow; free some of them or change multiple_of, min_keep or "
            "max_keep"
        )
    return frozen(found.astype(np.int64))
