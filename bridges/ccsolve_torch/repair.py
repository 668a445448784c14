"""Repairing a smaller network without training or labels.

`recalibrate` measures the batch norms' statistics again. `fit_next_layers` fits each
layer that lost inputs to what the dense network computes there; it repairs more
(ResNet-56 at half its inner widths: 90.5 % against 81.2 % on CIFAR-10), and
recalibrating after it does harm, so use one of them.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ccsolve.errors import InvalidProblem
from ccsolve_torch.branches import Draw, Passage, Reached, watched_branches
from ccsolve_torch.gates import Keep
from ccsolve_torch.graph import Graph, Site
from ccsolve_torch.patches import patches
from ccsolve_torch.regression import Affine, Moments
from ccsolve_torch.state import Loader, batches, device_of, eval_mode, evaluating


@dataclass(frozen=True)
class Refit:
    """One fitted layer: mean squared errors of its branch, before and after.

    Both are of the calibration samples, relative to the variance of what the dense
    network gives there; `residual` says whether the skip's drift was corrected.
    """

    layer: str
    before: float
    after: float
    residual: bool


def recalibrate(model: nn.Module, loader: Loader) -> nn.Module:
    """Measure the batch norms' means and variances again; give the model itself.

    The old statistics are forgotten, and the new ones are the averages over all
    batches, each batch counting the same (variances within batches: give batches of
    some tens of samples). Nothing else of the model changes, modes included.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    norms = [m for m in norms if m.track_running_stats]
    if not norms:
        return model
    momenta = [norm.momentum for norm in norms]
    with eval_mode(model), torch.no_grad():
        try:
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum, norm.training = None, True
            for inputs, _ in batches(model, loader):
                model(*inputs)
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum
    return model


def fit_next_layers(
    small: nn.Module,
    dense: nn.Module,
    graph: Graph,
    keep: Keep,
    loader: Loader,
    *,
    layers: Sequence[str] | None = None,
    ridge: float = 1e-3,
    positions: int = 64,
    seed: int = 0,
) -> tuple[Refit, ...]:
    """Fit layers of `small`, in depth order and in place, to the dense network.

    The branch of a layer is its output after its batch norm. With x the layer's
    input in `small`, and t the dense network's branch (where it enters a residual
    sum: the dense sum minus the skip of `small`, so that drift is corrected), solve

        min over V, b of  E‖V x + b - t‖² + λ‖V - V₀‖²,    λ = ridge · mean Var(x_j)

    with V₀ the layer's present weights: full inputs and an undrifted skip give them
    back. V and b are written into weight and bias, or the batch norm's scale is
    divided out and its shift set.

    Parameters
    ----------
    small, dense
        The smaller and the original model.
    graph, keep
        `trace` of the original model, and the classes of each group that `small` kept.
    loader
        Calibration samples (inputs, targets); targets are not used. Read once; the
        inputs are held in memory.
    layers
        Which layers; default those with fewer inputs than in `dense`.
    ridge
        Relative weight of the pull to the present weights, above 0.
    positions
        Output positions drawn per batch of samples. The dense targets are held:
        samples · positions · Σ n_out · 4 bytes.
    seed
        For the positions.

    Returns
    -------
    One `Refit` per layer, in execution order. Cost: one forward pass of `dense`, and
    per layer a forward pass of `small` up to it and a solve in d³.
    """
    if not ridge > 0 or positions < 1:
        raise InvalidProblem(
            f"ridge {ridge}, positions {positions}; expected ridge > 0, positions >= 1"
        )
    sites = _chosen(small, dense, graph, layers)
    if not sites:
        return ()
    # The fit may write a norm's running mean: only the modes of `small` come back.
    with evaluating(dense), eval_mode(small), torch.no_grad():
        held = [tuple(t.cpu() for t in inputs) for inputs, _ in batches(small, loader)]
        draws = [Draw(positions, seed + number) for number in range(len(held))]
        wanted = [
            _targets(dense, sites, keep, inputs, draw)
            for inputs, draw in zip(held, draws, strict=True)
        ]
        return tuple(
            _fit(small, site, zip(held, draws, wanted, strict=True), ridge)
            for site in sites.values()
        )


def _chosen(
    small: nn.Module, dense: nn.Module, graph: Graph, layers: Sequence[str] | None
) -> dict[str, Site]:
    """Give the sites to fit, in execution order."""
    unknown = sorted(set(layers or ()) - set(graph.layers))
    if unknown:
        raise InvalidProblem(
            f"layers: {unknown[0]!r}; expected among {', '.join(graph.layers)[:200]}"
        )

    def narrowed(name: str) -> bool:
        weights = [model.get_submodule(name).weight for model in (small, dense)]
        return weights[0].shape[1] < weights[1].shape[1]  # pyright: ignore

    return {
        name: site
        for name, site in graph.layers.items()
        if (name in layers if layers is not None else narrowed(name))
    }


def _targets(
    dense: nn.Module,
    sites: dict[str, Site],
    keep: Keep,
    inputs: tuple[Tensor, ...],
    draw: Draw,
) -> dict[str, Tensor]:
    """Give the dense branch or residual sum of each layer, in the channels left."""
    passages = _run(dense, sites, inputs, draw)
    return {
        name: p.total.cpu()[:, _remaining(sites[name], keep)]
        for name, p in passages.items()
    }


def _remaining(site: Site, keep: Keep) -> Tensor | slice:
    """Give a mask of the layer's dense outputs, True where they remain, or all."""
    if not site.outputs:
        return slice(None)
    masks = [np.isin(classes, keep[name]) for name, classes in site.outputs.items()]
    return torch.from_numpy(np.logical_or.reduce(masks))


def _run(
    model: nn.Module, sites: dict[str, Site], inputs: tuple[Tensor, ...], draw: Draw
) -> dict[str, Passage]:
    device = device_of(model)
    with watched_branches(model, sites, draw) as passages, suppress(Reached):
        model(*(value.to(device) for value in inputs))
    return passages


def _fit(
    small: nn.Module,
    site: Site,
    runs: Iterable[tuple[tuple[Tensor, ...], Draw, dict[str, Tensor]]],
    ridge: float,
) -> Refit:
    """Fit one layer of the smaller network in place."""
    layer = small.get_submodule(site.name)
    norm = small.get_submodule(site.batch_norm) if site.batch_norm else None
    affine = Affine.of(layer, norm)
    moments, residual = Moments(), False
    for inputs, draw, wanted in runs:
        passage = _run(small, {site.name: site}, inputs, draw)[site.name]
        target = wanted[site.name].to(passage.branch)
        # Both networks run the same code, so both have the sum or neither has.
        if passage.skip is not None:
            target, residual = target - passage.skip, True
        rows = 0
        for columns in patches(layer, passage.x, draw(passage.count)):
            moments.add(columns, target[rows : rows + len(columns)])
            rows += len(columns)
    before = moments.error(affine.weight, affine.bias)
    fitted = moments.solve(affine.weight, affine.bias, ridge, affine.free_bias)
    affine.write(*fitted)
    return Refit(site.name, before, moments.error(*fitted), residual)
