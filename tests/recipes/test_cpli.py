"""CPLI's program against samples, its options, and the recipes that came before it."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve.criteria import taylor_per_sample
from ccsolve.errors import Infeasible, InvalidProblem, MissingStatistics, Unsupported
from ccsolve.recipes import cpli
from ccsolve.recipes.reconstructing.features import output_weights
from ccsolve.recipes.reconstructing.own_losses import own_losses
from ccsolve.recipes.reconstructing.programs import Model, parts_of, program_of
from ccsolve.statistics import Group, Layer, Statistics
from ccsolve.statistics.generate import random_chain


def chain(seed: int = 0) -> Statistics:
    """Give a chain whose classifier has mean gradients, too."""
    stats = random_chain((6, 8, 5), seed)
    last = stats.layers["classifier"]
    gradient = 0.1 * np.random.default_rng(seed).standard_normal(last.weight.shape)
    last = replace(last, gradient=gradient, output_gradient=gradient.mean(axis=1))
    return replace(stats, layers={**stats.layers, "classifier": last})


STATS = chain()
PLAIN = Model("none", 0.0, 1e-9)


class Samples:
    """Inputs x, outputs y = W₀x and gradients g in them, of one layer."""

    def __init__(self, inputs: int, outputs: int, seed: int, count: int = 400) -> None:
        rng = np.random.default_rng(seed)
        self.x = rng.standard_normal((count, inputs)) @ rng.standard_normal(
            (inputs, inputs)
        ) + rng.standard_normal(inputs)
        self.weight = rng.standard_normal((outputs, inputs))
        self.g = rng.standard_normal((count, outputs)) + 0.5 * self.x[:, :outputs]
        root = rng.standard_normal((outputs, outputs))
        self.curvature = root @ root.T

    def layer(self, name: str, **maps: Any) -> Layer:
        count = len(self.x)
        return Layer(
            name,
            "linear",
            self.weight,
            # At 7 positions each, whose number cancels.
            gradient=7 * self.g.T @ self.x / count,
            output_gradient=7 * self.g.mean(axis=0),
            input_mean=self.x.mean(axis=0),
            input_moment=self.x.T @ self.x / count,
            output_curvature=self.curvature,
            **maps,
        )

    def loss(self, kept: list[int], weights: np.ndarray, guide: float) -> float:
        """Give min over W, b of ½ E‖(y - s·g - Wx - b)‖² in M, by least squares."""
        y, x = self.x @ self.weight.T, self.x - self.x.mean(axis=0)
        step = guide * np.linalg.norm(x.T @ y) / np.linalg.norm(x.T @ self.g)
        target = y - step * self.g
        design = np.column_stack([self.x[:, kept], np.ones(len(x))])
        error = target - design @ np.linalg.lstsq(design, target, rcond=None)[0]
        second = error.T @ error / len(self.x)
        M = np.diag(weights) if weights.ndim == 1 else weights
        return 0.5 * float(np.trace(M @ second))


@pytest.mark.parametrize("importance", ["taylor", "curvature", "full", "none"])
@pytest.mark.parametrize("guide", [0.0, 0.7])
def test_shifted_moments_give_the_objective_of_the_samples(
    importance: str, guide: float
):
    samples = Samples(5, 3, seed=1)
    layer = samples.layer("next", inputs={"g": range(5)}, outputs={"h": [2, 0, 1]})
    rows = np.random.default_rng(3).standard_normal((6, 3))
    groups = {"g": Group("g", 5), "h": Group("h", 3, fisher_rows=rows)}
    stats = Statistics(groups, layers={"next": layer})
    model = Model(importance, guide, 1e-12)
    program = program_of(parts_of(stats, "g", model, {}), 2, model.ridge)
    weights = output_weights(stats, layer, importance, {})
    everything = samples.loss(list(range(5)), weights, guide)
    for kept in itertools.combinations(range(5), 2):
        x = np.isin(np.arange(5), kept)
        lost = samples.loss(list(kept), weights, guide) - everything
        assert program.objective(x) == pytest.approx(lost, rel=1e-6)
    assert program.objective(np.ones(5)) == pytest.approx(0.0, abs=1e-9)


def test_readers_add_up_and_columns_of_other_groups_are_fitted():
    """Two layers read group g; the second reads another group's columns as well."""
    first, second = Samples(4, 3, seed=5), Samples(6, 2, seed=6)
    layers = {
        "a": first.layer("a", inputs={"g": [1, 0, 3, 2]}),
        "b": second.layer("b", inputs={"g": [0, 1, -1, 2, 3, -1]}),
    }
    stats = Statistics({"g": Group("g", 4)}, layers=layers)
    model = Model("curvature", 0.5, 1e-12)
    program = program_of(parts_of(stats, "g", model, {}), 2, model.ridge)
    a, b = (output_weights(stats, layer, "curvature", {}) for layer in layers.values())

    def loss(kept: tuple[int, ...]) -> float:
        of_a = [place for place, c in enumerate([1, 0, 3, 2]) if c in kept]
        of_b = [place for place, c in enumerate([0, 1, -1, 2, 3, -1]) if c in kept]
        return first.loss(of_a, a, 0.5) + second.loss(sorted([*of_b, 2, 5]), b, 0.5)

    everything = loss((0, 1, 2, 3))
    for kept in itertools.combinations(range(4), 2):
        x = np.isin(np.arange(4), kept)
        assert program.objective(x) == pytest.approx(loss(kept) - everything, rel=1e-6)


def test_a_guide_keeps_the_channel_that_lowers_the_loss():
    """Two channels alike in the reconstruction: the gradient speaks for one of them."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2000, 2))
    x, _ = np.linalg.qr(x - x.mean(axis=0))
    x *= np.sqrt(2000)
    for favoured in (0, 1):
        layer = Layer(
            "next",
            "linear",
            np.array([[1.0, 1.0]]),
            # Down the gradient the favoured channel's weight grows.
            gradient=-0.5 * np.eye(2)[[favoured]],
            output_gradient=np.zeros(1),
            input_mean=x.mean(axis=0),
            input_moment=x.T @ x / len(x),
            output_curvature=np.eye(1),
            inputs={"g": range(2)},
        )
        stats = Statistics({"g": Group("g", 2)}, layers={"next": layer})
        program = program_of(
            parts_of(stats, "g", Model("none", 1.0, 1e-9), {}), 1, 1e-9
        )
        assert np.flatnonzero(ccsolve.solve(program).x).tolist() == [favoured]


def test_importance_is_relative_within_the_next_group():
    layer = STATS.layers["conv2"]
    scores = taylor_per_sample(STATS, "conv2")
    curvature = np.asarray(layer.output_curvature, dtype=float)
    mean = np.trace(curvature) / len(curvature)
    found = output_weights(STATS, layer, "taylor", {})
    np.testing.assert_allclose(found, mean * scores / scores.mean())
    assert found.mean() == pytest.approx(mean)
    # The classifier's outputs are of no group: all alike.
    last = output_weights(STATS, STATS.layers["classifier"], "taylor", {})
    assert np.ptp(last) == 0


@pytest.mark.parametrize("importance", ["taylor", "full"])
def test_outputs_that_go_count_nothing(importance: str):
    staying = {"conv2": np.arange(8) % 2 == 0}
    layer = STATS.layers["conv2"]
    M = output_weights(STATS, layer, importance, staying)
    whole = output_weights(STATS, layer, importance, {})
    kept = staying["conv2"]
    if M.ndim == 1:
        assert (M[~kept] == 0).all() and (M[kept] == whole[kept]).all()
    else:
        assert (M[~kept] == 0).all() and (M[:, ~kept] == 0).all()
        assert (M[np.ix_(kept, kept)] == whole[np.ix_(kept, kept)]).all()
    nothing = output_weights(STATS, layer, importance, {"conv2": np.zeros(8, bool)})
    np.testing.assert_array_equal(nothing, whole)


def test_a_channel_that_only_feeds_what_goes_is_not_kept():
    """Channel 0 feeds output 0 alone, strongly; output 0 is pruned next."""
    rng = np.random.default_rng(2)
    x = rng.standard_normal((500, 3))
    weight = np.array([[9.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    layer = Layer(
        "next",
        "linear",
        weight,
        input_mean=x.mean(axis=0),
        input_moment=x.T @ x / len(x),
        output_curvature=np.eye(2),
        inputs={"g": range(3)},
        outputs={"h": range(2)},
    )
    stats = Statistics({"g": Group("g", 3), "h": Group("h", 2)}, layers={"next": layer})
    staying = {"h": np.array([False, True])}
    for known, expected in (({}, True), (staying, False)):
        program = program_of(parts_of(stats, "g", PLAIN, known), 2, PLAIN.ridge)
        assert bool(ccsolve.solve(program).x[0]) is expected


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
    plan = ccsolve.plan(stats, macs=0.5, recipe="cpli", guide=0.5)
    expected = planned_objective(stats, plan, Model("taylor", 0.5, 1e-3))
    assert plan.objective == pytest.approx(expected, rel=1e-9)


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
