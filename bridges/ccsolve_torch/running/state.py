"""Borrowing a model and a loader: everything is given back as it was found."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem
from ccsolve_torch.reasons import first_line

Inputs = Tensor | tuple[Tensor, ...] | list[Tensor]
Loader = Iterable[Any]
Batch = tuple[tuple[Tensor, ...], Tensor]

_WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel)


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


def checked_model(model: nn.Module) -> nn.Module:
    """Give the model back if it can be run and cut as it stands.

    InvalidProblem for what is no module, for a wrapper around the model, and for one
    without values.
    """
    if not isinstance(model, nn.Module):
        raise InvalidProblem(
            f"model: {type(model).__name__}; expected an nn.Module, an object of it"
        )
    if isinstance(model, torch.jit.ScriptModule):
        raise InvalidProblem(
            f"model: {type(model).__name__} is TorchScript; expected the module it was "
            f"made of"
        )
    # The name under which `torch.compile` keeps the model it wraps.
    compiled = "_orig_mod" in dict(model.named_children())
    if compiled or isinstance(model, _WRAPPERS):
        raise InvalidProblem(
            f"model: {type(model).__name__} is a wrapper; expected the module inside "
            f"it, give model.{'_orig_mod' if compiled else 'module'}"
        )
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if tensor.is_meta:
            raise InvalidProblem(
                f"model: {name} is on the meta device and has no values; load the "
                f"weights first"
            )
        if tensor.is_floating_point() and bool(tensor.isnan().any()):
            raise InvalidProblem(
                f"model: {name} holds NaN; expected numbers, weights that training has "
                f"not spoilt"
            )
    return model


def batches(model: nn.Module, loader: Loader) -> Iterator[Batch]:
    """Give (inputs, targets) of every batch of the loader, on the model's device."""
    device, seen = device_of(model), False
    if not isinstance(loader, Iterable):
        raise InvalidProblem(
            f"loader: {type(loader).__name__}; expected an iterable of (inputs, "
            f"targets)"
        )
    for batch in loader:
        seen = True
        yield _on(device, batch)
    if not seen:
        raise InvalidProblem(
            "loader gave no batch; expected an iterable of (inputs, targets); what "
            "is read several times must be a DataLoader or a list, for a generator "
            "is empty afterwards"
        )


def check_runs(
    model: nn.Module,
    inputs: tuple[Tensor, ...],
    whose: str = "the loader's first batch",
) -> None:
    """Run the model on two samples: what is wrong with them is said better here.

    InvalidProblem where it fails.
    """
    try:
        with torch.no_grad(), evaluating(model):
            model(*(value[:2] if value.ndim else value for value in inputs))
    except Exception as error:  # whatever the model's code raises
        shown = ", ".join(f"{tuple(x.shape)} {x.dtype}" for x in inputs)
        raise InvalidProblem(
            f"model: does not run on {whose} ({shown}): {first_line(error)}"
        ) from error


def peeked(
    model: nn.Module, loader: Loader
) -> tuple[tuple[Tensor, ...], Iterator[Batch]]:
    """Give the inputs of the first batch, and all batches: the loader is read once."""
    every = batches(model, loader)
    first = next(every)
    return first[0], chain([first], every)


def first_inputs(model: nn.Module, loader: Loader) -> tuple[Tensor, ...]:
    """Give the inputs of the loader's first batch."""
    return next(batches(model, loader))[0]


def _on(device: torch.device, batch: Any) -> Batch:
    if isinstance(batch, Mapping):
        raise InvalidProblem(
            f"loader gave a {type(batch).__name__} of {', '.join(map(str, batch))}; "
            f"expected (inputs, targets); make them of it: "
            f"((batch['x'], batch['y']) for batch in loader)"
        )
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise InvalidProblem(
            f"loader gave a {type(batch).__name__}; expected (inputs, targets)"
        )
    inputs = tuple(item.to(device) for item in as_inputs(batch[0]))
    try:
        targets = torch.as_tensor(batch[1])
    except (TypeError, ValueError, RuntimeError):
        raise InvalidProblem(
            f"loader: targets are a {type(batch[1]).__name__}; expected a tensor"
        ) from None
    return inputs, targets.to(device)


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
    kept = [
        (module, name, buffer, buffer.detach().clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    every = (*model.parameters(), *model.buffers())
    devices = {tensor.device for tensor in every if tensor.device.type == "cuda"}
    with torch.random.fork_rng(devices=list(devices)), eval_mode(model):
        try:
            yield
        finally:
            for module, name, buffer, value in kept:
                # Forward passes may write a buffer, or put another one in its place.
                buffer.data.copy_(value)
                module._buffers[name] = buffer


@contextmanager
def hooks(handles: Iterable[Any]) -> Iterator[None]:
    """Remove the hooks at the end, whatever happens."""
    held = list(handles)
    try:
        yield
    finally:
        for handle in held:
            handle.remove()
