"""`compress` with nothing but a budget: every recipe runs, "auto" is what may be."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ccsolve
import ccsolve_torch as cct
from ccsolve.errors import MissingStatistics, Unsupported
from ccsolve.planning import RECIPES
from ccsolve.recipes.default import AUTO
from ccsolve.recipes.levels import level_of
from ccsolve.recipes.ranked import PAPERS
from ccsolve_torch import advancing
from ccsolve_torch.stepwise import choosing

pytestmark = pytest.mark.torch

ALLOCATED: list[dict[str, Any]] = [
    {"repair": "recalibrate"},
    {"memory": 0.9},
    {"latency": 1.0},
    {"allocation": "smooth"},
    {"steps": 2, "repair": "recalibrate"},
]
CCP: list[dict[str, Any]] = [
    {"curvature": "fisher"},
    {"widths": "uniform"},
    {"sequential": True},
    {"collecting": {"layers": "weights"}},
    {"steps": 2, "shrinkage": 0.1},
    {"steps": 2, "curvature": "fisher"},
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


@pytest.mark.parametrize("other", [{}, {"fixed": {}}, {"levels": 3, "nested": True}])
def test_the_default_is_joint_in_several_steps_too(residual, loader, other):
    small: Any = cct.compress(residual, loader, macs=0.7, steps=2, timed=False, **other)
    assert small.report.recipe == "joint" and len(small.report.steps) == 2


def test_training_between_steps_is_left_to_whole_layers(residual, loader):
    assert left_to(residual, loader, {"steps": 2, "finetune": nn.Module.eval}) == (
        "allocated"
    )


def left_to(model: nn.Module, loader, other: dict[str, Any]) -> str:
    """The recipe that "auto" is for what is asked beside a budget; of whole layers."""
    given: dict[str, Any] = {"macs": 0.7, "timed": False, **other}
    small: Any = cct.compress(model, loader, **given)
    report = small.report
    assert not report.factored and 0 < report.achieved.macs <= report.asked["macs"]
    return report.recipe


@pytest.mark.parametrize("other", ALLOCATED, ids=str)
def test_what_joint_cannot_take_is_left_to_whole_layers(residual, loader, other):
    assert left_to(residual, loader, other) == "allocated"


@pytest.mark.parametrize("other", CCP, ids=str)
def test_what_needs_no_moments_is_left_to_ccp(residual, loader, other):
    assert left_to(residual, loader, other) == "ccp"


class Grouped(nn.Module):
    """A group that a convolution of two weight groups reads."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.pair = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=2)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pair(torch.relu(self.stem(x))).mean(dim=(2, 3)))


class Stream(nn.Module):
    """Convolutions that read and make the same channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3)
        self.one, self.two = (nn.Conv2d(12, 12, 3, padding=1) for _ in range(2))
        self.head = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        x = x + torch.relu(self.one(x))
        x = x + torch.relu(self.two(x))
        return self.head(x.mean(dim=(2, 3)))


@pytest.fixture
def collected(monkeypatch) -> list[str | None]:
    """What layers every collection was asked for."""
    found: list[str | None] = []

    def noted(*args: Any, **options: Any) -> Any:
        found.append(options.get("layers"))
        return cct.collect(*args, **options)

    monkeypatch.setattr(advancing, "collect", noted)
    return found


def test_moments_are_not_collected_in_vain(loader, collected):
    torch.manual_seed(0)
    small: Any = cct.compress(Grouped().eval(), loader, macs=0.7, timed=False)
    assert small.report.recipe == "ccp" and collected == [None]


def test_a_recipe_that_is_named_is_not_replaced(loader):
    with pytest.raises(MissingStatistics, match="grouped convolution has none"):
        cct.compress(Grouped().eval(), loader, macs=0.7, recipe="allocated")


def test_options_of_joint_alone_are_refused_before_it_collects(loader, collected):
    with pytest.raises(Unsupported, match=r"which is 'ccp' .* no option 'levels'"):
        cct.compress(Grouped().eval(), loader, macs=0.7, levels=4)
    assert not collected


@pytest.mark.parametrize("given", [{}, {"collecting": {"max_bytes": 3000.0}}], ids=str)
def test_large_moments_are_not_collected(residual, loader, collected, given):
    small: Any = cct.compress(residual, loader, macs=0.7, timed=False, **given)
    assert small.report.recipe == ("ccp" if given else "joint")
    assert collected == [None if given else "moments"]


def test_the_sums_of_outputs_count_too(loader, monkeypatch):
    """Of a large classifier the outputs' curvature takes the memory."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 5), nn.Linear(5, 400)).eval()
    size = choosing.size_of_sums(model, cct.trace(model, loader[0][0]))
    stats = cct.collect(model, loader, layers="moments")
    held = [
        part.size
        for layer in stats.layers.values()
        for part in (layer.input_moment, layer.output_curvature)
        if part is not None
    ]
    assert size >= 8 * sum(held) >= 8 * 400**2
    monkeypatch.setattr(choosing, "MOST_MOMENTS", size - 1)
    small: Any = cct.compress(model, loader, macs=0.7, timed=False)
    assert small.report.recipe == "ccp"


@pytest.mark.parametrize("budget", [0.3, 0.6])
def test_layers_may_read_and_make_the_same_channels(loader, budget):
    torch.manual_seed(0)
    small: Any = cct.compress(Stream().eval(), loader, macs=budget, timed=False)
    assert small.report.recipe == "joint"
    assert small.report.achieved.macs <= small.report.asked["macs"]


@pytest.mark.parametrize(
    "given",
    [{"memory": 0.9, "levels": 3}, {"sequential": True, "levels": 3}, {"colour": 1}],
)
def test_refusals_say_what_auto_is(residual, loader, given):
    with pytest.raises(Unsupported, match="recipe 'auto', which is 'ccp' for what"):
        cct.compress(residual, loader, macs=0.7, timed=False, **given)


def test_recipes_collect_what_their_defaults_need():
    assert level_of(AUTO, {}) == level_of("allocated", {}) == "moments"
    assert level_of("allocated", {"losses": "taylor"}) is None
