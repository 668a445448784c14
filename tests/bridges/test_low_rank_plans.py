"""Plans of ranks, from a torch model to its chains."""

from typing import Any

import pytest
import torch
from torch import nn

import ccsolve
import ccsolve_torch as cct
from ccsolve import Plan
from ccsolve.recipes.chains import chainables
from tests.bridges.zoo import CASES

pytestmark = pytest.mark.torch

RECIPES = ("svd", "tucker", "tt")

# Strides and shortcuts, groups, transposed, one axis, three, layers that run twice,
# attention: what a chain costs is predicted for each.
ZOO = [
    *("Transposed", "Signals"),
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in ("ResNet", "ResNeXt", "Volumes", "Siamese", "YoloSplit")
    ),
    pytest.param("SpatialReduction", marks=pytest.mark.slow),
]
BUDGETS = ({"macs": 0.8}, {"macs": 0.9, "params": 0.8}, {"params": 0.8})


@pytest.mark.parametrize("name", ZOO)
def test_what_is_predicted_is_counted(name: str) -> None:
    case = CASES[name]
    model, inputs = case.model().eval(), case.inputs(3)
    with torch.no_grad():
        loader = [(inputs, torch.zeros_like(model(*inputs)))]
    stats = cct.collect(model, loader, "least_squares", sketches=1)
    made = 0
    for recipe, given in zip(RECIPES, BUDGETS, strict=True):
        plan = ccsolve.plan(stats, **given, recipe=recipe, time_limit=2.0)
        small: Any = cct.apply(model, plan, inputs, repair="none", timed=False)
        found = small.report.achieved.known()
        assert {name: found[name] for name in plan.achieved} == plan.achieved
        assert all(found[name] <= limit for name, limit in plan.asked.items())
        made += len(plan.factors)
    assert made > 0


@pytest.mark.parametrize("recipe", RECIPES)
def test_from_statistics_to_a_smaller_model(
    residual, loader, samples, tmp_path, recipe: str
) -> None:
    stats = cct.collect(residual, loader, layers="moments")
    stats.save(tmp_path / "net.safetensors")
    stats = ccsolve.Statistics.load(tmp_path / "net.safetensors")
    plan = ccsolve.plan(stats, macs=0.6, recipe=recipe)
    assert plan.provenance["metric"] == "loss" and plan.gap <= 1e-6
    plan.save(tmp_path / "plan.json")
    again = Plan.load(tmp_path / "plan.json")
    x = samples[0]
    small: Any = cct.apply(residual, again, x, calibration=loader, timed=False)
    assert [layer.name for layer in small.report.factored] == list(plan.factors)
    assert small.report.achieved == cct.count(small, x)
    assert small.report.achieved.macs <= plan.asked["macs"]
    cct.save(small, tmp_path / "bundle")
    loaded = cct.load(lambda: type(residual)(), tmp_path / "bundle")
    torch.testing.assert_close(loaded(x), small(x))


def test_predicted_losses_are_those_of_the_fits(residual, loader) -> None:
    """The weighted chains lose what the plan says, layer by layer."""
    stats = cct.collect(residual, loader, layers="moments")
    plan = ccsolve.plan(stats, macs=0.6, recipe="svd", metric="inputs")
    small: Any = cct.factorise(residual, plan.factors, loader[0][0], statistics=stats)
    for layer in small.factor_report.layers:
        predicted = plan.provenance["layers"][layer.name]["loss"]
        assert layer.weighted_error**2 == pytest.approx(predicted, rel=1e-4)


@pytest.mark.parametrize("recipe", ["tucker", "tt"])
def test_fits_of_the_weights_are_no_worse_than_predicted(
    residual, loader, recipe: str
) -> None:
    stats = cct.collect(residual, loader)
    plan = ccsolve.plan(stats, macs=0.6, recipe=recipe)
    assert plan.provenance["metric"] == "weights"
    small: Any = cct.factorise(residual, plan.factors, loader[0][0])
    for layer in small.factor_report.layers:
        predicted = plan.provenance["layers"][layer.name]["loss"]
        assert layer.error**2 <= predicted * (1 + 1e-5)


@pytest.mark.parametrize("recipe", RECIPES)
def test_compress_does_all_of_it(residual, loader, samples, recipe: str) -> None:
    small: Any = cct.compress(
        residual,
        loader,
        macs=0.7,
        recipe=recipe,
        collecting={"layers": "moments"},
        multiple_of=2,
        timed=False,
    )
    report = small.report
    assert report.recipe == recipe and report.factored
    assert report.achieved == cct.count(small, samples[0])
    assert report.achieved.macs <= report.asked["macs"]
    assert all(rank % 2 == 0 for one in report.factored for rank in one.factor.ranks
               if one.factor.format == "svd")  # fmt: skip
    assert torch.isfinite(small(samples[0])).all()
    # No channel was cut, so that no gate had to change the outputs.
    assert not any("could not fail" in warning for warning in report.warnings)


def test_layers_that_cannot_be_chains_are_left_out() -> None:
    torch.manual_seed(0)
    body = nn.Conv2d(4, 6, 3, padding=1)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), body, nn.ReLU(), nn.utils.parametrizations.weight_norm(
            nn.Conv2d(6, 6, 3)
        ), nn.Flatten(), nn.Linear(96, 3),
    ).eval()  # fmt: skip
    body.register_forward_hook(lambda *_: None)
    x = torch.randn(6, 3, 8, 8)
    stats = cct.collect(model, [(x, torch.arange(6) % 3)])
    assert set(chainables(stats)) == {"0", "5"}
    plan = ccsolve.plan(stats, params=0.9, recipe="svd")
    assert cct.apply(model, plan, x, timed=False)


def test_trains_from_statistics_to_a_bundle(tmp_path) -> None:
    """Layers that are trains over factors of their channels are held as cores."""
    torch.manual_seed(0)
    factor = cct.Factor("tt", (2, 2, 2, 2), modes=(4, 4, 9, 4, 4))

    def net() -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3, stride=2), nn.ReLU(),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 4),
        ).eval()  # fmt: skip

    model, x = net(), torch.randn(4, 3, 9, 9)
    admm: Any = cct.ADMM(model, {"2": factor})
    part: Any = model[2]
    (fit,) = admm.factors()["2"]
    whole = torch.ones(1, 1)
    for core in fit:
        whole = torch.tensordot(whole, torch.from_numpy(core), 1).flatten(0, 1)
    part.weight.data = whole.reshape(16, 3, 3, 16).movedim(-1, 1).contiguous()
    stats = cct.collect(model, [(x, torch.arange(4))])
    plan = ccsolve.plan(stats, params=808, recipe="tt", modes=2, fixed={"0": 0, "6": 0})
    assert plan.factors["2"].modes == factor.modes
    small: Any = cct.apply(model, plan, x, timed=False)
    held = [p for p in small.modules() if isinstance(p, cct.TrainMap)]
    assert len(held) == 2 and small.report.achieved == cct.count(small, x)
    assert small.report.achieved.known() == {**plan.achieved}
    torch.testing.assert_close(small(x), model(x), rtol=1e-3, atol=1e-4)
    cct.save(small, tmp_path / "bundle")
    torch.testing.assert_close(cct.load(net, tmp_path / "bundle")(x), small(x))
    again = admm.decompose(x)
    assert any(isinstance(one, cct.TrainMap) for one in again.modules())
    assert cct.count(again, x) == again.factor_report.achieved
