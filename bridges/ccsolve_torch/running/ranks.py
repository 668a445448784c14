"""Several processes that hold parts of the data, and take every decision once."""

from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor, distributed, nn

from ccsolve.errors import CcsolveError

T = TypeVar("T")


def several() -> bool:
    """Say whether this is one of several processes of `torch.distributed`."""
    ready = distributed.is_available() and distributed.is_initialized()
    return ready and distributed.get_world_size() > 1


def first() -> bool:
    """Say whether this process is the one that decides."""
    return not several() or distributed.get_rank() == 0


def summed(value: Tensor) -> Tensor:
    """Give the sum of the tensor over all processes; a collective call."""
    if not several():
        return value
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
    distributed.broadcast_object_list(held, src=0)
    if isinstance(held[0], CcsolveError):
        raise held[0]
    return held[0]


def alike(model: nn.Module) -> None:
    """Make parameters and buffers those of the first process; a collective call."""
    if several():
        for tensor in (*model.parameters(), *model.buffers()):
            distributed.broadcast(tensor.detach(), src=0)
