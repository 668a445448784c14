"""Collaborative Compression end to end: channels and chains of real models."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import ccsolve
import ccsolve_torch as cct
from ccsolve.recipes.compression.survivors import surviving_weights
from ccsolve.recipes.levels import level_of

pytestmark = pytest.mark.torch

NETS = ("residual", "plain", "tokens", "fork")


@pytest.mark.parametrize("name", NETS)
def test_a_plan_costs_what_it_says(make, loader, name: str) -> None:
    model, x = make(name).eval(), loader[0][0]
    stats = cct.collect(model, loader, layers="gradients")
    for allocation in ("smooth", "exact"):
        plan = ccsolve.plan(
            stats, macs=0.5, recipe="cc", leave_out=(), allocation=allocation, levels=6
        )
        small: Any = cct.apply(model, plan, x, timed=False)
        counted = cct.count(small, x)
        assert counted.macs <= 0.5 * plan.original["macs"]
        assert {"macs": counted.macs, "params": counted.params} == dict(plan.achieved)
        assert torch.isfinite(small(x)).all()
        assert {layer.name for layer in small.report.factored} == set(plan.factors)
        assert all(not layer.warning for layer in small.report.factored)


def test_layers_are_pruned_and_factored_at_once(make, loader, tmp_path) -> None:
    residual, x = make("residual").eval(), loader[0][0]
    small: Any = cct.compress(
        residual,
        loader,
        macs=0.3,
        params=0.7,
        recipe="cc",
        timed=False,
    )
    report = small.report
    for kind in ("macs", "params"):
        assert getattr(report.achieved, kind) <= report.asked[kind]
    factored = {layer.name for layer in report.factored}
    sizes = {name: group.size for name, group in cct.trace(residual, x).groups.items()}
    pruned = {name for name, kept in report.kept.items() if len(kept) < sizes[name]}
    both = [name for name in pruned if name.replace("conv1", "conv2") in factored]
    assert both
    for name in both:
        # The chain of the layer that reads the cut group is of what is left of it.
        chain = small.get_submodule(name.replace("conv1", "conv2"))
        assert chain[0].in_channels == len(report.kept[name])
    assert torch.isfinite(small(x)).all()
    cct.save(small, tmp_path / "bundle")
    loaded: Any = cct.load(lambda: make("residual"), tmp_path / "bundle")
    torch.testing.assert_close(loaded(x), small(x))


def test_the_components_that_survive_can_be_carried_out(residual, loader) -> None:
    x = loader[0][0]
    stats = cct.collect(residual, loader, layers="gradients")
    plan = ccsolve.plan(stats, macs=0.4, recipe="cc", truncation="weighted")
    assert plan.factors
    cut: Any = cct.apply(residual, replace(plan, factors={}, asked={}), x, timed=False)
    weights = surviving_weights(stats, plan)
    small: Any = cct.factorise(cut, plan.factors, x, weights=weights)
    assert small.report.achieved.macs == plan.achieved["macs"]
    for name, weight in weights.items():
        (one,) = [layer for layer in small.report.factored if layer.name == name]
        (rank,) = one.ranks
        flat = weight.reshape(len(weight), -1)
        assert np.linalg.matrix_rank(flat) <= rank
        dense = cut.get_submodule(name).weight.detach().double().numpy()
        off = np.linalg.norm(dense - weight) / np.linalg.norm(dense)
        assert one.error == pytest.approx(off, rel=1e-4)


def test_compress_collects_what_the_metric_takes(make, loader) -> None:
    given: dict[str, Any] = {"macs": 0.5, "recipe": "cc", "timed": False}
    small: Any = cct.compress(
        *(make("residual").eval(), loader), **given, allocation="exact", levels=4
    )
    assert small.report.achieved.macs <= small.report.asked["macs"]
    for options, level in (
        ({}, "gradients"),
        ({"allocation": "exact"}, "moments"),
        ({"allocation": "exact", "metric": "gradient"}, "gradients"),
        ({"metric": "curvature"}, "moments"),
    ):
        assert level_of("cc", options) == level
    assert level_of("ccp", {}) is None
    assert level_of("ccp", {"widths": "refit"}) == "moments"
    assert level_of("ccp", {"widths": {"stem": 3}}) is None
    assert level_of("taylor_weight", {"losses": "refit"}) == "moments"
