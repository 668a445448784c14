"""Soft filter pruning: filters are zeroed after every epoch, and may grow back."""

import copy
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem
from ccsolve.problems.checks import real_number, whole_number
from ccsolve.statistics import Statistics
from ccsolve_torch.coupling.declaring import Declared
from ccsolve_torch.finetuning import finetune
from ccsolve_torch.graph import Graph, Site, trace
from ccsolve_torch.running.state import Loader, checked_model, evaluating, first_inputs
from ccsolve_torch.scoring.scenes import alone, check_of, scored

Array = NDArray[np.float64]


def soft_filter_pruning(
    model: nn.Module,
    loader: Loader,
    *,
    rate: float = 0.4,
    epochs: int = 4,
    train: Callable[[nn.Module], object] | None = None,
    declared: Declared | None = None,
    seed: int = 0,
) -> nn.Module:
    """Give a copy of the model, trained while its smallest filters are zeroed.

    After every epoch the floor(rate · size) classes of each group whose filters have
    the least Euclidean norm are set to zero; all go on training, and may grow back. The
    last thing that is done is zeroing. He et al., Soft filter pruning, IJCAI 2018,
    algorithm 1. A plan by "l2" on statistics of this copy removes what is zero: then
    the smaller network is the copy.

    Parameters
    ----------
    model
        Any module that `trace` can follow; it stays as it is.
    loader
        See `finetune`.
    rate
        Share of every group that is zeroed, in (0, 1).
    epochs
        How often it is trained and zeroed.
    train
        Trains a model in place for one epoch; default `finetune` for one epoch at a
        tenth of its own rate, for the model is trained already.
    declared
        See `trace`.
    seed
        For the default training; epochs have seeds of their own.

    Raises
    ------
    InvalidProblem
        An option is malformed.
    Unsupported
        In several processes, or see `trace`.
    """
    soft, graph = _begun(model, loader, rate, epochs, declared)
    for epoch in range(epochs):
        _train(soft, loader, train, seed + epoch)
        _zero(soft, graph, rate)
    return soft


def sfp_scores(
    model: nn.Module,
    loader: Loader,
    stats: Statistics,
    *,
    rate: float = 0.4,
    epochs: int = 4,
    train: Callable[[nn.Module], object] | None = None,
    declared: Declared | None = None,
    seed: int = 0,
) -> Statistics:
    """Give the statistics with the score "sfp": filters' norms in the course of SFP.

    Norms of each class's filters in a copy of the model, see `soft_filter_pruning`,
    before the last zeroing: those that would be zeroed are the smallest. The model
    itself keeps its weights; to go on with the copy's, collect on the copy.

    Parameters
    ----------
    model, loader, rate, epochs, train, declared, seed
        See `soft_filter_pruning`.
    stats
        Of this model, from `collect` with the same `declared`.
    """
    check_of(checked_model(model), stats)
    soft, graph = _begun(model, loader, rate, epochs, declared)
    for epoch in range(epochs):
        if epoch:
            _zero(soft, graph, rate)
        _train(soft, loader, train, seed + epoch)
    return scored(stats, "sfp", _norms(soft, graph))


def _begun(
    model: nn.Module,
    loader: Loader,
    rate: float,
    epochs: int,
    declared: Declared | None,
) -> tuple[nn.Module, Graph]:
    alone("sfp")
    whole_number("epochs", epochs, 1, 10**6)
    if not 0 < real_number("rate", rate, 0.0) < 1:
        raise InvalidProblem(f"rate = {rate!r}; expected a number in (0, 1)")
    with torch.inference_mode(False), evaluating(checked_model(model)):
        graph = trace(model, first_inputs(model, loader), declared=declared)
        return copy.deepcopy(model), graph


def _train(
    soft: nn.Module,
    loader: Loader,
    train: Callable[[nn.Module], object] | None,
    seed: int,
) -> None:
    usual = partial(finetune, loader=loader, epochs=1, lr=LR, seed=seed)
    with torch.inference_mode(False), torch.enable_grad():
        (train or usual)(soft)
    soft.zero_grad(set_to_none=True)


LR = 1e-3
"""Rate of the default training."""


def _writers(graph: Graph, group: str) -> list[Site]:
    return [site for site in graph.layers.values() if group in site.outputs]


def _by_output(site: Site, weight: Tensor) -> Tensor:
    """Give a view of the weight whose first two axes together are output channels."""
    if site.kind != "conv_transpose":
        return weight.detach().unflatten(0, (1, -1))
    return weight.detach().unflatten(0, (site.groups, -1)).transpose(1, 2)


def _norms(model: nn.Module, graph: Graph) -> dict[str, Array]:
    """Give by group the Euclidean norm of each class's filters in all writers."""
    held = dict(model.named_parameters(remove_duplicate=False))
    found = {}
    for name, group in graph.groups.items():
        squares = np.zeros(group.size)
        for site in _writers(graph, name):
            filters = _by_output(site, held[site.weight]).flatten(2)
            own = filters.double().square().sum(dim=2).flatten().cpu().numpy()
            classes = site.outputs[name]
            np.add.at(squares, classes[classes >= 0], own[classes >= 0])
        found[name] = np.sqrt(squares)
    return found


def _zero(model: nn.Module, graph: Graph, rate: float) -> None:
    """Zero the filters of the classes of the least norm, the same share of each group.

    Of a layer that several groups write, each has its own channels.
    """
    held = dict(model.named_parameters(remove_duplicate=False))
    for name, norms in _norms(model, graph).items():
        least = np.argsort(norms, kind="stable")[: int(rate * len(norms))]
        for site in _writers(graph, name):
            filters = _by_output(site, held[site.weight])
            chosen = torch.from_numpy(np.isin(site.outputs[name], least))
            filters[chosen.to(filters.device).reshape(filters.shape[:2])] = 0.0
