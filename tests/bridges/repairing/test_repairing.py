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
from tests.bridges.plans import every_other
from tests.bridges.zoo import CASES

pytestmark = pytest.mark.torch


def cut(model: nn.Module, x: Any, **options: Any) -> Any:
    plan = every_other(model, x)
    return cct.apply(model, plan, x, timed=False, **options)


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


def test_one_sample_left_over_goes_with_those_before_it(residual) -> None:
    x = torch.randn(161, 3, 8, 8)
    loader = [(part, torch.zeros(len(part))) for part in x.split(80)]
    found = Calibration.of(residual, loader, 0.2)
    lengths = [len(inputs[0]) for inputs in (*found.fitting, *found.held_back)]
    assert sum(lengths) == 161
    assert min(lengths) > 1


def test_a_few_samples_are_all_fitted_to(residual, samples) -> None:
    found = Calibration.of(residual, [(samples[0][:4], samples[1][:4])], 0.2)
    assert found.held_back == ()


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
        residual, whole, x, calibration=loader, repair="recalibrate", timed=False
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
        with pytest.raises(InvalidProblem, match="gives NaN"):
            cut(residual, loader[0][0], calibration=bad, repair=repair)


def test_the_samples_that_judge_are_seen_by_no_fit(residual, loader) -> None:
    """What the first samples of a batch are decides the weights, the last ones not."""
    x = loader[0][0]
    other = torch.randn(2, 3, 8, 8)
    changed = [(torch.cat([x[:8], other]), loader[0][1]), *loader[1:]]
    calibrations = [Calibration.of(residual, data, 0.2) for data in (loader, changed)]
    held = [torch.cat([part[0] for part in c.held_back]) for c in calibrations]
    assert not torch.equal(*held)
    small, same = (cut(residual, x, calibration=data) for data in (loader, changed))
    assert "least_squares" in small.report.repair.done
    assert "least_squares" in same.report.repair.done
    for name, value in small.state_dict().items():
        assert torch.equal(value, same.state_dict()[name]), name
    assert small.report.repair.distances != same.report.repair.distances


def test_samples_of_other_channels_are_refused(residual, loader) -> None:
    other = [(torch.randn(8, 4, 8, 8), torch.zeros(8))]
    for repair in ("recalibrate", "least_squares"):
        with pytest.raises(InvalidProblem, match=r"does not run .*\(8, 4, 8, 8\)"):
            cut(residual, loader[0][0], calibration=other, repair=repair)
    with pytest.raises(InvalidProblem, match="does not run"):
        cct.recalibrate(residual, other)


@pytest.mark.parametrize("count", [1, 2, 4, 5, 9, 161])
def test_any_number_of_samples_repairs_or_leaves(mlp, count) -> None:
    torch.manual_seed(0)
    x = torch.randn(count, 5)
    loader = [(part, torch.zeros(len(part))) for part in x.split(80)]
    repair = cut(mlp, x, calibration=loader).report.repair
    assert {"cut", "least_squares", "recalibrate"} == set(repair.distances)
    assert all(0 <= d < float("inf") for d in repair.distances.values())
    if count == 161:
        assert "least_squares" in repair.done


def test_masked_outputs_are_repaired(loader) -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 4)
            mask = torch.tensor([0.0, 0.0, 0.0, float("-inf")])
            self.register_buffer("mask", mask)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.relu(self.stem(x)).mean(dim=(2, 3))) + self.mask

    torch.manual_seed(0)
    report = cut(Masked().eval(), loader[0][0], calibration=loader).report
    assert report.equivalence < 1e-4
    assert report.repair.done == ("least_squares",)
    assert 0 < report.repair.distances["least_squares"] < float("inf")


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
