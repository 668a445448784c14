"""Sums and rows of several processes put together, the same in all of them.

Every function is a collective call where `torch.distributed` is initialised: all
processes make it, in the same order. In a single process they give back what they get.
"""

import torch
from torch import Tensor, distributed

from ccsolve.errors import InvalidProblem
from ccsolve_torch.running.ranks import everywhere, met, several


def summed(value: Tensor, device: torch.device) -> Tensor:
    """Give the sum of the tensor over all processes."""
    if not several():
        return value
    met()
    total = value.detach().clone().to(_meeting_place(device))
    distributed.all_reduce(total)
    return total.to(value.device)


def largest(value: int, device: torch.device) -> int:
    """Give the largest value that a process holds."""
    if not several():
        return value
    met()
    held = torch.tensor([value], device=_meeting_place(device))
    distributed.all_reduce(held, distributed.ReduceOp.MAX)
    return int(held)


def gathered(rows: Tensor, device: torch.device) -> Tensor:
    """Give the rows of all processes, those of the first in front."""
    if not several():
        return rows
    place, longest = _meeting_place(device), largest(len(rows), device)
    padded = torch.zeros((longest, *rows.shape[1:]), dtype=rows.dtype, device=place)
    padded[: len(rows)] = rows
    lengths = [torch.zeros(1, dtype=torch.int64, device=place) for _ in _ranks()]
    distributed.all_gather(lengths, torch.tensor([len(rows)], device=place))
    parts = [torch.empty_like(padded) for _ in _ranks()]
    distributed.all_gather(parts, padded)
    held = [part[: int(n)] for part, n in zip(parts, lengths, strict=True)]
    return torch.cat(held).to(rows.device)


def rank() -> int:
    """Give the number of this process, 0 where it is alone."""
    return distributed.get_rank() if several() else 0


def check_alike(text: str, what: str) -> None:
    """Raise InvalidProblem where processes hold different texts."""
    texts = everywhere(text)
    if len(set(texts)) > 1:
        raise InvalidProblem(
            f"torch.distributed: {what} differs between processes; expected the same "
            f"in all {len(texts)}"
        )


def _ranks() -> range:
    return range(distributed.get_world_size())


def _meeting_place(device: torch.device) -> torch.device:
    """Give the device on which the processes can meet: NCCL knows GPUs alone."""
    return device if distributed.get_backend() == "nccl" else torch.device("cpu")
