"""Collecting statistics: what a network's loss says about each of its channels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from ccsolve.errors import InvalidProblem
from ccsolve.statistics import Group, Layer, Statistics
from ccsolve_torch.gates import gate_gradients
from ccsolve_torch.graph import Graph, trace
from ccsolve_torch.identity import fingerprint
from ccsolve_torch.losses import (
    EXACT_OUTPUTS,
    SKETCHES,
    Loss,
    PerSample,
    as_loss,
    directions,
)
from ccsolve_torch.observation import Seen, observed
from ccsolve_torch.state import Loader, batches, evaluating, first_inputs
from ccsolve_torch.tallies import (
    Activations,
    LayerMoments,
    Rows,
    moments_of,
    weights_of,
)

CURVATURES = ("ggn", "fisher")
LAYERS = ("none", "weights", "moments")


@dataclass
class _Sums:
    """All that is summed over the batches."""

    graph: Graph
    ggn: Rows | None
    fisher: Rows
    activations: dict[str, Activations]
    gradient: dict[str, np.ndarray]
    moments: dict[str, LayerMoments]
    samples: int = 0
    loss: float = 0.0
    directions: int = 0


def collect(
    model: nn.Module,
    loader: Loader,
    loss: str | PerSample = "cross_entropy",
    curvature: str = "ggn",
    *,
    layers: str = "weights",
    sketches: int | None = None,
    positions: int | None = None,
    max_rows: int = 16_384,
    seed: int = 0,
) -> Statistics:
    """Give the statistics of the model on the samples of the loader.

    A gate β_i multiplies channel class i where the next layers read it. Collected at
    β = 1, in evaluation mode: the mean gradient of the loss in the gates, the
    empirical-Fisher rows (each sample's gradient / √N), the Gauss-Newton rows
    (Σ^½ J / √N, J the derivative of the outputs in the gates, Σ the Hessian of the
    loss in the outputs), and the means of the activations. The model is given back
    as it was: modes, gradients, buffers, hooks and the random state.

    Parameters
    ----------
    model
        A module that `torch.export` can follow, on any device.
    loader
        Any iterable of (inputs, targets) that can be read twice, inputs a tensor or
        a tuple of tensors. One batch is differentiated at a time: memory is that of
        training on one batch without an optimiser.
    loss
        "cross_entropy" (class numbers), "least_squares" (½‖f - y‖²), or a callable
        (outputs, targets) -> (N,), convex in the outputs for curvature="ggn".
    curvature
        "ggn", or "fisher" for the empirical Fisher alone (one backward per batch).
    layers
        What to hold of every convolution and linear layer: "none"; "weights", and
        which groups its channels belong to; "moments", also the mean gradient of the
        weight, the means and second moments of the input columns, the cross moments
        with the outputs, and the Gauss-Newton of the outputs (memory d² + d·n_out
        float64 per layer, d = n_in · kernel size).
    sketches
        Random sign vectors per sample instead of the exact Gauss-Newton: unbiased,
        one backward pass each. Default: exact up to 16 outputs, else 4 sketches.
    positions
        With layers="moments": output positions per batch at which input columns are
        read, drawn at random; default all.
    max_rows
        Rows that are kept per group, as float32 (max_rows · Σ sizes · 4 bytes); with
        more, all are folded into (size, size) float64 blocks.
    seed
        For sketches and positions.

    Raises
    ------
    Unsupported
        The model cannot be exported, nothing can be removed, or the loss has no
        Gauss-Newton matrix.
    InvalidProblem
        An option, a batch or the loss's value is malformed.
    """
    _check_options(curvature, layers, sketches, positions, max_rows)
    known = as_loss(loss)
    with evaluating(model), torch.enable_grad():
        graph = trace(model, first_inputs(model, loader))
        generator = torch.Generator().manual_seed(seed)
        moments = (
            moments_of(model, graph, positions, generator)
            if layers == "moments"
            else {}
        )
        sums = _empty(graph, curvature, max_rows, moments)
        with observed(model, graph, moments) as seen:
            for inputs, targets in batches(model, loader):
                outputs = _outputs(model, inputs)
                _first_order(sums, seen, known.values(outputs, targets))
                if sums.ggn is not None:
                    _second_order(
                        sums, seen, known, outputs, targets, sketches, generator
                    )
    return _statistics(model, sums, known, curvature, layers)


def _first_order(sums: _Sums, seen: Seen, values: Tensor) -> None:
    """Add gate gradients, Fisher rows, activations, and the layers' mean gradients."""
    if not bool(torch.isfinite(values).all()):
        raise InvalidProblem("loss: NaN or infinity on some sample; expected finite")
    gates, _, weights = seen.gradients(values, torch.ones_like(values), weights=True)
    rows = gate_gradients(sums.graph, seen.readings, gates)
    sums.fisher.add(rows)
    for name, row in rows.items():
        sums.gradient[name] += row.double().sum(dim=0).cpu().numpy()
        sums.activations[name].add(seen.readings)
    for name, gradient in weights.items():
        sums.moments[name].add_gradient(gradient)
    sums.samples += len(values)
    sums.loss += float(values.detach().double().sum())


def _second_order(
    sums: _Sums,
    seen: Seen,
    loss: Loss,
    outputs: Tensor,
    targets: Tensor,
    sketches: int | None,
    generator: torch.Generator,
) -> None:
    """Add the Gauss-Newton rows of one batch: one backward pass per direction."""
    if sketches is None and outputs[0].numel() > EXACT_OUTPUTS:
        sketches = SKETCHES
    factor = loss.factor(outputs.detach(), targets)
    sums.directions = factor.shape[2] if sketches is None else sketches
    for direction in directions(factor, sketches, generator):
        along = direction.reshape(outputs.shape)
        gates, above, _ = seen.gradients(outputs, along, weights=False)
        rows = gate_gradients(sums.graph, seen.readings, gates)
        sums.ggn.add(rows)  # pyright: ignore[reportOptionalMemberAccess]
        for name, gradient in above.items():
            sums.moments[name].add_curvature(gradient)


def _empty(
    graph: Graph, curvature: str, most: int, moments: dict[str, LayerMoments]
) -> _Sums:
    return _Sums(
        graph=graph,
        ggn=Rows(most) if curvature == "ggn" else None,
        fisher=Rows(most),
        activations={name: Activations(group) for name, group in graph.groups.items()},
        gradient={name: np.zeros(group.size) for name, group in graph.groups.items()},
        moments=moments,
    )


def _outputs(model: nn.Module, inputs: Sequence[Tensor]) -> Tensor:
    outputs = model(*inputs)
    if not isinstance(outputs, Tensor) or outputs.ndim < 2:
        raise InvalidProblem(
            f"model: gave a {type(outputs).__name__}; expected one tensor (N, ...); "
            f"wrap the model so that it gives the logits alone"
        )
    return outputs


def _statistics(
    model: nn.Module, sums: _Sums, loss: Loss, curvature: str, layers: str
) -> Statistics:
    groups = {name: _group(sums, name) for name in sums.graph.groups}
    meta = {
        "curvature": curvature,
        "directions_per_sample": sums.directions,
        "mean_loss": sums.loss / sums.samples,
        "frozen": dict(sums.graph.frozen),
    }
    return Statistics(
        groups=groups,
        layers=_layers(model, sums, layers),
        operations=sums.graph.operations,
        samples=sums.samples,
        loss=loss.name,
        fingerprint=fingerprint(model),
        meta=meta,
    )


def _layers(model: nn.Module, sums: _Sums, layers: str) -> dict[str, Layer]:
    if layers == "moments":
        curved = sums.ggn is not None
        return {name: item.layer(curved) for name, item in sums.moments.items()}
    sites = sums.graph.layers if layers == "weights" else {}
    return {
        name: weights_of(site, model.get_submodule(name))
        for name, site in sites.items()
    }


def _group(sums: _Sums, name: str) -> Group:
    group = Group(
        name=name,
        size=sums.graph.groups[name].size,
        gradient=sums.gradient[name] / sums.samples,
        activation=sums.activations[name].means(),
    )
    parts = sums.fisher.of(name, sums.samples, "fisher")
    if sums.ggn is not None:
        parts |= sums.ggn.of(name, sums.samples, "ggn")
    return replace(group, **parts)


def _check_options(
    curvature: str,
    layers: str,
    sketches: int | None,
    positions: int | None,
    max_rows: int,
) -> None:
    if curvature not in CURVATURES:
        raise InvalidProblem(f"curvature {curvature!r}; expected 'ggn' or 'fisher'")
    if layers not in LAYERS:
        raise InvalidProblem(f"layers {layers!r}; expected {', '.join(LAYERS)}")
    for name, value in (("sketches", sketches), ("positions", positions)):
        if value is not None and value < 1:
            raise InvalidProblem(f"{name} {value}; expected 1 or more, or None")
    if max_rows < 0:
        raise InvalidProblem(f"max_rows {max_rows}; expected 0 or more")
    if positions is not None and layers != "moments":
        raise InvalidProblem("positions: used only with layers='moments'; leave it out")
    if sketches is not None and curvature == "fisher":
        raise InvalidProblem("sketches: used only with curvature='ggn'; leave it out")
