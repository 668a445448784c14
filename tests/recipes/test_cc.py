"""The recipe of Collaborative Compression: budgets, what cannot go back, refusals."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve.errors import Infeasible, InvalidProblem, Unsupported
from ccsolve.recipes.compression.curves import channel_order
from ccsolve.recipes.compression.decisions import Decision, Network
from ccsolve.recipes.compression.paths import Walk, compressed
from ccsolve.recipes.compression.sites import sites_of
from ccsolve.recipes.steps import admissible_steps
from ccsolve.statistics.generate import random_chain
from ccsolve.statistics.latency import LatencyTable

STATS = random_chain((12, 16, 14, 10))

OPTIONS: list[dict[str, Any]] = [
    {},
    {"allocation": "exact"},
    {"allocation": "exact", "metric": "gradient"},
    {"allocation": "exact", "metric": "curvature", "truncation": "weighted"},
    {"metric": "curvature"},
    {"lookahead": "exact"},
    {"curves": "path", "weighted": False},
    {"normalised": True, "slip": True, "cap": 0.6},
    {"truncation": "weighted", "gamma": 0.0, "batch": 0.1},
    {"multiple_of": 4, "rank_multiple": 2, "min_keep": 3},
    {"leave_out": ["classifier"], "fixed": {"conv1": 8}},
]


def chosen(plan: ccsolve.Plan) -> Decision:
    ranks = {name: int(factor.ranks[0]) for name, factor in plan.factors.items()}
    return Decision(plan.widths, ranks)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_budgets_hold_and_widths_are_admissible(options: dict[str, Any]):
    plan = ccsolve.plan(STATS, macs=0.5, params=0.6, recipe="cc", **options)
    for name, asked in plan.asked.items():
        assert plan.achieved[name] <= asked
    rules = {"multiple_of": 1, "min_keep": 1, "fixed": None}
    steps = admissible_steps(
        STATS, **{name: options.get(name, rule) for name, rule in rules.items()}
    )
    for name, width in plan.widths.items():
        assert width in steps[name]
    for factor in plan.factors.values():
        assert factor.format == "svd"
        assert factor.ranks[0] % options.get("rank_multiple", 1) == 0
    assert plan.bound <= plan.objective + plan.resolution


@pytest.mark.parametrize("allocation", ["smooth", "exact"])
def test_no_step_goes_back_without_harm(allocation: str):
    plan = ccsolve.plan(
        STATS, macs=0.45, recipe="cc", allocation=allocation, metric="gradient"
    )
    sites = sites_of(STATS)
    paths = [compressed(site, dict.fromkeys(site.sizes, 1), Walk()) for site in sites]
    orders = {name: path.order(name) for path in paths for name in path.site.sizes}
    if allocation == "exact":
        orders = {name: channel_order(s, name) for s in sites for name in s.sizes}
    network, decision = Network(STATS, sites, orders), chosen(plan)
    more = [
        replace(decision, widths={**decision.widths, name: plan.widths[name] + 1})
        for name in orders
        if plan.widths[name] < plan.sizes[name]
    ]
    more += [
        network.sound(decision.widths, {**decision.ranks, name: rank + 1})
        for name, rank in decision.ranks.items()
    ]
    assert more
    for other in more:
        assert (
            not network.fits(plan.asked, other)
            or network.loss_of(other) > plan.objective - 1e-12
        )


def test_the_objective_is_the_loss_of_what_is_built():
    plan = ccsolve.plan(
        STATS, macs=0.5, recipe="cc", allocation="exact", metric="gradient"
    )
    sites = sites_of(STATS)
    orders = {name: channel_order(s, name) for s in sites for name in s.sizes}
    network = Network(STATS, sites, orders)
    assert plan.objective == pytest.approx(network.loss_of(chosen(plan)))
    cost = network.cost(chosen(plan))
    assert dict(plan.achieved) == {"macs": cost.macs, "params": cost.params}
    for name, kept in plan.keep.items():
        assert kept.tolist() == network.kept(name, len(kept)).tolist()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fraction", [0.3, 0.5, 0.7])
def test_the_knapsack_loses_no_more_than_the_rates(seed: int, fraction: float):
    stats = random_chain((8, 10, 9), seed)
    smooth, exact = (
        ccsolve.plan(
            *(stats, fraction),
            recipe="cc",
            allocation=name,
            levels=None,
            metric="gradient",
        )
        for name in ("smooth", "exact")
    )
    assert exact.bound <= exact.objective <= smooth.objective * (1 + 1e-9)
    assert exact.gap <= 1e-6
    assert exact.prices["macs"] >= 0


@pytest.mark.parametrize("metric", ["gradient", "refit"])
def test_the_bound_of_a_grid_is_below_all_choices(metric: str):
    given: dict[str, Any] = {"allocation": "exact", "metric": metric}
    stats = random_chain((8, 10, 9))
    coarse, fine = (
        ccsolve.plan(stats, macs=0.5, recipe="cc", levels=levels, **given)
        for levels in (4, None)
    )
    assert 0 < coarse.bound <= fine.bound * (1 + 1e-9)
    assert fine.gap <= 1e-6
    found = coarse.provenance["allocated"]
    assert coarse.bound <= found["bound on the grid"] <= found["loss on the grid"]


def test_the_whole_network_loses_nothing():
    for allocation in ("smooth", "exact"):
        plan = ccsolve.plan(STATS, macs=1.0, recipe="cc", allocation=allocation)
        assert plan.widths == plan.sizes and not plan.factors
        assert plan.objective == 0


@pytest.mark.parametrize("allocation", ["smooth", "exact"])
def test_where_nothing_can_go_the_network_stays(allocation: str):
    given: dict[str, Any] = {"recipe": "cc", "allocation": allocation}
    plan = ccsolve.plan(STATS, macs=1.0, leave_out=list(STATS.layers), **given)
    assert plan.widths == plan.sizes and plan.objective == 0
    with pytest.raises(Infeasible, match="leave fewer layers out"):
        ccsolve.plan(STATS, macs=0.9, leave_out=list(STATS.layers), **given)


def test_groups_of_layers_left_out_stay_whole():
    plan = ccsolve.plan(STATS, macs=0.6, recipe="cc")
    assert plan.widths["conv4"] == plan.sizes["conv4"]
    kept = ccsolve.plan(STATS, macs=0.6, recipe="cc", leave_out=["conv2", "classifier"])
    assert kept.widths["conv1"] == kept.sizes["conv1"]
    assert "conv2" not in kept.factors


def test_no_site_gives_more_than_its_cap():
    for cap in (0.3, 0.6, 0.95):
        plan = ccsolve.plan(STATS, macs=0.6, recipe="cc", cap=cap)
        rates = plan.provenance["allocated"]["rates"].values()
        assert max(rates) <= cap + 1e-9
    assert max(rates) > 0.3


def test_normalised_curves_forget_which_site_loses_more():
    """A site whose losses are a million times smaller gives more, unless normalised."""
    layer = STATS.layers["conv3"]
    assert layer.gradient is not None
    weak = replace(layer, gradient=1e-3 * layer.gradient)
    stats = replace(STATS, layers={**STATS.layers, "conv3": weak})
    cut = [
        ccsolve.plan(stats, macs=0.6, recipe="cc", normalised=flag).provenance
        for flag in (False, True)
    ]
    rates = [found["allocated"]["rates"]["conv3"] for found in cut]
    assert rates[0] > rates[1] + 0.05


def test_plans_are_saved(tmp_path):
    plan = ccsolve.plan(STATS, macs=0.4, recipe="cc")
    assert plan.factors
    plan.save(tmp_path / "plan.json")
    again = ccsolve.Plan.load(tmp_path / "plan.json")
    assert again.factors == plan.factors and again.widths == plan.widths


def test_sites_are_compressed_side_by_side():
    alone, beside = (
        ccsolve.plan(STATS, macs=0.5, recipe="cc", n_jobs=jobs) for jobs in (None, 2)
    )
    assert alone.factors == beside.factors and alone.widths == beside.widths


def test_chains_have_no_latency():
    stats = STATS.with_latency([LatencyTable("all", np.ones((1, 1)))])
    with pytest.raises(Unsupported, match="budget on latency; expected macs or params"):
        ccsolve.plan(stats, latency=0.9, recipe="cc")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"macs": 0.001}, Infeasible, "the narrowest network that cc makes takes"),
        ({"allocation": "best"}, Unsupported, "allocation 'best'; expected one of"),
        ({"metric": "best"}, Unsupported, "metric 'best'; expected one of"),
        ({"metric": "refit"}, Unsupported, "give allocation='exact'"),
        ({"normalised": "no"}, InvalidProblem, "normalised = 'no'; expected True or"),
        ({"leave_out": "conv1"}, InvalidProblem, "leave_out = 'conv1'; expected a li"),
        ({"leave_out": 3}, InvalidProblem, "leave_out = 3; expected a list"),
        ({"seed": "a"}, InvalidProblem, "seed = 'a'; expected a whole number"),
        ({"lookahead": "slow"}, Unsupported, "lookahead 'slow'; expected one of"),
        ({"gamma": -1.0}, InvalidProblem, "gamma"),
        ({"batch": 0.0}, InvalidProblem, "batch = 0.0; expected a share"),
        ({"cap": 1.5}, InvalidProblem, "cap = 1.5; expected a share"),
        ({"fixed": {"conv4": 3}}, InvalidProblem, "no layer that cc compresses"),
        ({"fixed": {"conv9": 3}}, InvalidProblem, "fixed names the group 'conv9'"),
        ({"leave_out": ["conv9"]}, InvalidProblem, "leave_out names the layer"),
        ({"levels": 1}, InvalidProblem, "levels"),
        ({"rank_multiple": 0}, InvalidProblem, "rank_multiple"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], error: type, message: str):
    given = {"macs": 0.5, "allocation": "exact" if "levels" in options else "smooth"}
    with pytest.raises(error, match=message):
        ccsolve.plan(STATS, recipe="cc", **{**given, **options})
