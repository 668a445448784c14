"""`compress` with nothing but a budget: every recipe runs, "auto" is what may be."""

from typing import Any

import pytest
import torch
from torch import nn

import ccsolve
import ccsolve_torch as cct
from ccsolve.planning import RECIPES
from ccsolve.recipes.default import AUTO
from ccsolve.recipes.levels import level_of
from ccsolve.recipes.ranked import PAPERS
from ccsolve_torch.stepwise import choosing

pytestmark = pytest.mark.torch

CCP: list[dict[str, Any]] = [
    {"steps": 2},
    {"repair": "recalibrate"},
    {"curvature": "fisher"},
    {"memory": 0.9},
    {"widths": "uniform"},
    {"sequential": True},
    {"collecting": {"layers": "weights"}},
]


@pytest.mark.parametrize(
    "recipe", [AUTO, *sorted(RECIPES.keys() - PAPERS.keys()), "l1"]
)
def test_every_recipe_takes_a_budget_alone(make, loader, recipe: str):
    small: Any = cct.compress(
        make("residual"), loader, params=0.8, recipe=recipe, timed=False
    )
    report = small.report
    assert 0 < report.achieved.params <= report.asked["params"]
    assert report.recipe == ("joint" if recipe == AUTO else recipe)
    assert small(loader[0][0]).isfinite().all()


@pytest.mark.parametrize("budgets", [{"macs": 0.6}, {"params": 0.6, "macs": 0.8}])
def test_the_default_is_the_plan_of_joint(residual, loader, budgets):
    small: Any = cct.compress(residual, loader, **budgets, timed=False)
    stats = cct.collect(residual, loader, layers="moments")
    plan = ccsolve.plan(stats, **budgets, recipe="joint")
    assert small.report.recipe == ccsolve.plan(stats, **budgets).recipe == "joint"
    assert small.report.achieved.macs == plan.achieved["macs"]
    ranks = {layer.name: layer.ranks for layer in small.report.factored}
    assert set(ranks) == set(plan.factors)


@pytest.mark.parametrize("other", CCP, ids=str)
def test_what_joint_cannot_take_is_left_to_ccp(residual, loader, other):
    given: dict[str, Any] = {"macs": 0.7, "timed": False, **other}
    small: Any = cct.compress(residual, loader, **given)
    assert small.report.recipe == "ccp" and not small.report.factored


def test_layers_without_moments_leave_it_to_ccp():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=2), nn.Flatten(), nn.Linear(32, 4)
    ).eval()
    loader = [(torch.randn(16, 3, 6, 6), torch.arange(16) % 4)]
    small: Any = cct.compress(model, loader, macs=0.7, timed=False)
    assert small.report.recipe == "ccp"


def test_too_large_moments_are_not_collected(residual, loader, monkeypatch):
    widest = max(w[0].numel() for w in residual.parameters() if w.ndim > 1)
    assert choosing.size_of_moments(residual) >= 8 * widest**2
    monkeypatch.setattr(choosing, "MOST_MOMENTS", 8 * widest**2 - 1)
    small: Any = cct.compress(residual, loader, macs=0.7, timed=False)
    assert small.report.recipe == "ccp"


def test_recipes_collect_what_their_defaults_need():
    assert level_of(AUTO, {}) == level_of("allocated", {}) == "moments"
    assert level_of("allocated", {"losses": "taylor"}) is None
