"""Layers that become chains of smaller ones: checked, replaced, certified."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn
from torch.func import functional_call

from ccsolve.errors import InvalidProblem, Unsupported, WrongAnswer
from ccsolve.factors import Factor, factor_of
from ccsolve.statistics import Cost, Statistics
from ccsolve_torch.bundling.recording import recorded
from ccsolve_torch.coupling.costs import count
from ccsolve_torch.factoring.candidates import (
    KINDS,
    checked_layers,
    layer_uses,
    used_as_module,
)
from ccsolve_torch.factoring.chains import chain, laid_out
from ccsolve_torch.factoring.factor_report import FactoredLayer, FactorReport
from ccsolve_torch.factoring.factorisation import product
from ccsolve_torch.factoring.fits import Fit, checked_weights, fitted, moments_of
from ccsolve_torch.factoring.held_trains import Stage
from ccsolve_torch.factoring.input_moments import measured_moments
from ccsolve_torch.factoring.train_map import TrainMap, train_macs
from ccsolve_torch.reasons import first_line
from ccsolve_torch.report import Report, checked_names
from ccsolve_torch.running.comparison import difference_of, tolerance
from ccsolve_torch.running.state import (
    Inputs,
    Loader,
    as_inputs,
    checked_model,
    device_of,
    evaluating,
)

Array = NDArray[Any]
Given = tuple[torch.Tensor, ...]


@torch.inference_mode(False)
def factorise(
    model: nn.Module,
    factors: Mapping[str, Factor],
    example_inputs: Inputs,
    *,
    statistics: Statistics | None = None,
    calibration: Loader | None = None,
    weights: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Give a copy of the model in which layers are chains of smaller plain layers.

    Each named layer becomes an `nn.Sequential` of `nn.Conv`, `nn.ConvTranspose` or
    `nn.Linear` modules with the layer's strides, dilation, padding, groups and bias;
    `model` stays as it is. The result has a `FactorReport` as its attribute
    `factor_report`, and can be trained, exported and saved (`ccsolve_torch.save`). The
    `report` of a model that `apply` made is brought up to date.

    Parameters
    ----------
    model
        Any model whose named layers are called as modules.
    factors
        Name of a convolution, transposed convolution or linear layer -> its `Factor`;
        `plan.factors` is such a mapping. Each group of a grouped convolution is
        factored by itself, and the chain's stages have the same number of groups.
    example_inputs
        A tensor or tuple of tensors, samples along axis 0; the check runs on them.
    calibration
        Samples (inputs, targets); targets are not used. "svd" chains of split "channel"
        then lose as little as possible of their *outputs* over these samples,
        ‖(W - Z) C^½‖ with C = E[xxᵀ], instead of their weights. Layers that this does
        not reach (other formats, groups, transposed) are fitted as without.
    statistics
        The same from the statistics of this model, collected with
        ``layers="moments"``.
    weights
        Layer name -> the weight whose chain is wanted, an array of the shape of the
        layer's own, which it takes the place of. Where it has the factor's ranks, as
        the weights that `ccsolve.recipes.admm_tt.admm_tt` gives, the chain is it.

    Raises
    ------
    InvalidProblem
        No such layer, ranks or modes that do not fit it, statistics of another model;
        a model without values, or in a wrapper such as `nn.DataParallel`.
    Unsupported
        The layer's weight is read elsewhere than by calling it as a module, or is
        computed; it has hooks; or it is no plain layer.
    WrongAnswer
        The chains do not give what the layers give with the chains' weights in place
        of their own, to 1e-4 of the largest output (8 machine epsilons in half
        precision).
    """
    checked_names(checked_model(model))
    if not isinstance(factors, Mapping):
        raise InvalidProblem(
            f"factors: {type(factors).__name__}; expected a mapping from names of "
            f"layers to Factor"
        )
    inputs = tuple(value.to(device_of(model)) for value in as_inputs(example_inputs))
    asked = {n: factor_of(value, f"factors[{n!r}]") for n, value in factors.items()}
    if statistics is not None and calibration is not None:
        raise InvalidProblem("statistics and calibration are both given; expected one")
    moments = moments_of(statistics, model)
    if calibration is not None:
        moments = measured_moments(model, asked, calibration)
    small, layers, distance = with_chains(model, asked, inputs, moments, weights)
    achieved = count(small, inputs)
    saved = [
        sum(getattr(one.before, kind) - getattr(one.after, kind) for one in layers)
        for kind in ("macs", "params")
    ]
    original = Cost(achieved.macs + saved[0], achieved.params + saved[1])
    report = FactorReport(layers, original, achieved, distance)
    small.factor_report = report  # pyright: ignore[reportArgumentType]
    small.surgery = recorded(model, small, {}, inputs)  # pyright: ignore
    earlier = getattr(small, "report", None)
    if isinstance(earlier, Report):
        made = (*earlier.factored, *layers)
        small.report = replace(earlier, achieved=achieved, factored=made)  # pyright: ignore
    return small


def with_chains(
    model: nn.Module,
    factors: Mapping[str, Factor],
    inputs: Given,
    moments: Mapping[str, Array],
    weights: Mapping[str, Any] | None = None,
) -> tuple[nn.Module, tuple[FactoredLayer, ...], float]:
    """Give the copy with chains, what became of each layer, and the certificate.

    `moments` are the (d, d) input moments of layers, where there are any; `weights`
    and errors as of `factorise`.
    """
    named = checked_layers(model, factors)
    given = checked_weights({} if weights is None else weights, named)
    before = layer_uses(
        model, {f"{name}.weight": m for name, m in named.items()}, inputs
    )
    for name in named:
        used_as_module(name, before[f"{name}.weight"])
    fits = {
        name: fitted(name, layer, factors[name], moments, given)
        for name, layer in named.items()
    }
    small = copy.deepcopy(model)
    for name, fit in fits.items():
        _replace(small, name, fit.stages)
    after = _stage_costs(small, fits, inputs)
    distance = _certificate(model, small, fits, inputs)
    layers = tuple(
        _record(name, fit, before[f"{name}.weight"].macs, after[name])
        for name, fit in fits.items()
    )
    return small, layers, distance


def _replace(small: nn.Module, name: str, stages: list[Stage]) -> None:
    """Put the chain wherever the layer stands: it may have several names."""
    layer = small.get_submodule(name)
    whole = chain(layer, stages)
    for path, module in list(small.named_modules(remove_duplicate=False)):
        if module is layer:
            small.set_submodule(path, whole)
            _leave_fast_paths(small, path)


def _leave_fast_paths(small: nn.Module, name: str) -> None:
    """Make torch's encoders call the layer instead of reading its weight."""
    for path, module in small.named_modules():
        if name.startswith(f"{path}."):
            if isinstance(module, nn.TransformerEncoderLayer):
                # Says that the activation is no one that the fused kernel knows.
                module.activation_relu_or_gelu = 0
            if isinstance(module, nn.TransformerEncoder):
                module.use_nested_tensor = False


def _certificate(
    model: nn.Module, small: nn.Module, fits: Mapping[str, Fit], inputs: Given
) -> float:
    dense = {
        f"{name}.weight": laid_out(fit.layer, product(fit.stages), _held(fit.layer))
        for name, fit in fits.items()
    }
    with torch.no_grad():
        with evaluating(model):
            expected = functional_call(model, dense, inputs)
        with evaluating(small), _outputs_alone():
            found = small(*inputs)
    distance = difference_of(expected, found)
    limit = tolerance(model)
    if not distance <= limit:
        raise WrongAnswer(
            f"the model with chains differs from the model with the chains' weights "
            f"in its layers by {distance:.2g}, expected at most {limit:g}: report this"
        )
    return distance


def _stage_costs(
    small: nn.Module, fits: Mapping[str, Fit], inputs: Given
) -> dict[str, Cost]:
    """Give what each chain costs, after making sure that it runs."""
    chains = {name: small.get_submodule(name) for name in fits}
    parts = {
        f"{path}.weight": module
        for name, whole in chains.items()
        for path, module in whole.named_modules(prefix=name)
        if isinstance(module, (TrainMap, *KINDS))
    }
    plain = {n: part for n, part in parts.items() if not isinstance(part, TrainMap)}
    with _outputs_alone(), train_macs(parts, len(inputs[0])) as found:
        uses = layer_uses(small, plain, inputs)
    found |= {name: use.macs for name, use in uses.items()}
    costs = {}
    for name, whole in chains.items():
        macs = [found[part] for part in parts if part.startswith(f"{name}.")]
        if not all(macs):
            raise Unsupported(
                f"layer {name}: its chain is not run, the model's code holds the layer "
                f"elsewhere than in its modules; leave it out"
            )
        costs[name] = Cost(sum(macs), _size(whole))
    return costs


@contextmanager
def _outputs_alone() -> Iterator[None]:
    """Refuse models whose code asks a layer for what a chain does not have."""
    try:
        yield
    except (AttributeError, TypeError) as error:
        raise Unsupported(
            f"the model's code reads more of a factored layer than its output "
            f"({first_line(error)}); leave this layer out"
        ) from error


def _record(name: str, fit: Fit, macs: int, after: Cost) -> FactoredLayer:
    error, weighted = fit.errors()
    return FactoredLayer(
        name,
        fit.factor,
        fit.ranks,
        tuple(stage.shape for stage in fit.stages),
        error,
        weighted,
        Cost(macs, _size(fit.layer)),
        after,
    )


def _size(module: nn.Module) -> int:
    return sum(value.numel() for value in module.parameters())


def _held(layer: nn.Module) -> torch.Tensor:
    return layer.weight.detach()  # pyright: ignore[reportCallIssue]
