"""SmoothRateAllocation: scoring, feasibility, raising, and every refusal."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from ccsolve.errors import Infeasible, InvalidProblem
from ccsolve.problems.generate_smooth import FAMILIES, bounded, fitted
from ccsolve.problems.smooth_allocation import SmoothRateAllocation, raised

SOUND: dict[str, Any] = {
    "scale": [1.0, 2.0, 0.5],
    "rate": [3.0, 1.0, 5.0],
    "size": [10.0, 20.0, 30.0],
    "remove": 20.0,
}


@pytest.mark.parametrize("weighted", [True, False])
def test_objective_is_the_formula(weighted: bool):
    problem = SmoothRateAllocation(**SOUND, weighted=weighted)
    x = np.array([0.1, 0.7, 0.3])
    by_layer = 0.0
    for layer in range(3):
        weight = SOUND["size"][layer] if weighted else 1.0
        loss = SOUND["scale"][layer] * np.exp(SOUND["rate"][layer] * x[layer])
        by_layer += weight * loss
    assert problem.objective(x) == pytest.approx(by_layer, rel=1e-14)


def test_objective_beyond_the_caps_is_infinite_without_a_warning():
    assert SmoothRateAllocation(**SOUND).objective([1e6, 0, 0]) == np.inf


def test_violation_is_in_rates():
    problem = SmoothRateAllocation(**SOUND, floor=0.1, cap=[0.5, 0.9, 0.9])
    assert problem.violation([0.5, 0.5, 0.5]) == 0
    assert problem.violation([0.6, 0.5, 0.5]) == pytest.approx(0.1)
    assert problem.violation([0.5, 0.02, 0.5]) == pytest.approx(0.08)
    # 20 must go, 6 of it go: 14 are missing, of a largest layer of 30.
    assert problem.violation([0.1, 0.1, 0.1]) == pytest.approx(14 / 30)
    assert np.isnan(problem.violation([np.nan, 0.5, 0.5]))


@pytest.mark.parametrize("x", [[0.5, 0.5], 0.5, [[0.5, 0.5, 0.5]]])
def test_points_of_another_shape_are_refused(x: Any):
    problem = SmoothRateAllocation(**SOUND)
    for score in (problem.objective, problem.violation):
        with pytest.raises(InvalidProblem, match=r"expected \(3,\)"):
            score(x)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("n", [1, 2, 7, 60])
def test_feasible_points_are_feasible(family: str, n: int):
    for seed in range(5):
        problem = FAMILIES[family](n, seed)
        assert problem.n == n
        assert problem.violation(problem.feasible_point()) == 0
        assert 0 < problem.data_scale <= problem.natural_scale() < np.inf
        assert problem.natural_scale() == problem.natural_scale()


@pytest.mark.parametrize("family", FAMILIES)
def test_raising_stays_within_caps_and_moves_the_free_layers_first(family: str):
    rng = np.random.default_rng(0)
    for seed in range(20):
        problem = FAMILIES[family](6, seed)
        x = problem.floor + rng.random(6) ** 3 * (problem.cap - problem.floor)
        x[:2] = problem.floor[:2]
        higher = raised(problem, x)
        assert problem.violation(higher) == 0
        assert (higher >= x).all()
        free = (x > problem.floor) & (x < problem.cap)
        if (higher[:2] > x[:2]).any():
            assert (higher[free] == problem.cap[free]).all()
        if problem.violation(x) == 0:
            assert (higher == x).all()


def test_all_that_the_caps_remove_can_be_asked_for():
    """A remove computed in another order of summation than ours is not refused."""
    for seed in range(50):
        rng = np.random.default_rng(seed)
        size = rng.lognormal(10, 3, 40)
        most = 0.95 * float(np.cumsum(size)[-1])
        problem = SmoothRateAllocation(np.ones(40), np.ones(40), size, most)
        assert problem.violation(np.full(40, 0.95)) == 0


def test_more_than_the_caps_remove_is_infeasible_and_the_most_is_named():
    with pytest.raises(Infeasible, match=r"remove = 57\.1, .* remove 57; lower"):
        SmoothRateAllocation(**{**SOUND, "remove": 57.1})
    with pytest.raises(Infeasible, match="together remove 30;"):
        SmoothRateAllocation(**{**SOUND, "remove": 31}, cap=0.5)


def test_less_than_nothing_may_be_asked_for():
    problem = SmoothRateAllocation(**{**SOUND, "remove": -1e300})
    assert problem.violation(problem.floor) == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"scale": []}, "scale is empty; expected at least one layer"),
        ({"scale": [1.0, np.nan, 1.0]}, "scale holds 1 NaN or infinite"),
        ({"scale": [1.0, -2.0, 1.0]}, "scale has entries down to -2; expected > 0"),
        ({"scale": [1.0, 0.0, 1.0]}, "scale has entries down to 0"),
        ({"scale": [1.0, 1e-80, 1.0]}, "scale has entries from 1e-80 to 1; .*rescale"),
        ({"scale": [[1.0, 2.0, 3.0]]}, r"scale has shape \(1, 3\); expected \(any,\)"),
        ({"scale": "three"}, "scale is not an array of real numbers"),
        ({"rate": [1.0, 2.0]}, r"rate has shape \(2,\); expected \(3,\)"),
        ({"rate": [1.0, 0.0, 1.0]}, "rate has entries down to 0.*fixed at its cap"),
        ({"rate": [1.0, -3.0, 1.0]}, "rate has entries down to -3"),
        ({"rate": [1.0, np.inf, 1.0]}, "rate holds 1 NaN or infinite"),
        ({"rate": [1.0, 300.0, 1.0]}, r"layer 1 loses exp\(285.* lower its cap"),
        ({"size": [1.0, 2.0, 3.0j]}, "size is not an array of real numbers"),
        ({"size": [1.0, -1.0, 1.0]}, "size has entries down to -1; expected > 0"),
        ({"size": [1.0, 1e70, 1.0]}, "size has entries from 1 to 1e\\+70"),
        ({"size": 3.0}, r"size has shape \(\); expected \(3,\)"),
        ({"remove": np.nan}, "remove = nan; expected a finite number"),
        ({"remove": "half"}, "remove = 'half'; expected a finite number"),
        ({"remove": True}, "remove = True; expected a finite number"),
        ({"remove": [1.0]}, "remove = .*; expected a finite number"),
        ({"floor": -0.1}, "floor has entries from -0.1 to -0.1; expected shares"),
        ({"cap": 95}, "cap has entries from 95 to 95; expected shares of a layer"),
        ({"cap": [0.5, 0.5]}, r"cap has shape \(2,\); expected \(3,\)"),
        ({"cap": np.nan}, "cap holds 1 NaN"),
        ({"floor": 0.96}, "floor exceeds cap in 3 layers, first in layer 0: 0.96"),
        ({"floor": [0, 0.5, 0], "cap": 0.4}, "in 1 layers, first in layer 1: 0.5"),
        ({"weighted": "yes"}, "weighted = 'yes'; expected True or False"),
    ],
)
def test_bad_data_are_refused_in_one_line(changed: dict[str, Any], message: str):
    with pytest.raises(InvalidProblem, match=message) as caught:
        SmoothRateAllocation(**{**SOUND, **changed})
    assert "\n" not in str(caught.value)


def test_data_are_copied_and_read_only():
    scale = np.array(SOUND["scale"])
    problem = SmoothRateAllocation(**{**SOUND, "scale": scale})
    scale[0] = 7.0
    assert problem.scale[0] == 1.0
    for name in ("scale", "rate", "size", "floor", "cap"):
        assert not getattr(problem, name).flags.writeable


@pytest.mark.parametrize(
    "again", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))]
)
def test_copies_are_equal_and_read_only(again: Any):
    for problem in (bounded(7), fitted(3, weighted=False)):
        copied = again(problem)
        for name in ("scale", "rate", "size", "floor", "cap"):
            np.testing.assert_array_equal(getattr(copied, name), getattr(problem, name))
            assert not getattr(copied, name).flags.writeable
        assert copied.remove == problem.remove
        assert copied.weighted == problem.weighted


def test_a_problem_says_what_it_is():
    assert repr(SmoothRateAllocation(**SOUND)) == (
        "SmoothRateAllocation(n=3, remove=0.333 of all, weighted)"
    )
