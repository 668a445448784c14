"""CPLI's plans and options, and the recipes that came before it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve.criteria import taylor_per_sample
from ccsolve.errors import Infeasible, InvalidProblem, MissingStatistics, Unsupported
from ccsolve.recipes import cpli
from ccsolve.recipes.reconstructing.own_losses import own_losses
from ccsolve.recipes.reconstructing.programs import Model, parts_of, program_of
from ccsolve.statistics import Statistics
from ccsolve.statistics.generate import random_chain


def chain(seed: int = 0) -> Statistics:
    """Give a chain whose classifier has mean gradients, too."""
    stats = random_chain((6, 8, 5), seed)
    last = stats.layers["classifier"]
    gradient = 0.1 * np.random.default_rng(seed).standard_normal(last.weight.shape)
    last = replace(last, gradient=gradient, output_gradient=gradient.mean(axis=1))
    return replace(stats, layers={**stats.layers, "classifier": last})


STATS = chain()


def planned_objective(stats: Statistics, plan: ccsolve.Plan, model: Model) -> float:
    """Give the sum of the programs' values, outputs that the plan removes left out."""
    total = 0.0
    for name, width in plan.widths.items():
        staying = {other: plan.mask(other) for other in plan.keep if other != name}
        parts = parts_of(stats, name, model, staying)
        if width < stats.groups[name].size:
            total += program_of(parts, width, model.ridge).objective(plan.mask(name))
    return total


@pytest.mark.parametrize("seed", range(3))
def test_planned_outputs_are_those_that_the_plan_removes(seed: int):
    stats = chain(seed)
    plan = ccsolve.plan(stats, macs=1.0, recipe="cpli", guide=0.5, widths=0.5)
    expected = planned_objective(stats, plan, Model("taylor", 0.5, 1e-3))
    assert plan.objective == pytest.approx(expected, rel=1e-9)
    assert len(plan.provenance["groups"]) == 3
    whole = ccsolve.plan(
        *(stats, 1.0), recipe="cpli", guide=0.5, widths=0.5, suppression="none"
    )
    assert plan.objective < whole.objective


def test_scored_outputs_are_those_of_the_least_taylor_score():
    plan = ccsolve.plan(STATS, macs=0.5, recipe="cpli", suppression="scored")
    staying = {}
    for name, width in plan.widths.items():
        order = np.argsort(-taylor_per_sample(STATS, name), kind="stable")
        staying[name] = np.isin(np.arange(STATS.groups[name].size), order[:width])
    total, model = 0.0, Model("taylor", 0.0, 1e-3)
    for name, width in plan.widths.items():
        others = {other: mask for other, mask in staying.items() if other != name}
        program = program_of(parts_of(STATS, name, model, others), width, model.ridge)
        if width < program.n:
            total += program.objective(plan.mask(name))
    assert plan.objective == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("method", ["lasso", "greedy_removal", "swap_search", "thinet"])
def test_no_method_beats_the_proven_optimum(method: str):
    options: dict[str, Any] = {"recipe": "cpli", "suppression": "none", "guide": 0.3}
    exact = ccsolve.plan(STATS, macs=0.5, method="branch_and_bound", **options)
    found = ccsolve.plan(STATS, macs=0.5, method=method, **options)
    assert exact.widths == found.widths
    assert exact.gap < 1e-5
    assert found.objective >= exact.objective - 1e-9


@pytest.mark.parametrize("name", cpli.ANCESTORS)
@pytest.mark.parametrize("widths", ["uniform", "auto", "own"])
def test_ancestors_solve_the_plain_program(name: str, widths: str):
    plan = ccsolve.plan(STATS, macs=0.5, recipe=name, widths=widths)
    assert plan.recipe == name
    assert plan.achieved["macs"] <= plan.asked["macs"]
    model = Model("none", 0.0, 1e-3)
    total = sum(
        program_of(parts_of(STATS, group, model, {}), width, 1e-3).objective(
            plan.mask(group)
        )
        for group, width in plan.widths.items()
    )
    assert plan.objective == pytest.approx(total, rel=1e-9)


def test_swaps_are_not_worse_than_greedy_ancestors():
    plans = {
        name: ccsolve.plan(STATS, macs=0.5, recipe=name) for name in cpli.ANCESTORS
    }
    assert plans["osscar"].objective <= plans["he"].objective + 1e-9
    assert plans["osscar"].objective <= plans["thinet"].objective + 1e-9


@pytest.mark.parametrize("guide", [0.0, 0.5])
def test_own_losses_rise_from_nothing(guide: float):
    for name, losses in own_losses(STATS, Model("taylor", guide, 1e-3)).items():
        assert len(losses) == STATS.groups[name].size + 1
        assert losses[0] == 0 and (np.diff(losses) >= -1e-12 * losses[-1]).all()


@pytest.mark.parametrize(
    "options",
    [
        {"widths": "own"},
        {"widths": "uniform"},
        {"widths": "refit"},
        {"widths": "taylor", "allocation": "marginal"},
        {"widths": {"conv1": 2, "conv2": 0.5}},
        {"widths": 0.5},
        {"multiple_of": 2},
        {"fixed": {"conv2": 3}},
        {"importance": "full", "guide": 0.2},
    ],
)
def test_budgets_are_kept_and_used_up(options: dict[str, Any]):
    plan = ccsolve.plan(STATS, macs=0.6, recipe="cpli", **options)
    assert plan.achieved["macs"] <= plan.asked["macs"]
    multiple = options.get("multiple_of", 1)
    if isinstance(options.get("widths", ""), str):
        for name, width in plan.widths.items():
            wider = {**plan.widths, name: min(width + multiple, plan.sizes[name])}
            free = name not in options.get("fixed", {}) and width < plan.sizes[name]
            assert not free or STATS.cost(wider).macs > plan.asked["macs"]


def test_given_widths_are_taken_or_refused():
    plan = ccsolve.plan(STATS, macs=0.6, recipe="cpli", widths={"conv2": 3})
    assert plan.widths == {"conv1": 6, "conv2": 3, "conv3": 5}
    with pytest.raises(Infeasible, match="the widths given take"):
        ccsolve.plan(STATS, macs=0.2, recipe="cpli", widths={"conv2": 7})


def test_bad_options_are_refused():
    def made(**options: Any) -> ccsolve.Plan:
        return ccsolve.plan(STATS, macs=0.5, recipe="cpli", **options)

    with pytest.raises(InvalidProblem, match="importance = 'odd'; expected one of tay"):
        made(importance="odd")
    with pytest.raises(InvalidProblem, match="suppression = 'odd'; expected one of no"):
        made(suppression="odd")
    with pytest.raises(InvalidProblem, match="ridge = 'a'; expected a finite number"):
        ccsolve.plan(STATS, macs=0.5, recipe="cpli", ridge="a")
    with pytest.raises(InvalidProblem, match="ridge = -1; expected a finite number"):
        ccsolve.plan(STATS, macs=0.5, recipe="osscar", ridge=-1)
    with pytest.raises(InvalidProblem, match="recollect = 3; expected a function"):
        ccsolve.plan(STATS, macs=0.5, recipe="he", recollect=3)
    with pytest.raises(InvalidProblem, match="suppression = ''; expected one of"):
        ccsolve.plan(STATS, macs=0.5, recipe="cpli", suppression="")
    with pytest.raises(InvalidProblem, match="guide"):
        made(guide=-1.0)
    with pytest.raises(Unsupported, match="odd"):
        made(method="odd")
    with pytest.raises(Unsupported, match="recipe 'he' has no option 'guide'"):
        ccsolve.plan(STATS, macs=0.5, recipe="he", guide=1.0)


def test_missing_parts_are_named():
    bare = {name: replace(x, gradient=None) for name, x in STATS.layers.items()}
    with pytest.raises(MissingStatistics, match="no mean gradient of its weights"):
        ccsolve.plan(replace(STATS, layers=bare), macs=0.5, recipe="cpli", guide=1.0)
    flat = {name: replace(x, output_curvature=None) for name, x in STATS.layers.items()}
    without = replace(STATS, layers=flat)
    with pytest.raises(MissingStatistics, match="no output curvature"):
        ccsolve.plan(without, macs=0.5, recipe="cpli")
    # Plain reconstruction needs none.
    assert ccsolve.plan(without, macs=0.5, recipe="he").keep
    with pytest.raises(MissingStatistics, match="no layer that reads it"):
        ccsolve.plan(replace(STATS, layers={}), macs=0.5, recipe="thinet")


def test_provenance_says_how_it_was_made():
    plan = ccsolve.plan(STATS, macs=0.5, recipe="cpli", guide=0.1, method="lasso")
    record = plan.provenance
    assert record["importance"] == "taylor" and record["guide"] == 0.1
    assert record["suppression"] == "planned" and record["method"] == "lasso"
    assert record["recollected"] is False and record["widths"] == "own"
    narrowed = {name for name, k in plan.widths.items() if k < plan.sizes[name]}
    assert set(record["groups"]) == narrowed


def test_slow_losses_leave_the_choice_its_time(monkeypatch: pytest.MonkeyPatch):
    """Losses that take an hour by the clock."""
    now = iter(3600.0 * np.arange(1000))
    seen: list[float] = []

    def chosen(*args: Any, **_options: Any) -> dict[str, Any]:
        seen.append(args[-1].time_limit)
        return {}

    monkeypatch.setattr(cpli, "chosen", chosen)
    monkeypatch.setattr(cpli.time, "perf_counter", lambda: next(now))
    cpli.plan(STATS, {"macs": float(STATS.cost().macs)}, widths=1.0, time_limit=8.0)
    assert seen == [4.0]


class Told:
    """Statistics that stay as they are; and what was asked for."""

    def __init__(self) -> None:
        self.asked: list[ccsolve.Plan] = []

    def __call__(self, plan: ccsolve.Plan) -> Statistics:
        self.asked.append(plan)
        return STATS


@pytest.mark.parametrize("suppression", ["none", None])
def test_in_turn_on_the_same_statistics_is_the_same(suppression: str | None):
    network, options = Told(), {"macs": 0.4, "recipe": "cpli"}
    plan = ccsolve.plan(
        STATS, recollect=network, suppression=suppression, widths="uniform", **options
    )
    assert plan.provenance["recollected"] is True
    assert [p.provenance["before"] for p in network.asked] == ["conv2", "conv3"]
    assert network.asked[1].widths == {**plan.widths, "conv3": 5}
    alike = "none" if suppression else "scored"
    assert plan.provenance["suppression"] == alike
    at_once = ccsolve.plan(STATS, suppression=alike, widths="uniform", **options)
    for name in plan.keep:
        assert plan.keep[name].tolist() == at_once.keep[name].tolist()
    assert plan.objective == pytest.approx(at_once.objective)


def test_groups_that_are_cut_leave_no_marks_behind(monkeypatch: pytest.MonkeyPatch):
    """Their classes have other numbers in the statistics that come next."""
    seen: dict[str, set[str]] = {}

    def recorded(stats: Any, name: str, model: Any, staying: Any) -> Any:
        seen[name] = set(staying)
        return parts_of(stats, name, model, staying)

    monkeypatch.setattr("ccsolve.recipes.reconstructing.choosing.parts_of", recorded)
    ccsolve.plan(STATS, 1.0, recipe="cpli", widths=0.5, recollect=lambda plan: STATS)
    names = list(STATS.groups)
    assert seen == {name: {*names[place + 1 :]} for place, name in enumerate(names)}


def test_outputs_of_later_groups_are_not_known_in_turn():
    with pytest.raises(Unsupported, match="later groups are decided later"):
        ccsolve.plan(
            STATS, macs=0.5, recipe="cpli", suppression="planned", recollect=Told()
        )


def test_an_interrupt_ends_the_collecting_too(monkeypatch: pytest.MonkeyPatch):
    def interrupt(*_args: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ccsolve.solvers.reconstruction.thinet.solve", interrupt)
    network = Told()
    plan = ccsolve.plan(STATS, macs=0.4, recipe="thinet", recollect=network)
    assert network.asked == [] and plan.provenance["interrupted"]
    assert plan.achieved["macs"] <= plan.asked["macs"]
