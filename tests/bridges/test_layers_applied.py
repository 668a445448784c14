"""Plans that cut channels and turn layers into chains, carried out by `apply`."""

from typing import Any

import pytest
import torch
from torch import nn

import ccsolve_torch as cct
from ccsolve import Factor, Plan
from ccsolve.errors import InvalidProblem, WrongAnswer
from ccsolve_torch.factoring.candidates import KINDS
from ccsolve_torch.gates import closed
from ccsolve_torch.surgery import checked_keep
from tests.bridges.plans import by_hand, every_other

pytestmark = pytest.mark.torch


def plain_layers(model: nn.Module) -> list[str]:
    return [name for name, m in model.named_modules() if type(m) in KINDS]


@pytest.mark.parametrize("repair", ["none", "recalibrate", "least_squares"])
def test_chains_are_of_the_layers_that_are_left(model, loader, repair: str) -> None:
    x = loader[0][0]
    factors = dict.fromkeys(plain_layers(model), Factor("tucker", 0.7))
    plan = every_other(model, x, factors=factors)
    small: Any = cct.apply(
        model, plan, x, calibration=loader, repair=repair, timed=False
    )
    report = small.report
    assert [layer.name for layer in report.factored] == list(factors)
    assert report.achieved == cct.count(small, x)
    assert all(f"{name}: tucker" in str(report) for name in factors)
    assert torch.isfinite(small(x)).all()


def test_calibration_weighs_the_fits(residual, loader) -> None:
    x, factors = loader[0][0], {"stem": Factor("svd", 2), "linear": Factor("tt", 2)}
    plan = every_other(residual, x, factors=factors)
    small: Any = cct.apply(
        residual, plan, x, calibration=loader, repair="none", timed=False
    )
    stem, linear = small.report.factored
    assert stem.weighted_error < 1 and linear.weighted_error is None
    plain: Any = cct.apply(residual, plan, x, timed=False)
    assert plain.report.factored[0].weighted_error is None
    assert plain.report.factored[0].error <= stem.error


def test_full_ranks_change_nothing(residual, samples) -> None:
    x = samples[0]
    factors = dict.fromkeys(plain_layers(residual), Factor("svd", 1.0))
    plan = every_other(residual, x, factors=factors)
    small: Any = cct.apply(residual, plan, x, timed=False)
    graph = cct.trace(residual, x)
    with torch.no_grad(), closed(residual, graph, checked_keep(graph, plan.keep)):
        wanted = residual(x)
    torch.testing.assert_close(small(x), wanted, rtol=1e-4, atol=1e-5)


def test_what_was_cut_and_factored_is_loaded(make, samples, tmp_path) -> None:
    model, x = make("residual").eval(), samples[0]
    factors = {"first.conv1": Factor("tt", 2), "linear": Factor("svd", 2)}
    plan = every_other(model, x, factors=factors)
    plan.save(tmp_path / "plan.json")
    small: Any = cct.apply(model, Plan.load(tmp_path / "plan.json"), x, timed=False)
    cct.save(small, tmp_path / "bundle")
    loaded: Any = cct.load(lambda: make("residual"), tmp_path / "bundle")
    torch.testing.assert_close(loaded(x), small(x))
    assert str(loaded.report) == str(small.report)


def test_a_chain_larger_than_its_layer_is_said(residual, samples) -> None:
    plan = every_other(residual, samples[0], factors={"stem": Factor("svd", 1.0)})
    small: Any = cct.apply(residual, plan, samples[0], timed=False)
    assert "WARNING larger than the layer" in str(small.report)


def test_the_report_of_what_was_cut_is_brought_up_to_date(residual, samples) -> None:
    x = samples[0]
    cut = cct.apply(residual, every_other(residual, x), x, timed=False)
    small: Any = cct.factorise(cut, {"linear": Factor("svd", 2)}, x)
    assert small.report.achieved == small.factor_report.achieved == cct.count(small, x)
    assert small.report.factored == small.factor_report.layers
    assert small.report.original == cct.count(residual, x)


def test_budgets_are_of_the_chains(residual, samples) -> None:
    x = samples[0]
    factors = {"second.conv1": Factor("svd", 0.4)}
    small: Any = cct.apply(
        residual, every_other(residual, x, factors=factors), x, timed=False
    )
    left = small.report.achieved.params
    fits = every_other(
        residual, x, factors=factors, asked={"params": left}, achieved={"params": left}
    )
    cct.apply(residual, fits, x, timed=False)
    with pytest.raises(WrongAnswer, match="params"):
        missed: dict[str, Any] = {
            "asked": {"params": left - 1},
            "achieved": {"params": left - 1},
        }
        cct.apply(
            residual,
            every_other(residual, x, factors=factors, **missed),
            x,
            timed=False,
        )


def test_factors_of_another_model_are_refused(residual, samples) -> None:
    x = samples[0]
    for factors, message in [
        ({"third": Factor("svd", 2)}, "no layer 'third'"),
        ({"second.conv1": Factor("tucker", 7)}, "rank 7"),
    ]:
        with pytest.raises(InvalidProblem, match=message):
            cct.apply(
                residual, every_other(residual, x, factors=factors), x, timed=False
            )


def test_layers_are_fitted_before_they_become_chains(make, loader) -> None:
    """Every layer that lost inputs becomes a chain, and is fitted all the same."""
    model, x = make("residual").eval(), loader[0][0]
    factors = {f"{name}.conv2": Factor("svd", 5) for name in ("first", "second")}
    plan = by_hand(
        model,
        x,
        {"first.conv1": [0, 2, 3], "second.conv1": [1, 2, 4, 5]},
        factors=factors,
    )
    small: Any = cct.apply(model, plan, x, calibration=loader, timed=False)
    repair = small.report.repair
    assert {fit.layer for fit in repair.refits} >= set(factors)
    assert list(repair.distances)[:2] == ["cut", "least_squares"]
    assert "chains" in repair.distances and not repair.unfitted
    assert "dense outputs, chains: " in str(small.report)
    late: Any = cct.apply(
        model, plan, x, calibration=loader, repair="none", timed=False
    )
    with torch.no_grad():
        wanted = model(x)
        errors = [float((net(x) - wanted).square().sum()) for net in (small, late)]
    assert errors[0] < errors[1]
