"""The joint recipe against all decisions there are, its own parts, and refusals."""

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve.errors import (
    Infeasible,
    InvalidProblem,
    MissingStatistics,
    Unsupported,
)
from ccsolve.recipes.joint_program import Decision, Network
from ccsolve.statistics.generate import random_chain
from tests.recipes.joint_networks import decided, network
from tests.recipes.rank_networks import WIDE, latency_stats, with_grouped, with_runs

OPTIONS: list[dict[str, Any]] = [
    {},
    {"levels": 3},
    {"levels": 5, "multiple_of": 4, "rank_multiple": 2, "min_keep": 3},
    {"levels": 5, "leave_out": ["classifier"], "fixed": {"conv1": 8}},
    {"leave_out": (), "fixed": {"conv1": 16, "conv2": 20, "conv3": 16}},
]


def every_decision(net: Network):
    for chosen in itertools.product(*net.steps.values()):
        widths = dict(zip(net.steps, chosen, strict=True))
        offers = []
        for name, layer in net.layers.items():
            n, c, *_ = layer.shape(widths)
            pairs = itertools.product(range(1, n + 1), range(1, c + 1))
            kept = [pair for pair in pairs if layer.sound(widths, pair) == pair]
            offers.append([(name, pair) for pair in (None, *kept)])
        for ranks in itertools.product(*offers):
            yield Decision(widths, {n: r for n, r in ranks if r is not None})


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("macs", [0.4, 0.6])
def test_a_small_program_is_solved_to_the_optimum(seed: int, macs: float):
    stats = with_runs(random_chain((3, 3), seed=seed), stride=1)
    plan = ccsolve.plan(stats, macs=macs, recipe="joint", levels=None, leave_out=())
    net, limits = network(stats), dict(plan.asked)
    least = min(net.loss(d) for d in every_decision(net) if net.fits(limits, d))
    assert plan.objective == pytest.approx(least, rel=1e-9)
    assert plan.bound <= least * (1 + 1e-9) and plan.gap < 1e-5
    assert plan.objective == pytest.approx(net.loss(decided(plan)))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_budgets_hold_and_what_is_decided_is_admissible(options: dict[str, Any]):
    plan = ccsolve.plan(WIDE, macs=0.5, params=0.6, recipe="joint", **options)
    rules = {name: options.get(name) for name in ("multiple_of", "min_keep", "fixed")}
    given = {name: value for name, value in rules.items() if value is not None}
    net = network(WIDE, **given)
    assert all(plan.achieved[name] <= asked for name, asked in plan.asked.items())
    assert dict(plan.achieved) == net.cost(decided(plan))
    assert plan.bound <= plan.objective + plan.resolution
    for name, width in plan.widths.items():
        assert width in net.steps[name]
        assert plan.keep[name].tolist() == net.removals[name].kept(width).tolist()
    multiple = options.get("rank_multiple", 1)
    for name, (out, into) in decided(plan).ranks.items():
        n, c = net.layers[name].shape(plan.widths)[:2]
        assert out % multiple == 0 or out == n
        assert into % multiple == 0 or into == c


@pytest.mark.parametrize("macs", [0.4, 0.6])
def test_no_bound_is_claimed_of_what_the_first_program_did_not_offer(macs: float):
    plan = ccsolve.plan(WIDE, macs=macs, recipe="joint", levels=2, leave_out=())
    assert plan.bound == -math.inf and plan.gap == math.inf


@pytest.mark.parametrize("macs", [0.3, 0.6])
def test_no_class_goes_back_without_harm(macs: float):
    plan = ccsolve.plan(WIDE, macs=macs, recipe="joint", leave_out=(), levels=6)
    net, found = network(WIDE), decided(plan)
    for name, width in plan.widths.items():
        wider = [step for step in net.steps[name] if step > width][:1]
        for step in wider:
            back = net.sound({**plan.widths, name: step}, found.ranks)
            fits = net.fits(dict(plan.asked), back)
            assert not fits or net.loss(back) > net.loss(found)


@pytest.mark.parametrize("macs", [0.4, 0.7])
def test_neither_part_alone_is_predicted_better(macs: float):
    stats = with_runs(random_chain((6, 8, 5)), stride=1)
    given: dict[str, Any] = {"macs": macs, "recipe": "joint", "levels": None}
    both = ccsolve.plan(stats, leave_out=(), **given)
    widths = ccsolve.plan(stats, leave_out=list(stats.layers), **given)
    assert not widths.factors
    assert both.objective <= widths.objective * (1 + 1e-9)
    whole = {name: group.size for name, group in stats.groups.items()}
    ranks = ccsolve.plan(stats, leave_out=(), fixed=whole, **given)
    assert ranks.widths == whole
    assert both.objective <= ranks.objective * (1 + 1e-9)


def test_all_that_is_left_whole_costs_what_it_did():
    whole = {name: group.size for name, group in WIDE.groups.items()}
    plan = ccsolve.plan(
        WIDE, macs=1.0, recipe="joint", fixed=whole, leave_out=list(WIDE.layers)
    )
    assert (plan.objective, plan.widths, dict(plan.factors)) == (0.0, whole, {})


@pytest.mark.parametrize("stride", [None, 1])
def test_layers_without_a_kernel_get_the_best_rank_there_is(stride: int | None):
    stats = random_chain((16, 24, 16))
    stats = stats if stride is None else with_runs(stats, stride=stride)
    whole = {name: group.size for name, group in stats.groups.items()}
    rest = [name for name in stats.layers if name != "classifier"]
    limit = stats.cost().params - 200
    given: dict[str, Any] = {"fixed": whole, "leave_out": rest, "levels": None}
    plan = ccsolve.plan(stats, params=limit, recipe="joint", **given)
    layer = network(stats, fixed=whole).layers["classifier"]
    n, c = layer.shape(whole)
    ranks = [r for r in range(1, n) if n * c - r * (n + c) >= 200]
    assert decided(plan).ranks == {"classifier": (ranks[-1], ranks[-1])}
    assert plan.achieved["params"] <= limit
    # Of all maps of the rank the best: the tail of the weight in both metrics.
    held = layer.bottleneck(whole)
    root = np.linalg.cholesky(held.moments)
    tail = np.linalg.svd(held.root @ held.weight @ root, compute_uv=False)[ranks[-1] :]
    assert plan.objective == pytest.approx(0.5 * layer.scale * float(tail @ tail))


def test_groups_may_go_as_a_whole():
    groups = {name: replace(one, min_keep=0) for name, one in WIDE.groups.items()}
    plan = ccsolve.plan(
        replace(WIDE, groups=groups), macs=0.05, recipe="joint", min_keep=0, levels=4
    )
    assert 0 in plan.widths.values()
    assert plan.achieved["macs"] <= plan.asked["macs"]


def test_where_strides_are_unknown_all_channels_come_in():
    plan = ccsolve.plan(random_chain((16, 24, 16)), macs=0.4, recipe="joint", levels=6)
    assert plan.factors
    net = network(random_chain((16, 24, 16)))
    for name, (_, into) in decided(plan).ranks.items():
        assert into == net.layers[name].shape(plan.widths)[1]
        assert net.layers[name].sound(plan.widths, (1, into)) is None  # 9 would come in


def test_the_same_plan_again_and_through_a_file(tmp_path):
    given: dict[str, Any] = {"macs": 0.5, "recipe": "joint", "levels": 4}
    one, other = ccsolve.plan(WIDE, **given), ccsolve.plan(WIDE, **given)
    one.save(tmp_path / "plan.json")
    for same in (other, ccsolve.Plan.load(tmp_path / "plan.json")):
        assert decided(same) == decided(one)
        assert same.objective == one.objective


def test_grouped_layers_stay_as_they_are():
    plan = ccsolve.plan(with_grouped(WIDE, "conv2"), macs=0.5, recipe="joint")
    assert "conv2" not in plan.factors


BARE = replace(
    WIDE,
    layers={
        name: replace(layer, input_moment=None, cross_moment=None)
        for name, layer in WIDE.layers.items()
    },
)


@pytest.mark.parametrize(
    "options",
    [
        {"levels": 1},
        {"levels": 2.5},
        {"rank_multiple": 0},
        {"multiple_of": 0},
        {"min_keep": -1},
        {"fixed": {"nowhere": 3}},
        {"leave_out": ["nowhere"]},
        {"leave_out": "conv1"},
        {"time_limit": -1.0},
        {"seed": -1},
    ],
    ids=str,
)
def test_options_are_refused_before_anything_is_read(options: dict[str, Any]):
    with pytest.raises(InvalidProblem, match=next(iter(options))):
        ccsolve.plan(BARE, macs=0.5, recipe="joint", **options)


def test_what_cannot_be_done_is_said():
    with pytest.raises(MissingStatistics, match="moments"):
        ccsolve.plan(BARE, macs=0.5, recipe="joint")
    with pytest.raises(Infeasible, match="narrowest"):
        ccsolve.plan(WIDE, macs=1, recipe="joint")
    with pytest.raises(Unsupported, match="latency"):
        ccsolve.plan(latency_stats(), latency=0.9, recipe="joint")


def test_a_chain_of_strided_layers_costs_what_its_stages_do():
    stats = with_runs(random_chain((6, 8, 5)), stride=2)
    net = network(stats)
    widths = {name: group.size for name, group in stats.groups.items()}
    layer = net.layers["conv2"]
    n, c, *kernel = layer.shape(widths)
    made, read = 64, 256
    cost = layer.costs(widths, (3, 2))
    weights = (2 * c, 3 * 2 * int(np.prod(kernel)), n * 3)
    assert cost["params"] == sum(weights)
    assert cost["macs"] == read * weights[0] + made * (weights[1] + weights[2])


def test_where_no_layer_can_be_a_chain_widths_alone_are_decided():
    given: dict[str, Any] = {"macs": 0.5, "recipe": "joint"}
    bare = ccsolve.plan(replace(WIDE, meta={"runs": {}}), **given)
    whole = ccsolve.plan(WIDE, leave_out=list(WIDE.layers), **given)
    assert not bare.factors
    assert bare.widths == whole.widths and bare.objective == whole.objective
