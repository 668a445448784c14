"""Chains weighted by their inputs: from statistics, or from calibration samples."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ccsolve_torch as cct
from ccsolve import Factor
from ccsolve.errors import InvalidProblem
from ccsolve.statistics import Layer, Statistics
from ccsolve_torch.factoring.candidates import KINDS

pytestmark = pytest.mark.torch


def layers_of(model: nn.Module) -> dict[str, nn.Module]:
    return {name: m for name, m in model.named_modules() if type(m) in KINDS}


def moments(model: nn.Module, x: Tensor, name: str) -> np.ndarray:
    """Give E[xxᵀ] of the input columns of a linear layer."""
    seen: list[Tensor] = []
    layer = model.get_submodule(name)
    handle = layer.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    with torch.no_grad():
        model(x)
    handle.remove()
    rows = seen[0].flatten(0, -2).double().numpy()
    return rows.T @ rows / len(rows)


def statistics(layers: dict[str, Layer]) -> Statistics:
    return Statistics(groups={}, layers=layers, operations=(), samples=1)


def test_weighted_chains_lose_least_of_the_outputs() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 8))
    x = torch.randn(200, 12) * torch.logspace(0, -2, 12)
    layers = {
        name: Layer(
            name,
            "linear",
            model.get_submodule(name).weight.detach().numpy(),  # pyright: ignore
            input_moment=moments(model, x, name),
        )
        for name in ("0", "2")
    }
    factors = dict.fromkeys(layers, Factor("svd", 3))
    plain: Any = cct.factorise(model, factors, x)
    weighted: Any = cct.factorise(model, factors, x, statistics=statistics(layers))
    with torch.no_grad():
        wanted = model[0](x)
        lost = {
            name: float((small[0](x) - wanted).square().sum())
            for name, small in (("plain", plain), ("weighted", weighted))
        }
        size = float((wanted - model[0].bias).square().sum())
    entry = weighted.factor_report.layers[0]
    assert entry.weighted_error**2 == pytest.approx(lost["weighted"] / size, rel=1e-3)
    assert lost["weighted"] < 0.9 * lost["plain"]
    assert entry.error > plain.factor_report.layers[0].error


def test_collected_statistics_weigh_convolutions(residual, loader, samples) -> None:
    stats = cct.collect(residual, loader, layers="moments")
    factors = {"stem": Factor("svd", 3), "first.conv1": Factor("tucker", 3)}
    small: Any = cct.factorise(residual, factors, samples[0], statistics=stats)
    stem, inner = small.factor_report.layers
    with torch.no_grad():
        wanted = residual.stem(samples[0])
        lost = (small.stem(samples[0]) - wanted).square().sum() / wanted.square().sum()
    assert stem.weighted_error**2 == pytest.approx(float(lost), rel=1e-3)
    assert inner.weighted_error is None


def test_calibration_samples_weigh_like_statistics(model, loader, samples) -> None:
    factors = dict.fromkeys(layers_of(model), Factor("svd", 0.5))
    stats = cct.collect(model, loader, layers="moments")
    before = copy.deepcopy(model.state_dict())
    small: Any = cct.factorise(model, factors, samples[0], calibration=loader)
    other: Any = cct.factorise(model, factors, samples[0], statistics=stats)
    assert all(torch.equal(v, before[n]) for n, v in model.state_dict().items())
    pairs = zip(small.factor_report.layers, other.factor_report.layers, strict=True)
    for one, two in pairs:
        assert one.weighted_error == pytest.approx(two.weighted_error, abs=1e-5)
    with pytest.raises(InvalidProblem, match="both given"):
        cct.factorise(model, factors, samples[0], calibration=loader, statistics=stats)


def test_what_cannot_be_weighed_is_fitted_as_without(samples) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 6, 3, groups=3), nn.ConvTranspose2d(6, 4, 2))
    loader = [(samples[0], samples[1])]
    for factor in (Factor("svd", 0.7), Factor("tt", 0.5)):
        factors = dict.fromkeys("01", factor)
        small: Any = cct.factorise(model, factors, samples[0], calibration=loader)
        assert all(e.weighted_error is None for e in small.factor_report.layers)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ({}, "no layer has an input moment"),
        ({"stem": Layer("stem", "conv", np.ones((6, 3, 3, 3)))}, "no layer has"),
        (
            {
                "stem": Layer(
                    "stem", "conv", np.ones((6, 2, 3, 3)), input_moment=np.eye(18)
                )
            },
            "stem is of 18 columns, the layer has 27",
        ),
    ],
)
def test_statistics_of_another_model_are_refused(
    residual, samples, layers: dict[str, Layer], message: str
) -> None:
    with pytest.raises(InvalidProblem, match=message):
        cct.factorise(
            residual,
            {"stem": Factor("svd", 2)},
            samples[0],
            statistics=statistics(layers),
        )


def test_statistics_of_other_weights_are_refused(residual, loader, samples) -> None:
    stats = cct.collect(residual, loader, layers="moments")
    other = copy.deepcopy(residual)
    nn.init.ones_(other.linear.bias)
    with pytest.raises(InvalidProblem, match="fingerprint"):
        cct.factorise(other, {"stem": Factor("svd", 2)}, samples[0], statistics=stats)
