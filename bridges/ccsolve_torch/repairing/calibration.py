"""Calibration samples: most to fit with, some held back to see whether it helped."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from ccsolve_torch.running.state import Loader, check_runs, peeked

Inputs = tuple[Tensor, ...]

SMALLEST = 5
"""Fewest samples of which some are held back."""

JOINED, LARGEST = 64, 2**25
"""Samples and bytes up to which small batches are joined: each has its own threads."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Batches of a model's inputs, in the memory of the CPU."""

    fitting: tuple[Inputs, ...]
    held_back: tuple[Inputs, ...]

    @classmethod
    def of(cls, model: nn.Module, loader: Loader, share: float) -> "Calibration":
        """Read the loader once; hold back this share of the samples of every batch.

        InvalidProblem where the model does not run on the first batch.
        """
        first, every = peeked(model, loader)
        check_runs(model, first)
        return parted([tuple(t.cpu() for t in inputs) for inputs, _ in every], share)


def parted(read: Sequence[Inputs], share: float) -> Calibration:
    """Hold back this share of the samples of every batch.

    Batches of few samples give one whenever their number so far allows it; of fewer
    than SMALLEST samples in all none are held back.
    """
    fitting, held, due = [], [], 0.0
    total = sum(len(inputs[0]) for inputs in read)
    for inputs in read:
        due += share * len(inputs[0]) if total >= SMALLEST else 0.0
        back = min(round(due), len(inputs[0]))
        due -= back
        first, second = _parted(inputs, len(inputs[0]) - back)
        fitting += first
        held += second
    return Calibration(tuple(_merged(fitting)), tuple(_merged(held)))


def _merged(parts: list[Inputs]) -> list[Inputs]:
    """Join neighbouring batches of like shapes while they stay small."""
    groups: list[list[Inputs]] = []
    for part in parts:
        if groups and _joinable(groups[-1], part):
            groups[-1].append(part)
        else:
            groups.append([part])
    merged = [_joined(group) for group in groups]
    # Nothing varies within one sample: the last one goes with those before it.
    if len(merged) > 1 and len(merged[-1][0]) == 1 and _alike(merged[-2], merged[-1]):
        merged[-2:] = [_joined(merged[-2:])]
    return merged


def _parted(inputs: Inputs, count: int) -> tuple[list[Inputs], list[Inputs]]:
    """Cut off the samples behind the first `count`; an empty list where none are."""
    length = len(inputs[0])
    ends = (0, count, length)
    parts = [
        [_samples(inputs, length, start, end)] if end > start else []
        for start, end in pairwise(ends)
    ]
    return parts[0], parts[1]


def _samples(inputs: Inputs, length: int, start: int, end: int) -> Inputs:
    """Give some samples; a tensor that has no entry for each goes with all."""
    return tuple(
        value[start:end] if value.ndim and len(value) == length else value
        for value in inputs
    )


def _joinable(waiting: list[Inputs], part: Inputs) -> bool:
    joined = [*waiting, part]
    samples = sum(len(inputs[0]) for inputs in joined)
    size = sum(value.nbytes for inputs in joined for value in inputs)
    return _alike(waiting[0], part) and samples <= JOINED and size <= LARGEST


def _alike(one: Inputs, other: Inputs) -> bool:
    """Say whether samples of both can stand in one batch."""
    return all(
        a.ndim > 0
        and a.shape[1:] == b.shape[1:]
        and (len(a), len(b)) == (len(one[0]), len(other[0]))
        for a, b in zip(one, other, strict=True)
    )


def _joined(waiting: list[Inputs]) -> Inputs:
    return tuple(torch.cat(values) for values in zip(*waiting, strict=True))
