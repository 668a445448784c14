"""Batch norms measured again."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ccsolve_torch.repairing.calibration import Inputs
from ccsolve_torch.running.ranks import summed
from ccsolve_torch.running.state import (
    Loader,
    check_runs,
    device_of,
    eval_mode,
    hooks,
    peeked,
)


def recalibrate(model: nn.Module, loader: Loader) -> nn.Module:
    """Measure the batch norms' means and variances again; give the model itself.

    The old statistics are forgotten, and the new ones are the averages over all
    batches, each batch counting the same (variances within batches: give batches of
    some tens of samples). A norm to which a batch gives one value per channel leaves
    it out, and one that has nothing left keeps what it had. Nothing else of the model
    changes, modes included, and nothing at all where an error is raised.
    """
    first, every = peeked(model, loader)
    check_runs(model, first)
    measure(model, (inputs for inputs, _ in every))
    return model


def measure(model: nn.Module, inputs: Iterable[Inputs]) -> None:
    """Do what `recalibrate` does, with bare inputs; over all processes."""
    norms = _norms(model)
    if not norms:
        return
    device = device_of(model)
    with eval_mode(model), torch.no_grad(), _averaging(norms) as before:
        for batch in inputs:
            with suppress(_OneValue):
                model(*(value.to(device) for value in batch))
        for norm, old in zip(norms, before, strict=True):
            _settle(norm, old)


def _settle(norm: Any, old: Mapping[str, Tensor]) -> None:
    """Average over all processes; a norm that saw nothing keeps what it had."""
    weight = norm.num_batches_tracked.float()
    total = summed(weight)
    for name in ("running_mean", "running_var"):
        statistic = getattr(norm, name)
        mean = summed(statistic * weight) / total
        statistic.copy_(mean if total > 0 else old[name])
    if total == 0:
        norm.num_batches_tracked.copy_(old["num_batches_tracked"])


def has_statistics(model: nn.Module) -> bool:
    """Say whether the model has batch norms that keep statistics."""
    return bool(_norms(model))


class _OneValue(Exception):
    """A norm was given one value per channel, which has no variance."""


def _norms(model: nn.Module) -> list[Any]:
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    return [norm for norm in norms if norm.track_running_stats]


@contextmanager
def _averaging(norms: list[Any]) -> Iterator[list[dict[str, Tensor]]]:
    """Let the norms forget, and average over the batches that they see inside.

    Gives what they had; they have it again where an error is raised.
    """
    before = [{k: v.clone() for k, v in norm.named_buffers()} for norm in norms]
    momenta = [norm.momentum for norm in norms]
    handles = [norm.register_forward_pre_hook(_refuse_one_value) for norm in norms]
    try:
        with hooks(handles):
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum, norm.training = None, True
            yield before
    except BaseException:
        for norm, old in zip(norms, before, strict=True):
            for name, value in old.items():
                getattr(norm, name).copy_(value)
        raise
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def _refuse_one_value(norm: nn.Module, args: tuple[Any, ...]) -> None:
    x = args[0]
    if x.numel() == x.shape[1]:
        raise _OneValue
