"""Orders of removal: greedy by definition, losses as the programs count them."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ccsolve.criteria import Removal, refit, refit_removal, score, taylor_removal
from ccsolve.criteria.removal import RIDGE
from ccsolve.errors import InvalidStatistics, MissingStatistics
from ccsolve.statistics import Group, Layer, Statistics
from ccsolve.statistics.generate import random_chain

STATS = random_chain((6, 8, 5))


def columns_of(layer: Layer, group: str, classes: list[int]) -> np.ndarray:
    """Give the columns of the unfolded input that belong to the classes."""
    channels = np.flatnonzero(np.isin(layer.inputs[group], classes))
    per_channel = layer.weight[0, 0].size
    return (channels[:, None] * per_channel + np.arange(per_channel)).ravel()


def refit_loss(layer: Layer, group: str, removed: list[int]) -> float:
    """Give min over V of ½ tr(M · ridged error), solved from scratch."""
    weight = layer.weight.reshape(len(layer.weight), -1).T.astype(float)
    mean = np.asarray(layer.input_mean, dtype=float)
    h = np.asarray(layer.input_moment, dtype=float) - np.outer(mean, mean)
    h = h + RIDGE * np.trace(h) / len(h) * np.eye(len(h))
    left = np.setdiff1d(np.arange(len(h)), columns_of(layer, group, removed))
    fitted = np.zeros_like(weight)
    fitted[left] = np.linalg.solve(h[np.ix_(left, left)], h[left] @ weight)
    error = fitted - weight
    return 0.5 * float(np.trace(error.T @ h @ error @ layer.output_curvature))


def unfitted_loss(layer: Layer, group: str, removed: int) -> float:
    columns = columns_of(layer, group, [removed])
    weight = layer.weight.reshape(len(layer.weight), -1).T[columns].astype(float)
    moment = np.asarray(layer.input_moment, dtype=float)[np.ix_(columns, columns)]
    return 0.5 * float(np.trace(weight.T @ moment @ weight @ layer.output_curvature))


def two_readers() -> Statistics:
    """Give a chain where the classifier reads the first group as well, permuted."""
    shortcut = replace(
        STATS.layers["conv2"],
        name="shortcut",
        inputs={"conv1": np.random.default_rng(1).permutation(6)},
    )
    return replace(STATS, layers={**STATS.layers, "shortcut": shortcut})


MODELS: tuple[dict[str, Any], ...] = (
    {},
    {"first_order": 0.5, "damping": 0.2, "shrinkage": "auto"},
    {"curvature": "fisher", "shrinkage": 0.3, "target": "identity"},
)


@pytest.mark.parametrize("group", ["conv1", "conv2", "conv3"])
@pytest.mark.parametrize("model", MODELS)
def test_taylor_losses_are_those_of_the_program(group: str, model: dict[str, Any]):
    removal = taylor_removal(STATS, group, **model)
    size = STATS.groups[group].size
    for gone in range(size):
        z = np.ones(size)
        z[removal.order[:gone]] = 0
        options = {"first_order": 0.0, **model}
        problem = STATS.channel_selection(group, size - gone, **options)
        assert removal.loss[gone] == pytest.approx(problem.objective(z), abs=1e-9)
        others = removal.order[gone:]
        after = [problem.objective(z - np.eye(size)[other]) for other in others]
        assert removal.loss[gone + 1] == pytest.approx(min(after))


def without_ggn(stats: Statistics) -> Statistics:
    """Give the statistics with the empirical Fisher alone."""
    groups = {
        name: replace(group, ggn_rows=None, ggn=None, fisher_rows=group.ggn_rows)
        for name, group in stats.groups.items()
    }
    return replace(stats, groups=groups)


def test_taylor_takes_the_curvature_that_was_collected():
    fisher = without_ggn(STATS)
    found = taylor_removal(fisher, "conv2")
    assert (found.loss == taylor_removal(STATS, "conv2", curvature="ggn").loss).all()
    with pytest.raises(MissingStatistics, match="neither ggn_rows nor ggn"):
        taylor_removal(fisher, "conv2", curvature="ggn")
    group = replace(fisher.groups["conv2"], fisher_rows=None)
    with pytest.raises(MissingStatistics, match="neither ggn_rows nor ggn"):
        taylor_removal(
            replace(fisher, groups={"conv2": group}, layers={}, operations=()), "conv2"
        )


def test_damping_adds_half_of_it_per_class():
    damped = taylor_removal(STATS, "conv2", damping=100.0)
    h = STATS.groups["conv2"].hessian()
    u = np.zeros(8)
    u[damped.order[:3]] = 1
    assert damped.loss[3] == pytest.approx(0.5 * u @ h @ u + 150)


@pytest.mark.parametrize(
    ("stats", "group"),
    [(STATS, "conv1"), (STATS, "conv2"), (STATS, "conv3"), (two_readers(), "conv1")],
)
def test_refit_losses_are_solved_from_scratch(stats: Statistics, group: str):
    layers = [layer for layer in stats.layers.values() if group in layer.inputs]
    size = stats.groups[group].size
    alone = sum(unfitted_loss(layer, group, j) for layer in layers for j in range(size))
    scale = 0.5 * np.trace(stats.groups[group].hessian()) / alone
    removal = refit_removal(stats, group)

    def loss(removed: list[int]) -> float:
        return scale * sum(refit_loss(layer, group, removed) for layer in layers)

    for gone in range(size):
        removed = removal.order[:gone].tolist()
        assert removal.loss[gone] == pytest.approx(loss(removed), rel=1e-6, abs=1e-9)
        nexts = [loss([*removed, j]) for j in removal.order[gone:]]
        assert removal.loss[gone + 1] == pytest.approx(min(nexts), rel=1e-6)


def test_a_copy_of_a_channel_costs_nothing_to_refit():
    """Column 1 repeats column 0: either may go, and the other takes its weight."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((500, 3))
    x[:, 1] = x[:, 0]
    layer = Layer(
        "next",
        "linear",
        rng.standard_normal((2, 3)),
        input_mean=x.mean(axis=0),
        input_moment=x.T @ x / len(x),
        output_curvature=np.eye(2),
        inputs={"g": np.arange(3)},
    )
    rows = rng.standard_normal((5, 3))
    stats = Statistics({"g": Group("g", 3, ggn_rows=rows)}, {"next": layer})
    removal = refit_removal(stats, "g")
    assert removal.order[0] in (0, 1)
    assert removal.loss[1] < 0.01 * removal.loss[2]
    assert taylor_removal(stats, "g").loss[1] > 0


def test_channels_of_no_variance_and_no_curvature_are_free():
    layer = Layer(
        "next",
        "linear",
        np.ones((2, 3)),
        input_mean=np.ones(3),
        input_moment=np.ones((3, 3)),
        output_curvature=np.zeros((2, 2)),
        inputs={"g": np.arange(3)},
    )
    stats = Statistics({"g": Group("g", 3, ggn=np.zeros((3, 3)))}, {"next": layer})
    assert refit_removal(stats, "g").loss.tolist() == [0, 0, 0, 0]


def constant_reader(seed: int, dtype: type, noise: float = 0.0) -> Layer:
    """Give a reader of six columns that are what they are, but for some noise."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 3, 6) * 10 ** rng.uniform(-4, 4)
    x = x + noise * rng.standard_normal((200, 6)) * abs(x).max()
    return Layer(
        "constant",
        "linear",
        rng.standard_normal((3, 6)),
        input_mean=x.mean(axis=0).astype(dtype),
        input_moment=(x.T @ x / 200).astype(dtype),
        output_curvature=np.eye(3),
        inputs={"conv1": np.arange(6)},
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(20))
def test_a_reader_that_never_varies_loses_nothing(seed: int, dtype: type):
    """Its bias does all it did; rounding of its moments is no variance."""
    layer = constant_reader(seed, dtype)
    alone = replace(STATS, layers={"constant": layer})
    assert refit_removal(alone, "conv1").loss.tolist() == [0.0] * 7
    both = replace(STATS, layers={**STATS.layers, "constant": layer})
    other = refit_removal(STATS, "conv1")
    assert (refit_removal(both, "conv1").order == other.order).all()


@pytest.mark.parametrize("noise", [1e-6, 1e-5, 1e-4, 1e-3])
@pytest.mark.parametrize("seed", range(10))
def test_variance_that_rounding_hides_is_survived(seed: int, noise: float):
    """Covariances of float32 moments have negative eigenvalues then."""
    layer = constant_reader(seed, np.float32, noise)
    found = refit_removal(replace(STATS, layers={"constant": layer}), "conv1")
    assert np.isfinite(found.loss).all()
    assert (np.diff(found.loss) >= 0).all()


def test_kept_classes_are_nested_and_scores_follow_the_order():
    removal = refit_removal(STATS, "conv2")
    assert (np.diff(removal.loss) >= 0).all()
    for width in range(9):
        kept = removal.kept(width)
        assert set(kept) == set(removal.order[8 - width :])
        assert (np.diff(kept) > 0).all()
    scores = refit(STATS, "conv2")
    assert (scores == score(STATS, "conv2", "refit")).all()
    assert (np.argsort(scores) == removal.order).all()


def test_removal_of_all_orders_is_consistent():
    for order in itertools.permutations(range(3)):
        removal = Removal(np.array(order), np.arange(4.0))
        assert (removal.scores()[list(order)] == [1, 2, 3]).all()


def test_missing_parts_are_named():
    bare = replace(
        STATS, layers={**STATS.layers, "conv2": replace_moments(STATS.layers["conv2"])}
    )
    with pytest.raises(MissingStatistics, match=r"layers/conv2: .*layers='moments'"):
        refit_removal(bare, "conv1")
    with pytest.raises(MissingStatistics, match=r"groups/conv1: .*layers='moments'"):
        refit_removal(replace(STATS, layers={}), "conv1")


def replace_moments(layer: Layer) -> Layer:
    return replace(layer, input_moment=None)


def test_ragged_classes_are_refused():
    ragged = replace(
        STATS.layers["conv2"], inputs={"conv1": np.array([0, 0, 1, 2, 3, 4])}
    )
    stats = replace(STATS, layers={**STATS.layers, "conv2": ragged})
    with pytest.raises(InvalidStatistics, match="0 to 2 channels per class"):
        refit_removal(stats, "conv1")
