"""Borrowing a model and a loader: everything is given back as it was found."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem

Inputs = Tensor | tuple[Tensor, ...] | list[Tensor]
Loader = Iterable[Any]


def as_inputs(value: Any) -> tuple[Tensor, ...]:
    """Give the positional inputs of a model as a tuple of tensors."""
    inputs = [value] if isinstance(value, Tensor) else value
    sound = isinstance(inputs, tuple | list) and len(inputs) > 0
    if not sound or not all(isinstance(item, Tensor) for item in inputs):
        raise InvalidProblem(
            f"inputs: {type(value).__name__}; expected a tensor or a tuple of tensors"
        )
    first = next(iter(inputs))
    if first.ndim == 0 or first.shape[0] == 0:
        raise InvalidProblem(
            f"inputs: shape {tuple(first.shape)}; expected samples along axis 0"
        )
    return tuple(inputs)


def device_of(model: nn.Module) -> torch.device:
    """Give the device of the first parameter or buffer, the CPU where there is none."""
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


def batches(
    model: nn.Module, loader: Loader
) -> Iterator[tuple[tuple[Tensor, ...], Tensor]]:
    """Give (inputs, targets) of every batch of the loader, on the model's device."""
    device, seen = device_of(model), False
    for batch in loader:
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise InvalidProblem(
                f"loader gave a {type(batch).__name__}; expected (inputs, targets)"
            )
        seen = True
        inputs = tuple(item.to(device) for item in as_inputs(batch[0]))
        yield inputs, torch.as_tensor(batch[1]).to(device)
    if not seen:
        raise InvalidProblem(
            "loader gave no batch; expected an iterable that can be read several "
            "times, such as a DataLoader or a list (a generator is empty afterwards)"
        )


def first_inputs(model: nn.Module, loader: Loader) -> tuple[Tensor, ...]:
    """Give the inputs of the loader's first batch."""
    return next(batches(model, loader))[0]


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Put the model into evaluation mode; give back every module's own mode."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put the model into evaluation mode; give back modes, buffers, random state.

    Hooks set inside are the caller's to remove. Nothing here writes a gradient.
    """
    kept = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    device = device_of(model)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), eval_mode(model):
        try:
            yield
        finally:
            for buffer, value in kept:
                buffer.data.copy_(value)


@contextmanager
def hooks(handles: Iterable[Any]) -> Iterator[None]:
    """Remove the hooks at the end, whatever happens."""
    held = list(handles)
    try:
        yield
    finally:
        for handle in held:
            handle.remove()
