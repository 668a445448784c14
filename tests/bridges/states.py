"""What a model holds, copied and compared."""

import torch
from torch import Tensor, nn

State = dict[str, Tensor]


def state(model: nn.Module) -> State:
    """Give copies of all parameters and buffers, by name."""
    held = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: value.detach().clone() for name, value in held.items()}


def same(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(value, other[name]) for name, value in one.items()
    )
