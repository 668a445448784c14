"""What the recipes keep, and what CCP's choice is worth beside the heuristics'."""

import itertools
from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve import criteria
from ccsolve.statistics import Group, Operation, Statistics, Term
from ccsolve.statistics.generate import random_chain

STATS = random_chain((6, 8, 5))


def taylor_loss(stats: Statistics, plan: ccsolve.Plan) -> float:
    """Give the loss that the second-order model predicts for the plan."""
    return sum(
        stats.channel_selection(name, width, first_order=0.0).objective(plan.mask(name))
        for name, width in plan.widths.items()
    )


@pytest.mark.parametrize("criterion", [*criteria.CRITERIA, "random", "ablation"])
def test_uniform_keeps_the_best_scores(criterion: str):
    plan = ccsolve.plan(STATS, macs=0.5, recipe="uniform", criterion=criterion)
    for name, kept in plan.keep.items():
        scores = criteria.score(STATS, name, criterion)
        removed = np.delete(scores, kept)
        assert removed.size == 0 or scores[kept].min() >= removed.max()
    assert plan.provenance["criterion"] == criterion
    assert np.isnan(plan.objective) and plan.bound == -np.inf


def test_uniform_takes_the_seed():
    plans = [
        ccsolve.plan(STATS, macs=0.5, recipe="uniform", criterion="random", seed=seed)
        for seed in range(4)
    ]
    kept = {tuple(np.concatenate(list(plan.keep.values()))) for plan in plans}
    assert len(kept) > 1


def test_ties_keep_the_first_classes():
    group = Group("g", 4, scores={"flat": np.ones(4)})
    operation = Operation("o", "conv", (), "g", (Term(("g",), 1, 1),))
    stats = Statistics({"g": group}, operations=(operation,))
    plan = ccsolve.plan(stats, macs=0.5, recipe="uniform", criterion="flat")
    assert plan.keep["g"].tolist() == [0, 1]


@pytest.mark.parametrize("seed", range(3))
def test_ccp_is_optimal_at_its_widths(seed: int):
    stats = random_chain((6, 8, 5), seed)
    plan = ccsolve.plan(stats, macs=0.5, recipe="ccp")
    best = 0.0
    for name, width in plan.widths.items():
        problem = stats.channel_selection(name, width, first_order=0.0)
        size = stats.groups[name].size
        values = []
        for chosen in itertools.combinations(range(size), width):
            z = np.zeros(size)
            z[list(chosen)] = 1
            values.append(problem.objective(z))
        best += min(values)
    assert plan.objective == pytest.approx(best, abs=1e-9)
    assert plan.objective == pytest.approx(taylor_loss(stats, plan), abs=1e-9)
    assert plan.bound <= best + 1e-9


@pytest.mark.parametrize("criterion", ["l1", "taylor", "obd", "random"])
def test_ccp_is_at_least_as_good_as_a_heuristic(criterion: str):
    stats = random_chain((24, 30, 20), samples=60)
    heuristic = ccsolve.plan(stats, macs=0.5, recipe="uniform", criterion=criterion)
    plan = ccsolve.plan(stats, macs=0.5, recipe="ccp", widths="uniform", time_limit=3.0)
    assert plan.widths == heuristic.widths
    assert plan.objective <= taylor_loss(stats, heuristic) + 1e-9
    assert plan.bound <= plan.objective + 1e-9


def test_ccp_options_change_the_program():
    options: list[dict[str, Any]] = [
        {},
        {"curvature": "fisher"},
        {"damping": 1.0},
        {"first_order": 1.0},
        {"shrinkage": "auto"},
        {"shrinkage": 0.2},
        {"shrinkage": 0.2, "target": "identity"},
    ]
    plans = [ccsolve.plan(STATS, macs=0.5, recipe="ccp", **given) for given in options]
    assert len({round(plan.objective, 9) for plan in plans}) == len(plans)


def test_ccp_says_how_each_group_was_solved():
    plan = ccsolve.plan(STATS, macs=0.5, recipe="ccp")
    records = plan.provenance["groups"]
    narrowed = {name for name, width in plan.widths.items() if width < plan.sizes[name]}
    assert set(records) == narrowed
    assert plan.objective == pytest.approx(
        sum(record["objective"] for record in records.values())
    )


@pytest.mark.parametrize("widths", ["uniform", "taylor"])
def test_ccp_says_how_far_it_pulled_each_group(widths: str):
    plan = ccsolve.plan(STATS, macs=0.5, recipe="ccp", shrinkage="auto", widths=widths)
    for name, record in plan.provenance["groups"].items():
        expected = STATS.groups[name].intensity()
        assert 0 < record["shrinkage"] == pytest.approx(expected)
    plain = ccsolve.plan(STATS, macs=0.5, recipe="ccp")
    assert {r["shrinkage"] for r in plain.provenance["groups"].values()} == {0.0}


def test_ccp_of_the_whole_network_costs_nothing():
    plan = ccsolve.plan(STATS, macs=1.0, recipe="ccp")
    assert plan.objective == plan.bound == plan.gap == 0
    assert plan.widths == plan.sizes


def test_time_is_shared_and_its_end_is_no_error():
    plan = ccsolve.plan(
        random_chain((40, 40), samples=60), macs=0.5, recipe="ccp", time_limit=0.0
    )
    assert plan.achieved["macs"] <= plan.asked["macs"]


def test_an_interrupt_still_gives_a_plan_and_says_so(monkeypatch):
    def interrupted(*_args: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ccsolve.solvers.selection.enumerate_all.solve", interrupted)
    plan = ccsolve.plan(STATS, macs=0.5, recipe="ccp", widths="uniform")
    assert plan.provenance["interrupted"]
    assert plan.achieved["macs"] <= plan.asked["macs"]
    whole = ccsolve.plan(STATS, macs=0.5, recipe="uniform")
    assert plan.widths == whole.widths


def test_an_undisturbed_plan_says_that_too():
    assert not ccsolve.plan(STATS, macs=0.5, recipe="ccp").provenance["interrupted"]


def test_uniform_widths_take_no_allocation():
    with pytest.raises(ccsolve.errors.Unsupported, match="uniform"):
        ccsolve.plan(STATS, macs=0.5, widths="uniform", allocation="marginal")


def test_widths_by_selection_follow_the_model():
    stats = random_chain((12, 16, 12), 1)
    plans = [
        ccsolve.plan(stats, macs=0.5, widths="selection", damping=damping)
        for damping in (0.0, 1e3)
    ]
    losses = [plan.provenance["allocation"]["loss"] for plan in plans]
    assert losses[1] > 10.0 * losses[0]


def test_losses_are_told_as_they_were_predicted():
    plan = ccsolve.plan(STATS, macs=0.5, recipe="allocated", losses="taylor")
    removals = {name: criteria.taylor_removal(STATS, name) for name in STATS.groups}
    raw = sum(
        removal.loss[STATS.groups[name].size - plan.widths[name]]
        for name, removal in removals.items()
    )
    assert plan.provenance["predicted loss"] == pytest.approx(raw)
    # Made convex, a group's losses only rise.
    assert plan.objective >= raw - plan.resolution
