"""The reconstruction that statistics give: its error by definition, on real moments."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ccsolve import data
from ccsolve.criteria import refit_removal
from ccsolve.errors import InvalidProblem, InvalidStatistics, MissingStatistics
from ccsolve.iterate import Limits
from ccsolve.solvers.reconstruction import branch_and_bound, greedy_removal
from ccsolve.statistics import Group, Layer, Statistics
from ccsolve.statistics.generate import random_chain
from ccsolve.statistics.programs import reconstruction_selection

STATS = random_chain((6, 8, 5))
DIGITS = Statistics.load(data.path("digits_resnet"))


def error(layer: Layer, gone: np.ndarray, ridge: float, M: np.ndarray) -> float:
    """Give min over V, zero on the columns gone, of ½tr(M·ridged error)."""
    weight = layer.weight.reshape(len(layer.weight), -1).T.astype(float)
    mean = np.asarray(layer.input_mean, dtype=float)
    H = np.asarray(layer.input_moment, dtype=float) - np.outer(mean, mean)
    H = H + ridge * np.trace(H) / len(H) * np.eye(len(H))
    left = np.setdiff1d(np.arange(len(H)), gone)
    off = -weight.copy()
    off[left] += np.linalg.solve(H[np.ix_(left, left)], H[left] @ weight)
    return 0.5 * float(np.trace(off.T @ H @ off @ M))


@pytest.mark.parametrize("weighting", ["full", "diagonal", "none"])
@pytest.mark.parametrize(
    ("stats", "name", "group"),
    [
        (STATS, "conv2", "conv1"),
        (STATS, "classifier", "conv3"),
        (DIGITS, "layer2.0.conv2", "layer2.0.conv1"),
    ],
)
def test_the_objective_is_the_error_left(
    stats: Statistics, name: str, group: str, weighting: Any
):
    layer = stats.layers[name]
    M = np.asarray(layer.output_curvature, dtype=float)
    M = {"full": M, "diagonal": np.diag(np.diag(M)), "none": np.eye(len(M))}[weighting]
    problem = reconstruction_selection(
        layer, stats.groups[group], 2, ridge=0.01, weighting=weighting
    )
    classes = layer.inputs[group]
    for seed in range(3):
        x = problem.random_point(np.random.default_rng(seed))
        channels = np.flatnonzero(~x[classes])
        per = layer.weight[0, 0].size
        gone = (channels[:, None] * per + np.arange(per)).ravel()
        expected = error(layer, gone, 0.01, M)
        assert problem.objective(x) == pytest.approx(expected, rel=1e-6)


def test_columns_of_other_groups_stay_and_are_fitted():
    """Half of the inputs read the group, permuted and interleaved with others."""
    layer = STATS.layers["conv2"]
    shared = replace(layer, inputs={"conv1": np.array([2, -1, 0, -1, 1, -1])})
    group = Group("conv1", 3)
    problem = reconstruction_selection(shared, group, 1)
    assert problem.n == 3 and problem.group == 9
    M = np.asarray(layer.output_curvature, dtype=float)
    for kept, gone in ((0, (0, 4)), (1, (0, 2)), (2, (2, 4))):
        columns = np.concatenate([9 * channel + np.arange(9) for channel in gone])
        x = np.arange(3) == kept
        expected = error(layer, columns, 1e-3, M)
        assert problem.objective(x) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("keep", [2, 5])
def test_greedy_removal_is_the_criterion_of_the_same_name(keep: int):
    """A group that one layer reads: the same order, losses up to the common factor."""
    problem = reconstruction_selection(
        DIGITS.layers["layer2.0.conv2"], DIGITS.groups["layer2.0.conv1"], keep
    )
    removal = refit_removal(DIGITS, "layer2.0.conv1")
    solution = greedy_removal.solve(problem, Limits())
    assert (np.flatnonzero(solution.x) == removal.kept(keep)).all()
    whole = replace_keep(problem, 0).objective(np.zeros(problem.n, dtype=bool))
    share = removal.loss[problem.n - keep] / removal.loss[-1]
    assert solution.objective / whole == pytest.approx(share, rel=1e-6)


def replace_keep(problem: Any, keep: int) -> Any:
    return type(problem)(
        problem.moments,
        problem.cross,
        keep,
        problem.group,
        problem.weights,
        problem.constant,
    )


def test_real_layers_are_proven():
    problem = reconstruction_selection(
        DIGITS.layers["layer3.1.conv2"], DIGITS.groups["layer3.1.conv1"], 8
    )
    solution = branch_and_bound.solve(problem, Limits(resolution=problem.resolution))
    assert solution.gap <= 1e-6 and solution.objective > 0


def test_missing_and_malformed_parts_are_named():
    layer, group = STATS.layers["conv2"], STATS.groups["conv1"]
    with pytest.raises(MissingStatistics, match="no input moments; collect with"):
        reconstruction_selection(replace(layer, input_moment=None), group, 2)
    bare = replace(layer, output_curvature=None)
    with pytest.raises(MissingStatistics, match="no output curvature; collect"):
        reconstruction_selection(bare, group, 2)
    assert reconstruction_selection(bare, group, 2, weighting="none").weights is None
    with pytest.raises(MissingStatistics, match="does not read the group 'conv2'"):
        reconstruction_selection(layer, STATS.groups["conv2"], 2)
    ragged = replace(layer, inputs={"conv1": np.array([0, 0, 1, 2, 3, 4])})
    with pytest.raises(InvalidStatistics, match="0 to 2 channels per class"):
        reconstruction_selection(ragged, group, 2)
    with pytest.raises(InvalidProblem, match="weighting = 'half'"):
        reconstruction_selection(layer, group, 2, weighting="half")  # pyright: ignore
    with pytest.raises(InvalidProblem, match="ridge = -1"):
        reconstruction_selection(layer, group, 2, ridge=-1)
    with pytest.raises(InvalidProblem, match="keep = 7"):
        reconstruction_selection(layer, group, 7)
