"""Repairs are kept where held-back samples say that they help, and only there."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ccsolve_torch as cct
from ccsolve import Plan
from ccsolve.errors import InvalidProblem
from ccsolve_torch.repairing.calibration import Calibration
from ccsolve_torch.repairing.recalibration import Yardstick
from tests.bridges.plans import every_other
from tests.bridges.zoo import CASES

pytestmark = pytest.mark.torch


def cut(model: nn.Module, x: Any, **options: Any) -> Any:
    plan = every_other(model, x)
    return cct.apply(model, plan, x, latency=False, **options)


@pytest.mark.parametrize("sizes", [[24], [10, 10, 4], [1] * 24, [23, 1]])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.5])
def test_samples_are_parted_by_their_share(residual, samples, sizes, share) -> None:
    x, y = samples
    loader = list(zip(x.split(sizes), y.split(sizes), strict=True))
    found = Calibration.of(residual, loader, share)
    counts = [
        sum(len(inputs[0]) for inputs in part)
        for part in (found.fitting, found.held_back)
    ]
    assert sum(counts) == 24
    assert counts[1] == pytest.approx(24 * share, abs=1)
    every = torch.cat([part[0] for part in (*found.fitting, *found.held_back)])
    assert torch.equal(every.sort(dim=0).values, x.sort(dim=0).values)


def test_a_few_samples_are_all_fitted_to(residual, samples) -> None:
    found = Calibration.of(residual, [(samples[0][:4], samples[1][:4])], 0.2)
    assert found.held_back == ()


def test_distances_are_relative_to_the_spread(residual, loader) -> None:
    calibration = Calibration.of(residual, loader, 0.2)
    yardstick = Yardstick.of(residual, calibration)
    assert yardstick.distance(residual) == 0.0
    mean = copy.deepcopy(residual)
    with torch.no_grad():
        given = torch.cat([residual(x) for (x,) in calibration.held_back])
        mean.linear.weight.zero_()
        mean.linear.bias.fill_(float(given.mean()))
    assert yardstick.distance(mean) == pytest.approx(1.0, abs=0.05)


def test_what_is_kept_lowered_the_distance(residual, loader) -> None:
    for repair in ("recalibrate", "least_squares"):
        report = cut(residual, loader[0][0], calibration=loader, repair=repair).report
        best = report.repair.distances["cut"]
        for name, distance in list(report.repair.distances.items())[1:]:
            assert (name in report.repair.done) == (distance < best)
            best = min(best, distance)


def test_a_recalibration_that_harms_is_taken_back(residual, loader) -> None:
    # The statistics are random: measured on the samples, outputs are others.
    x = loader[0][0]
    plan = cut(residual, x).report.kept
    sizes = {name: g.size for name, g in cct.trace(residual, x).groups.items()}
    whole = Plan(
        recipe="all",
        keep={name: range(size) for name, size in sizes.items()},
        sizes=sizes,
        fingerprint=cct.fingerprint(residual),
    )
    assert plan.keys() == sizes.keys()
    same: Any = cct.apply(
        residual, whole, x, calibration=loader, repair="recalibrate", latency=False
    )
    assert same.report.repair.done == ()
    assert same.report.repair.distances["recalibrate"] > 0
    for name, value in residual.state_dict().items():
        assert torch.equal(same.state_dict()[name], value), name
    assert "taken back" in str(same.report)


def test_statistics_that_the_cut_has_spoilt_are_measured_again(make, loader) -> None:
    model = cct.recalibrate(make("residual").eval(), loader)
    report = cut(model, loader[0][0], calibration=loader, repair="recalibrate").report
    assert report.repair.done == ("recalibrate",)


def test_outputs_that_are_not_finite_are_refused(residual, loader) -> None:
    bad = [(torch.full_like(x, torch.nan), y) for x, y in loader]
    for repair in ("recalibrate", "least_squares"):
        with pytest.raises(InvalidProblem, match="NaN or infinity"):
            cut(residual, loader[0][0], calibration=bad, repair=repair)


def test_the_dense_model_stays(make, loader) -> None:
    model = make("residual").train()
    before = copy.deepcopy(model.state_dict())
    state = torch.random.get_rng_state()
    cut(model, loader[0][0], calibration=loader)
    assert all(module.training for module in model.modules())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_layers_that_cannot_be_fitted_are_named(loader) -> None:
    class Products(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head = nn.Linear(192, 8), nn.Linear(6, 4)
            self.weight = nn.Parameter(torch.randn(6, 8))

        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.stem(x.flatten(1)))
            return self.head(torch.einsum("ic,nc->in", self.weight, x).T)

    torch.manual_seed(0)
    report = cut(Products().eval(), loader[0][0], calibration=loader).report
    assert report.repair.unfitted == ("weight",)
    assert "not fitted: weight" in str(report)


# Recurrent layers, and products whose operand is no matrix of rows.
UNFITTED = ("rnn.", "cell.", "weight_hh", "weight_ih")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The tensor attributes self:UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_every_structure_is_repaired(name) -> None:
    case = CASES[name]
    model, x = case.model(), case.inputs(2)
    loader = [(case.inputs(16, seed=seed), torch.zeros(16)) for seed in range(1, 5)]
    small = cut(model, x, calibration=loader)
    repair = small.report.repair
    best = min(repair.distances.values())
    assert best <= repair.distances["cut"]
    if repair.refits:
        assert repair.distances["least_squares"] < repair.distances["cut"]
    if name not in ("Einsums", "Functions"):
        assert all(any(u in weight for u in UNFITTED) for weight in repair.unfitted)


def test_products_and_fused_attention_are_fitted() -> None:
    for name in ("InputsFirst", "SelfAttention"):
        case = CASES[name]
        model, x = case.model(), case.inputs(2)
        loader = [(case.inputs(16, seed=seed), torch.zeros(16)) for seed in (1, 2, 3)]
        repair = cut(model, x, calibration=loader).report.repair
        assert repair.unfitted == ()
        fitted = {fit.layer: fit for fit in repair.refits}
        (weight,) = {"c_proj.weight", "attn.in_proj_weight"} & set(fitted)
        assert fitted[weight].after <= fitted[weight].before
