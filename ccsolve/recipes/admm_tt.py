"""ADMM-TT on exported statistics: weights of bounded ranks, without the network."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ccsolve.batch import each
from ccsolve.errors import InvalidProblem, MissingStatistics, Unsupported
from ccsolve.factors import Factor
from ccsolve.plans import Plan
from ccsolve.recipes.admm.asked import factors_from
from ccsolve.recipes.admm.fit import AdmmFit, fit_weight
from ccsolve.statistics import Layer, Statistics

METRICS = ("weights", "inputs", "loss", "gradient")
"""In what the loss of a layer is measured."""


def admm_tt(
    stats: Statistics,
    factors: Any,
    *,
    metric: str | None = None,
    format: str = "tt",
    iterations: int = 100,
    tolerance: float = 1e-3,
    time_limit: float = math.inf,
    n_jobs: int | None = None,
    callback: Callable[[int, AdmmFit], Any] | None = None,
) -> dict[str, AdmmFit]:
    """Give every layer's weight of bounded ranks that loses little, by ADMM.

    min f(W) subject to rank(W) <= r in the factor's format, layer by layer, where
    f(W), with D = W - W₀ from the trained weight, is

    - "loss": ½ tr M D H Dᵀ, H = E[xxᵀ], M the Gauss-Newton of the loss in the outputs;
    - "inputs": ½ tr D H Dᵀ, half the squared error of the layer's outputs;
    - "gradient": ½ Σ g² ∘ D² with the mean gradient g, as Collaborative Compression
      measures (Li et al., CVPR 2021);
    - "weights": ½‖D‖², for which plain projection is all there is to do.

    The network is not run and nothing is trained. The splitting is that of ADMM-TT (Yin
    et al., CVPR 2021), with a quadratic model in place of training epochs. See
    `ccsolve.recipes.admm.fit.fit_weight` for the method and its cost.

    Parameters
    ----------
    stats
        Of the network whose weights shall be factored.
    factors
        A `Plan` that has factors and removes no channels; a mapping from names of
        layers to `Factor` (or its fields); or a number for all convolutions and linear
        maps of a full rank above it: a float in (0, 1], the part of every full rank,
        or an int, the rank.
    metric
        By default "inputs" where the layer has input moments, else "weights".
    format
        Of one number: "tt", "tucker", "svd" or "tr".
    iterations, tolerance, time_limit
        See `fit_weight`; of each layer.
    n_jobs, callback
        See `ccsolve.batch.each`: layers in parallel, also on a cluster. A callback
        that gives a true value ends it after the layers that are done.

    Returns
    -------
    Name of the layer -> `AdmmFit`. ``{name: fit.weight}`` goes to
    `ccsolve_torch.factorise` as ``weights``.

    Raises
    ------
    InvalidProblem
        Unknown layers or metric, ranks that do not fit.
    MissingStatistics
        The moments, curvature or gradient that the metric needs were not collected.
    Unsupported
        Transposed and grouped convolutions, which statistics hold in another layout.
    """
    if isinstance(factors, Plan):
        _check_uncut(factors)
    shapes = {
        n: one.weight.shape for n, one in stats.layers.items() if not _why_not(one)
    }
    asked = factors_from(factors, shapes, format)
    options = {
        "iterations": iterations,
        "tolerance": tolerance,
        "time_limit": time_limit,
    }
    work = [_Work(_layer(stats, n), f, metric, options) for n, f in asked.items()]
    for one in work:
        # What is missing is said before any work is done.
        _curvature(one.layer, metric)
    fits = each(_fitted, work, n_jobs=n_jobs, callback=callback)
    return dict(zip(asked, fits, strict=False))


@dataclass(frozen=True, eq=False)
class _Work:
    layer: Layer
    factor: Factor
    metric: str | None
    options: dict[str, Any]


def _fitted(work: _Work) -> AdmmFit:
    layer = work.layer
    curvature = _curvature(layer, work.metric)
    where = f"layer {layer.name}"
    return fit_weight(
        layer.weight, work.factor, **curvature, **work.options, where=where
    )


def _layer(stats: Statistics, name: str) -> Layer:
    if name not in stats.layers:
        known = ", ".join(stats.layers)
        raise InvalidProblem(
            f"factors: no layer {name!r} in the statistics; expected one of "
            f"{known[:200] or 'none, collect with layers='}"
        )
    layer = stats.layers[name]
    if reason := _why_not(layer):
        raise Unsupported(f"layer {name}: {reason}; leave it out")
    return layer


def _why_not(layer: Layer) -> str:
    if layer.kind == "conv_transpose":
        return "a transposed convolution, which statistics hold as a plain one"
    lengths = {len(classes) for classes in layer.inputs.values()}
    if layer.kind == "conv" and lengths and lengths != {layer.weight.shape[1]}:
        return "a grouped convolution, whose groups are factored one by one"
    return ""


def _curvature(layer: Layer, metric: str | None) -> dict[str, Any]:
    """Give the parts of the loss, as `fit_weight` takes them."""
    if metric is None:
        metric = "weights" if layer.input_moment is None else "inputs"
    if metric not in METRICS:
        known = ", ".join(METRICS)
        raise InvalidProblem(f"metric = {metric!r}; expected one of {known}")
    if metric == "weights":
        return {}
    if metric == "gradient":
        return {"elements": np.square(_part(layer, "gradient"))}
    parts = {"inputs": _part(layer, "input_moment")}
    if metric == "loss":
        parts["outputs"] = _part(layer, "output_curvature")
    return parts


def _part(layer: Layer, name: str) -> np.ndarray:
    part = getattr(layer, name)
    if part is None:
        raise MissingStatistics(
            f"layers/{layer.name}: no {name} was collected; collect with "
            "layers='moments', or take another metric"
        )
    return part.astype(np.float64)


def _check_uncut(plan: Plan) -> None:
    cut = [name for name, size in plan.sizes.items() if len(plan.keep[name]) < size]
    if cut:
        raise InvalidProblem(
            f"plan: removes channels of {cut[0]!r}, the statistics are of the layers "
            "before; apply it without factors, and collect on the result"
        )
