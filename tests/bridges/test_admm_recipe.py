"""The recipe "admm_tt" carried out: chains of the planned ranks, weights by ADMM."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import ccsolve
import ccsolve_torch as cct
from ccsolve_torch.factoring.admm_weights import admm_weights
from ccsolve_torch.factoring.input_moments import moments_at

pytestmark = pytest.mark.torch


def net() -> tuple[nn.Module, list[tuple[torch.Tensor, torch.Tensor]]]:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(12, 12, 3, padding=1, groups=2),
        nn.ReLU(),
        nn.Conv2d(12, 16, 3, padding=1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 4),
    ).eval()
    x, y = torch.randn(48, 3, 8, 8), torch.randint(4, (48,))
    return model, list(zip(x.split(16), y.split(16), strict=True))


@pytest.mark.parametrize("format", ["tt", "tucker", "svd"])
def test_weights_lose_no_more_than_the_truncated_ones(format: str) -> None:
    model, loader = net()
    factors = {n: cct.Factor(format, 0.4) for n in ("0", "2", "4", "7")}
    found = admm_weights(model, factors, loader)
    assert set(found) == {"0", "4", "7"}
    moments = moments_at(model, list(found), loader)
    small = cct.factorise(model, factors, loader[0][0], weights=found)
    plain = cct.factorise(model, factors, loader[0][0])

    def lost(weight: np.ndarray, name: str) -> float:
        held = model.get_submodule(name).weight.detach().numpy()  # pyright: ignore
        off = (weight - held).reshape(len(held), -1)
        return float(np.sum((off @ moments[name]) * off))

    for name, weight in found.items():
        truncated = _product(plain.get_submodule(name), model.get_submodule(name))
        assert lost(weight, name) <= lost(truncated, name) * (1 + 1e-5)
        made = _product(small.get_submodule(name), model.get_submodule(name))
        np.testing.assert_allclose(made, weight, rtol=0, atol=1e-5)


def _product(chain: nn.Module, layer: Any) -> np.ndarray:
    """Give the weight of a chain without bias: its answer to unit inputs."""
    held = layer.weight.shape
    with torch.no_grad():
        if len(held) == 2:
            zero = torch.zeros(1, held[1])
            return (chain(torch.eye(held[1])) - chain(zero)).T.numpy()
        # A unit impulse in the middle gives the kernel, mirrored.
        size = held[2]
        inputs = torch.zeros(held[1], held[1], size, size)
        for c in range(held[1]):
            inputs[c, c, size // 2, size // 2] = 1.0
        out = chain(inputs) - chain(torch.zeros_like(inputs))
    return out.flip((2, 3)).transpose(0, 1).numpy()


def test_compress_keeps_the_budget_with_chains_of_the_planned_ranks() -> None:
    model, loader = net()
    small = cct.compress(
        model, loader, params=0.7, recipe="admm_tt", format="tucker", timed=False
    )
    report = small.report
    assert isinstance(report, cct.Report)
    assert report.recipe == "admm_tt"
    assert report.achieved.params <= 0.7 * report.original.params
    stats = cct.collect(model, loader, layers="moments")
    plan = ccsolve.plan(stats, params=0.7, recipe="admm_tt", format="tucker")
    assert {one.name: one.factor for one in report.factored} == dict(plan.factors)
    with pytest.raises(ccsolve.errors.Unsupported, match="steps=1"):
        cct.compress(model, loader, params=0.7, recipe="admm_tt", steps=2)
