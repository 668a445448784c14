"""Several processes that hold parts of the data, and take every decision once.

Whatever the processes do together begins with a word of each that all is well (`met`).
One that fails gives the other word, at the end of `failing_together`: so the others
get it wherever they are, and none waits in vain.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from ccsolve.errors import CcsolveError, InvalidProblem

T = TypeVar("T")

_KNOWN = "_known_to_all_processes"


def several() -> bool:
    """Say whether this is one of several processes of `torch.distributed`."""
    ready = distributed.is_available() and distributed.is_initialized()
    return ready and distributed.get_world_size() > 1


def first() -> bool:
    """Say whether this process is the one that decides."""
    return not several() or distributed.get_rank() == 0


@contextmanager
def failing_together() -> Iterator[None]:
    """Raise in every process if one fails inside.

    All processes enter and leave it; one may stand within another.
    """
    try:
        yield
        met()
    except BaseException as error:
        if several() and not getattr(error, _KNOWN, False):
            _failed(1)
            _note(error)
        raise


def met() -> None:
    """Wait for all processes; InvalidProblem where one of them has failed."""
    if several() and _failed(0):
        raise _note(
            InvalidProblem("torch.distributed: another process failed; see its error")
        )


def everywhere(value: T) -> list[T]:
    """Give the values of all processes; a collective call."""
    if not several():
        return [value]
    met()
    held: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(held, value)
    return held


def summed(value: Tensor) -> Tensor:
    """Give the sum of the tensor over all processes; a collective call."""
    if not several():
        return value
    met()
    total = value.clone()
    distributed.all_reduce(total)
    return total


def decided(decide: Callable[[], T]) -> T:
    """Let the first process decide for all of them; a collective call.

    An error of ccsolve there is raised everywhere: no process waits in vain.
    """
    if not several():
        return decide()
    held: list[Any] = [None]
    if first():
        try:
            held = [decide()]
        except CcsolveError as error:
            held = [error]
    met()
    distributed.broadcast_object_list(held, src=0)
    if isinstance(held[0], CcsolveError):
        raise _note(held[0])
    return held[0]


def alike(model: nn.Module) -> None:
    """Make parameters and buffers those of the first process; a collective call."""
    if several():
        met()
        for tensor in (*model.parameters(), *model.buffers()):
            distributed.broadcast(tensor.detach(), src=0)


def _failed(mine: int) -> bool:
    """Say whether any process says 1."""
    # NCCL knows GPUs alone.
    place = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    held = torch.tensor([mine], device=place)
    distributed.all_reduce(held, distributed.ReduceOp.MAX)
    return bool(held)


def _note(error: BaseException) -> Any:
    """Write down that the others know of the error."""
    setattr(error, _KNOWN, True)
    return error
