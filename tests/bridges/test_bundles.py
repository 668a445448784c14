"""Bundles: what is loaded is what was saved, for every kind of surgery."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils import _pytree as pytree

import ccsolve_torch as cct
from tests.bridges.bundling.bundled import altered, cut
from tests.bridges.plans import every_other
from tests.bridges.zoo import CASES

pytestmark = [
    pytest.mark.torch,
    # torch.export says so of the flat weights of its own recurrent modules.
    pytest.mark.filterwarnings("ignore:The tensor attributes self:UserWarning"),
]


def equal(a: Any, b: Any) -> bool:
    pairs = zip(
        pytree.tree_leaves(a),
        pytree.tree_leaves(b),
        strict=True,
    )
    return all(torch.equal(one, other) for one, other in pairs)


# One for each way in which a bundle does surgery again: entries alone, groups, widths
# of recurrent modules, heads, attributes of the network's own, code written anew.
WAYS = (
    *("ResNet", "ResNeXt", "GatedLayers", "SelfAttention"),
    *("FusedHeadSize", "LiteralView"),
)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in WAYS else pytest.mark.slow)
        for name in CASES
    ],
)
def test_what_is_loaded_is_what_was_saved(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    small = cut(case.model(), case.inputs(2))
    altered(small)
    cct.save(small, tmp_path / "bundle")
    loaded = cct.load(lambda: case.model(seed=9), tmp_path / "bundle")
    x = case.inputs(3)
    with torch.no_grad():
        assert equal(small(*x), loaded(*x))
    assert str(small) == str(loaded)
    assert loaded.training == small.training


@pytest.mark.parametrize(
    "name",
    [
        *("ResNet", "MobileNetV2", "SelfAttention", "GatedLayers"),
        pytest.param("OptionA", marks=pytest.mark.slow),
    ],
)
def test_what_was_cut_twice_is_cut_twice(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    small = cut(cut(case.model(), case.inputs(2)), case.inputs(2), seed=1)
    assert len(small.surgery.steps) == 2
    cct.save(small, tmp_path / "bundle")
    loaded: Any = cct.load(case.model, tmp_path / "bundle")
    x = case.inputs(3)
    with torch.no_grad():
        assert equal(small(*x), loaded(*x))
    assert len(loaded.surgery.steps) == 2


def test_the_report_comes_back(make, loader, tmp_path: Path) -> None:
    small: Any = cct.compress(make("residual"), loader, macs=0.6, recipe="uniform")
    cct.save(small, tmp_path / "bundle")
    loaded: Any = cct.load(lambda: make("residual"), tmp_path / "bundle")
    assert str(loaded.report) == str(small.report)
    assert loaded.report.kept.keys() == small.report.kept.keys()
    for name, kept in small.report.kept.items():
        assert np.array_equal(loaded.report.kept[name], kept)


def test_chains_come_back_with_what_was_cut_around_them(make, loader, tmp_path) -> None:
    """Channels first, chains then, and chains of what was saved before."""
    model, x = make("plain").eval(), loader[0][0]
    factors = {"2": cct.Factor("tucker", 2), "7": cct.Factor("svd", 1)}
    plan = every_other(model, x, factors=factors)
    small: Any = cct.apply(model, plan, x, timed=False)
    cct.save(small, tmp_path / "one")
    loaded: Any = cct.load(lambda: make("plain"), tmp_path / "one")
    assert torch.equal(loaded(x), small(x))
    assert str(loaded.report) == str(small.report)
    again: Any = cct.factorise(loaded, {"10": cct.Factor("svd", 1)}, x)
    cct.save(again, tmp_path / "two")
    loaded = cct.load(lambda: make("plain"), tmp_path / "two")
    assert torch.equal(loaded(x), again(x)) and str(loaded) == str(again)
    assert loaded.factor_report == again.factor_report
