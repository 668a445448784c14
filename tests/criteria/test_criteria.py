"""Criteria against their formulas, sample by sample and filter by filter."""

from typing import Any

import numpy as np
import pytest

from ccsolve import criteria
from ccsolve.errors import InvalidProblem, MissingStatistics
from ccsolve.statistics import Group, Layer, Statistics
from ccsolve.statistics.generate import random_chain

STATS = random_chain((6, 8, 5))


def residual() -> Statistics:
    """Two layers write group g; the second writes it permuted, and another channel."""
    weights = np.random.default_rng(0).standard_normal((7, 2, 3))
    first = Layer("first", "conv", weights[:3], outputs={"g": [0, 1, 2]})
    second = Layer("second", "conv", weights[3:], outputs={"g": [2, -1, 0, 1]})
    return Statistics({"g": Group("g", 3)}, layers={"first": first, "second": second})


def test_norms_add_over_the_layers_that_write_a_class():
    stats = residual()
    first, second = (stats.layers[name].weight for name in ("first", "second"))
    filters = [(first[0], second[2]), (first[1], second[3]), (first[2], second[0])]
    l1 = [sum(np.abs(w).sum() for w in pair) for pair in filters]
    l2 = [np.sqrt(sum((w**2).sum() for w in pair)) for pair in filters]
    np.testing.assert_allclose(criteria.l1(stats, "g"), l1)
    np.testing.assert_allclose(criteria.l2(stats, "g"), l2)


def test_sensitivities_are_means_over_samples():
    group = STATS.groups["conv2"]
    assert group.fisher_rows is not None and group.ggn_rows is not None
    per_sample = group.fisher_rows.astype(np.float64) * np.sqrt(STATS.samples)
    np.testing.assert_allclose(
        criteria.taylor(STATS, "conv2"), np.abs(per_sample.mean(axis=0)), atol=1e-6
    )
    np.testing.assert_allclose(
        criteria.taylor_per_sample(STATS, "conv2"), np.abs(per_sample).mean(axis=0)
    )
    np.testing.assert_allclose(
        criteria.fisher(STATS, "conv2"), 0.5 * (per_sample**2).mean(axis=0)
    )
    np.testing.assert_allclose(
        criteria.obd(STATS, "conv2"), 0.5 * np.diagonal(group.hessian())
    )


def test_obd_is_the_program_of_one_channel():
    problem = STATS.channel_selection("conv1", 5, first_order=0)
    removed_alone = [problem.objective(1 - row) for row in np.eye(6)]
    np.testing.assert_allclose(criteria.obd(STATS, "conv1"), removed_alone)


def test_activity():
    activation = STATS.groups["conv3"].activation
    np.testing.assert_allclose(
        criteria.apoz(STATS, "conv3"), 1 - activation["zero_fraction"].astype(float)
    )
    np.testing.assert_array_equal(
        criteria.mean_activation(STATS, "conv3"), activation["mean_abs"]
    )


def test_random_follows_the_seed_and_the_group():
    first = criteria.score(STATS, "conv1", "random", seed=1)
    np.testing.assert_array_equal(first, criteria.random(STATS, "conv1", 1))
    assert (first != criteria.random(STATS, "conv1", 2)).all()
    assert (first[:5] != criteria.random(STATS, "conv3", 1)).all()


@pytest.mark.parametrize("name", [*criteria.CRITERIA, "random", "ablation"])
def test_every_criterion_gives_one_finite_number_per_class(name: str):
    for group in STATS.groups.values():
        scores = criteria.score(STATS, group.name, name)
        assert scores.shape == (group.size,) and scores.dtype == np.float64
        assert np.isfinite(scores).all() and (scores >= 0).all()


@pytest.mark.parametrize("name", criteria.CRITERIA)
def test_missing_parts_are_named_and_exported_scores_stand_in(name: str):
    with pytest.raises(MissingStatistics, match="groups/g"):
        criteria.score(Statistics({"g": Group("g", 2)}), "g", name)
    exported: dict[str, Any] = {"scores": {name: [1.0, 2.0]}}
    stats = Statistics({"g": Group("g", 2, **exported)})
    np.testing.assert_array_equal(criteria.score(stats, "g", name), [1.0, 2.0])


def test_unknown_names_list_the_known():
    with pytest.raises(InvalidProblem, match=r"expected one of l1, .*, ablation"):
        criteria.score(STATS, "conv1", "nothing")
    with pytest.raises(InvalidProblem, match="no group 'conv9'"):
        criteria.score(STATS, "conv9")
