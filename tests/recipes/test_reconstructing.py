"""The reconstruction program of a group against samples; what outputs are worth."""

import itertools
from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve.criteria import taylor_per_sample
from ccsolve.recipes.reconstructing.features import output_weights
from ccsolve.recipes.reconstructing.programs import Model, parts_of, program_of
from ccsolve.statistics import Group, Layer, Statistics
from ccsolve.statistics.generate import random_chain

STATS = random_chain((6, 8, 5))
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
