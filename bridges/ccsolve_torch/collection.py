"""Collecting statistics: what a network's loss says about each of its channels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ccsolve.statistics import Group, Layer, Memory, Statistics
from ccsolve_torch.collecting.accumulation import Sums, add_batches
from ccsolve_torch.collecting.losses import PerSample, as_loss
from ccsolve_torch.collecting.moments import (
    Levels,
    check_memory,
    chosen_levels,
    layer_of,
    layer_sums,
)
from ccsolve_torch.collecting.options import Options
from ccsolve_torch.collecting.pooling import check_alike, rank, summed
from ccsolve_torch.collecting.rows import Rows
from ccsolve_torch.collecting.scales import batch_norm_scores
from ccsolve_torch.collecting.tallies import Activations, Readers
from ccsolve_torch.coupling.declaring import Declared
from ccsolve_torch.coupling.memory import memory
from ccsolve_torch.factoring.runs import chain_runs
from ccsolve_torch.graph import Graph, trace
from ccsolve_torch.heads.auxiliary import Auxiliary, as_auxiliary
from ccsolve_torch.heads.training import joining, trained_heads
from ccsolve_torch.identity import fingerprint
from ccsolve_torch.running.precision import exactly
from ccsolve_torch.running.ranks import failing_together
from ccsolve_torch.running.state import (
    Loader,
    check_runs,
    checked_model,
    device_of,
    evaluating,
    peeked,
)


def collect(
    model: nn.Module,
    loader: Loader,
    loss: str | PerSample = "cross_entropy",
    curvature: str = "ggn",
    *,
    layers: Levels = "weights",
    sketches: int | None = None,
    positions: int | None = None,
    max_rows: int = 16_384,
    max_bytes: float = 8e9,
    seed: int = 0,
    declared: Declared | None = None,
    auxiliary: int | Sequence[str] | Auxiliary | None = None,
) -> Statistics:
    """Give the statistics of the model on the samples of the loader.

    A gate β_i multiplies channel class i wherever a layer reads it. Collected at
    β = 1, in evaluation mode: the mean gradient of the loss in the gates, the
    empirical-Fisher rows (each sample's gradient / √N), the Gauss-Newton rows
    (Σ^½ J / √N, J the derivative of the outputs in the gates, Σ the Hessian of the
    loss in the outputs), the means of the activations, and the score "bn_scale"
    of groups with batch norms; besides, what every operator costs and which tensors
    are alive at once. The model is given back as it was: modes, gradients, buffers,
    hooks and the random state.

    Memory, besides the model: one batch's activations, as in training on it without
    an optimiser; samples · directions · Σ sizes · 4 bytes of rows per curvature, at
    most max_rows · Σ sizes · 4, and beyond it Σ size² · 8; per layer 4 bytes per
    weight, at level "gradients" 8 more, at "moments" 8 · (d² + d · n_out + n_out²) more
    (d = n_in · kernel size); once more what the largest layer takes, and 64 MB of
    columns.
    In processes of `torch.distributed` each reads its own samples; sums and rows are
    put together, and all of them return the same statistics.

    Parameters
    ----------
    model
        A module that `torch.export` can follow, on any device, with samples that do
        not see each other in evaluation mode. Its output is a tensor (N, ...), has
        one as its attribute `logits`, or for a callable loss is a tuple, list, dict or
        registered dataclass of such tensors; what else is in it reaches the loss as it
        is. Works inside `torch.autocast`; what is summed is summed in
        float32 and float64.
    loader
        Any iterable of (inputs, targets), read once, with `auxiliary` several times;
        inputs a tensor or a tuple of tensors, samples along axis 0.
    loss
        "cross_entropy" (class numbers; outputs (N, K), (N, K, ...) or (N, ..., K) with
        targets (N, ...): a sample's loss is the mean over its positions, targets of
        -100 not counted), "least_squares" (½‖f - y‖², any shape, or class
        numbers (N,) for ones among zeros), or a callable
        (outputs, targets) -> (N,), for curvature="ggn" convex in the outputs and of
        at most 1,024 outputs per sample.
    curvature
        "ggn", or "fisher" for the empirical Fisher alone (one backward per batch).
    layers
        What to hold of every convolution and linear layer: "none"; "weights", and
        which groups its channels belong to; "gradients", also the mean gradient of the
        weight; "moments", also the means and second moments of the input columns, the
        cross moments with the outputs, and the Gauss-Newton of the outputs (of a
        grouped convolution only the latter). Or a mapping from names of layers to
        these; layers that it does not name have "weights".
    sketches
        Random sign vectors per sample instead of the exact Gauss-Newton: unbiased,
        one backward pass each. Default: exact up to 16 outputs, else 4 sketches.
    positions
        With level "moments": output positions per sample at which input columns are
        read, drawn at random for every batch; default all.
    max_rows
        Rows that are kept per group; with more, all are folded into (size, size)
        float64 blocks.
    max_bytes
        Refuse `layers` whose sums take more.
    seed
        For sketches, positions and `auxiliary`: the same seed gives the same statistics
        on the same device. Process r of several draws from seed + r.
    declared
        See `trace`.
    auxiliary
        Classifiers that read the network halfway (CCP-AC): how many, spread evenly over
        its depth, or names of the modules whose outputs they read, or an `Auxiliary`.
        They are attached, trained for some readings of the loader while the network
        stays as it is, and dropped at the end. Derivatives are of the sum of all
        losses, which for a channel are the final one and those of the classifiers
        behind it; what a classifier reads of a channel without a layer in between
        counts nothing. All their outputs count as outputs for `sketches`. The meta data
        has their places, weights and losses. For outputs (N, classes).

    Raises
    ------
    Unsupported
        The model cannot be exported, nothing can be removed, samples see each other,
        or the loss has no Gauss-Newton matrix.
    InvalidProblem
        An option, the model, a batch or the loss's value is malformed.
    """
    options = Options(curvature, layers, sketches, positions, max_rows, max_bytes, seed)
    wanted = as_auxiliary(auxiliary)
    known, device = as_loss(loss), device_of(checked_model(model))
    with (
        torch.inference_mode(False),
        failing_together(),
        evaluating(model),
    ):
        inputs, every = peeked(model, loader)
        check_runs(model, inputs)
        with exactly(device):
            graph = trace(model, inputs, declared=declared)
        sums = _empty(model, graph, options)
        heads = None
        if wanted is not None:
            layers_run = set(graph.layers)
            heads = trained_heads(model, loader, layers_run, known, wanted, seed)
        with joining(model, heads) as join:
            add_batches(model, sums, known, options.sketches, every, join)
        space = memory(model, graph.flow, graph.classes)
        runs = chain_runs(model, graph)
    identity = fingerprint(model)
    check_alike(identity, "the model")
    _pool(sums)
    meta = {"curvature": options.curvature, "runs": runs}
    if heads is not None:
        meta["auxiliary"] = heads.record()
    return _statistics(sums, known.name, meta, identity, space)


def _empty(model: nn.Module, graph: Graph, options: Options) -> Sums:
    device, ggn = device_of(model), options.curvature == "ggn"
    parameters = dict(model.named_parameters(remove_duplicate=False))
    levels = chosen_levels(options.layers, graph)
    check_memory(graph, parameters, levels, options.max_bytes)
    generator = torch.Generator(device).manual_seed(options.seed + rank())
    readers = Readers.of(graph, device)
    return Sums(
        graph=graph,
        levels=levels,
        parameters=parameters,
        ggn=Rows(options.max_rows) if ggn else None,
        fisher=Rows(options.max_rows),
        readers=readers,
        activations=Activations(readers),
        layers=layer_sums(
            graph, parameters, levels, options.positions, generator, curved=ggn
        ),
        gradient={
            name: torch.zeros(group.size, dtype=torch.float64, device=device)
            for name, group in graph.groups.items()
        },
        generator=generator,
    )


def _pool(sums: Sums) -> None:
    """Put the sums of all processes together; collective calls, in one order."""
    device = sums.device
    for rows in (sums.fisher, sums.ggn):
        if rows is not None:
            rows.pool(device)
    sums.activations.pool(device)
    for item in sums.layers.values():
        item.pool(device)
    sums.gradient = {k: summed(v, device) for k, v in sums.gradient.items()}
    whole = torch.tensor([sums.samples, sums.loss], dtype=torch.float64)
    samples, sums.loss = summed(whole, device).tolist()
    sums.samples = int(samples)


def _statistics(
    sums: Sums, loss: str, meta: Mapping[str, Any], identity: str, space: Memory
) -> Statistics:
    graph = sums.graph
    altered = {name: item.approximate for name, item in graph.groups.items()}
    meta = {
        **meta,
        "directions_per_sample": sums.directions,
        "mean_loss": sums.loss / sums.samples,
        "coverage": graph.coverage,
        "approximate": {name: why for name, why in altered.items() if why},
        "frozen": dict(graph.frozen),
    }
    return Statistics(
        groups={name: _group(sums, name) for name in graph.groups},
        layers=dict(_layers(sums)),
        operations=graph.operations,
        samples=sums.samples,
        loss=loss,
        fingerprint=identity,
        meta=meta,
        memory=space,
    )


def _layers(sums: Sums) -> Iterator[tuple[str, Layer]]:
    for name, site in sums.graph.layers.items():
        if site.weight in sums.layers:
            yield site.title, sums.layers[site.weight].layer(sums.samples)
        elif sums.levels[name] != "none":
            bias = None if site.bias is None else sums.parameters[site.bias]
            yield site.title, layer_of(site, sums.parameters[site.weight], bias)


def _group(sums: Sums, name: str) -> Group:
    coupling = sums.graph.groups[name]
    group = Group(
        name=name,
        size=coupling.size,
        gradient=(sums.gradient[name] / sums.samples).cpu().numpy(),
        activation=sums.activations.means(name),
        scores=batch_norm_scores(coupling, sums.parameters),
        approximate=bool(coupling.approximate),
    )
    parts = sums.fisher.of(name, "fisher", sums.device)
    if sums.ggn is not None:
        parts |= sums.ggn.of(name, "ggn", sums.device)
    return replace(group, **parts)
