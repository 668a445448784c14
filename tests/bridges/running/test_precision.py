"""Sums of products are exact to float32, whatever the models run in."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import ccsolve_torch as cct
from ccsolve_torch.running.precision import gram

pytestmark = pytest.mark.torch

collect: Any = cct.collect


def in_half(model: nn.Module, loader: Any, kind: torch.dtype) -> Any:
    small = copy.deepcopy(model).to(kind)
    return collect(small, [(x.to(kind), y) for x, y in loader], layers="moments")


def in_autocast(model: nn.Module, loader: Any, kind: torch.dtype) -> Any:
    with torch.autocast("cpu", dtype=kind):
        return collect(model, loader, layers="moments")


@pytest.mark.parametrize("how", [in_half, in_autocast])
@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_full(residual, loader, how, kind) -> None:
    exact = collect(residual, loader, layers="moments")
    rough = how(residual, loader, kind)
    for name in exact.groups:
        for part in ("ggn_rows", "fisher_rows"):
            one, other = (getattr(s.groups[name], part) for s in (exact, rough))
            assert np.linalg.norm(other - one) < 0.05 * np.linalg.norm(one)
    for name, layer in exact.layers.items():
        found = rough.layers[name]
        for part in ("input_moment", "output_curvature", "gradient"):
            one, other = (getattr(item, part) for item in (layer, found))
            assert np.linalg.norm(other - one) < 0.1 * np.linalg.norm(one)
            # A sum in half precision would stand on its coarse grid.
            assert (other.astype(np.float32) != other).any()


def test_sums_of_a_double_model_are_of_doubles(residual, loader) -> None:
    exact = copy.deepcopy(residual).double()
    stats = collect(exact, [(x.double(), y) for x, y in loader], layers="moments")
    x = torch.cat([x for x, _ in loader]).double()
    patches = torch.nn.functional.unfold(x, 3, padding=1).transpose(1, 2).flatten(0, 1)
    expected = (patches.T @ patches / len(patches)).numpy()
    np.testing.assert_allclose(stats.layers["stem"].input_moment, expected, rtol=1e-12)


@pytest.mark.parametrize("setting", ["highest", "high", "medium"])
def test_products_stay_exact_where_the_models_may_be_rough(setting) -> None:
    columns = torch.randn(40, 300, generator=torch.Generator().manual_seed(0))
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(setting)
        found = gram(columns)
    finally:
        torch.set_float32_matmul_precision(before)
    assert found.dtype == (torch.float32 if setting == "highest" else torch.float64)
    exact = columns.double() @ columns.double().T
    assert float((found - exact).abs().max()) < 1e-5 * float(exact.abs().max())
