"""LinearConv layers: what they compute, how they begin, what a training adds."""

import copy
import math
from typing import Any

import pytest
import torch
from torch import nn

import ccsolve_torch as cct
from ccsolve.errors import InvalidProblem
from ccsolve_torch.combining.linear_layers import (
    KINDS,
    LinearConv,
    plain_convolution,
)

pytestmark = pytest.mark.torch

GEOMETRIES: list[dict[str, Any]] = [
    {},
    {"stride": 2, "padding": 1},
    {"padding": 2, "dilation": 2, "bias": False},
    {"groups": 2, "padding": "same"},
    {"padding": 1, "padding_mode": "reflect", "stride": 2},
    {"padding": "same", "padding_mode": "circular"},
]
FORMS: list[dict[str, Any]] = [
    {},
    {"ratio": 3},
    {"ratio": 1.0},
    {"rank": 1},
    {"rank": 0.5, "ratio": 0.75},
    {"sparsity": 0.5},
]


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_convolution_with_the_same_weight(axes: int, geometry) -> None:
    torch.manual_seed(0)
    layer = KINDS[axes](4, 6, 3, **geometry)
    x = torch.randn(2, 4, *(7, 6, 5)[:axes])
    torch.testing.assert_close(layer(x), plain_convolution(layer)(x))


@pytest.mark.parametrize("form", FORMS)
def test_secondary_filters_are_combinations_of_the_primary(form) -> None:
    torch.manual_seed(0)
    layer = cct.LinearConv2d(4, 8, 3, **form)
    held = len(layer.primary)
    torch.testing.assert_close(layer.weight[:held], layer.primary)
    others = torch.einsum("sp,pcij->scij", layer.combination, layer.primary)
    torch.testing.assert_close(layer.weight[held:], others)
    assert torch.linalg.matrix_rank(layer.weight.flatten(1)) <= held


@pytest.mark.parametrize(
    ("form", "count"),
    [({}, 4 * 36 + 4 * 4), ({"ratio": 2}, 2 * 36 + 6 * 2), ({"rank": 1}, 4 * 36 + 8)],
)
def test_parameters_are_counted(form, count: int) -> None:
    layer = cct.LinearConv2d(4, 8, 3, padding=1, bias=False, **form)
    model = nn.Sequential(layer, nn.ReLU())
    plain = nn.Sequential(nn.Conv2d(4, 8, 3, padding=1, bias=False), nn.ReLU())
    x = torch.randn(2, 4, 5, 5)
    found, dense = cct.count(model, x), cct.count(plain, x)
    assert sum(value.numel() for value in layer.parameters()) == count
    assert found.params == dense.params - 8 * 36 + count
    assert found.macs == dense.macs


def test_it_begins_as_published() -> None:
    torch.manual_seed(0)
    layer = cct.LinearConv2d(16, 64, 3)
    most = math.sqrt(6 / (16 * 9 + 32 * 9))
    assert 0.9 * most < layer.primary.abs().max() <= most
    assert layer.bias is not None
    for value in (layer.coefficients, layer.bias):
        assert 0.08 < value.abs().max() <= 0.1


@pytest.mark.parametrize("form", FORMS)
def test_all_parameters_are_trained(form) -> None:
    torch.manual_seed(0)
    layer = cct.LinearConv2d(4, 8, 3, **form)
    layer(torch.randn(2, 4, 6, 6)).square().sum().backward()
    for name, value in layer.named_parameters():
        assert value.grad is not None, name
        assert not value.numel() or value.grad.abs().max() > 0, name


def test_correlations_are_pearsons() -> None:
    torch.manual_seed(0)
    layers: list[LinearConv] = [cct.LinearConv2d(3, 8, 3), cct.LinearConv1d(8, 6, 1)]
    model = nn.Sequential(*layers)
    expected = torch.zeros(())
    for layer in layers:
        found = torch.corrcoef(layer.primary.flatten(1))
        expected = expected + (found - torch.eye(len(found))).abs().sum()
    torch.testing.assert_close(cct.correlation_penalty(model), expected)
    assert cct.correlation_penalty(nn.Linear(2, 2)) == 0


def test_correlations_fall_in_training_and_stand_constant_filters() -> None:
    torch.manual_seed(0)
    layer = cct.LinearConv2d(3, 8, 3)
    with torch.no_grad():
        layer.primary[0] = 1.0
        layer.primary[1] = 2 * layer.primary[2]
    before = cct.correlation_penalty(layer)
    optimiser = torch.optim.SGD(layer.parameters(), 0.01)
    for _ in range(30):
        optimiser.zero_grad()
        cct.correlation_penalty(layer).backward()
        optimiser.step()
    assert torch.isfinite(layer.primary).all()
    assert cct.correlation_penalty(layer) < 0.7 * before


def test_thresholds_move_towards_the_sparsity() -> None:
    torch.manual_seed(0)
    layer = cct.LinearConv2d(3, 40, 3, sparsity=0.5)
    assert layer.threshold is not None
    before = cct.coefficient_penalty(layer)
    assert before == layer.coefficients.abs().sum()
    cct.update_thresholds(nn.Sequential(layer))
    assert 0 < layer.threshold <= 1e-5
    with torch.no_grad():
        layer.threshold.fill_(layer.coefficients.abs().quantile(0.9))
    high = layer.threshold.clone()
    torch.testing.assert_close((layer.combination == 0).float().mean().item(), 0.9)
    layer.update_threshold()
    assert layer.threshold < high
    with torch.no_grad():
        layer.threshold.fill_(layer.coefficients.abs().quantile(0.5))
    held = layer.threshold.clone()
    layer.update_threshold()
    torch.testing.assert_close(layer.threshold, held, atol=1e-7, rtol=0)


@pytest.mark.parametrize("form", FORMS)
def test_copies_and_states(form) -> None:
    torch.manual_seed(0)
    layer, other = (cct.LinearConv2d(4, 8, 3, **form) for _ in range(2))
    other.load_state_dict(layer.state_dict())
    x = torch.randn(2, 4, 6, 6)
    assert torch.equal(other(x), layer(x))
    assert torch.equal(copy.deepcopy(layer)(x), layer(x))
    assert "LinearConv2d(4, 8" in repr(layer)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ratio": 0.0}, "ratio"),
        ({"ratio": 9}, "ratio"),
        ({"rank": 5}, "rank"),
        ({"sparsity": 1.0}, "sparsity"),
        ({"sparsity": 0.5, "rank": 1}, "sparsity"),
        ({"groups": 3}, "LinearConv2d"),
        ({"stride": 2, "padding": "same"}, "LinearConv2d"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(given, message: str) -> None:
    with pytest.raises(InvalidProblem, match=message):
        cct.LinearConv2d(4, 8, 3, **given)


def test_thresholds_need_a_sparsity() -> None:
    with pytest.raises(InvalidProblem, match="sparsity"):
        cct.LinearConv1d(2, 4, 3).update_threshold()
