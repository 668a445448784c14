"""Correlations of channels, against plain sums over samples."""

import numpy as np
import pytest

from ccsolve.plans import Plan
from ccsolve.report.likeness import likeness, second_order_loss, strongest
from ccsolve.statistics import Group, Layer, Statistics


def test_pairs_that_do_the_same_or_cancel_are_found(stats: Statistics):
    found = likeness(stats, "first")
    assert found is not None and found.source == "curvature"
    pairs = strongest("first", found.matrix, 2, 0.9)
    assert {(pair.first, pair.second) for pair in pairs} == {(0, 1), (2, 3)}
    signs = {pair.first: pair.correlation for pair in pairs}
    assert signs[0] == pytest.approx(1.0) and signs[2] == pytest.approx(-1.0)
    assert strongest("first", found.matrix, 9, 0.9) == pairs
    assert strongest("first", np.eye(1), 3, 0.0) == []


def test_activations_tell_before_curvature():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(50, 3, 4)) + 2.0  # samples, channels, positions of a patch
    x[:, 2] = 3.0 * x[:, 0] + 1.0
    flat = x.reshape(50, 12)
    layer = Layer(
        "reader",
        "conv",
        rng.normal(size=(2, 3, 2, 2)),
        input_mean=flat.mean(axis=0),
        input_moment=flat.T @ flat / 50,
        inputs={"g": np.arange(3)},
    )
    group = Group("g", 3, ggn_rows=rng.normal(size=(20, 3)))
    found = likeness(Statistics({"g": group}, layers={"reader": layer}), "g")
    assert found is not None and found.source == "activations"
    centred = x - x.mean(axis=0)
    cov = np.einsum("nip,njp->ij", centred, centred)
    scale = np.sqrt(np.diag(cov))
    np.testing.assert_allclose(found.matrix, cov / np.outer(scale, scale), atol=1e-9)
    assert found.matrix[0, 2] == pytest.approx(1.0)


def test_a_dead_channel_is_like_no_other():
    rows = np.random.default_rng(0).normal(size=(20, 3))
    rows[:, 1] = 0.0
    found = likeness(Statistics({"g": Group("g", 3, ggn_rows=rows)}), "g")
    assert found is not None
    assert not found.matrix[1].any() and not found.matrix[:, 1].any()


def test_nothing_is_told_of_a_group_without_statistics():
    assert likeness(Statistics({"g": Group("g", 3)}), "g") is None


def test_the_measure_of_all_plans_is_the_second_order_loss(
    stats: Statistics, plan: Plan
):
    total = 0.0
    for name, group in stats.groups.items():
        u = 1.0 - plan.mask(name)
        total += 0.5 * u @ group.hessian() @ u
    assert second_order_loss(stats, plan) == pytest.approx(total)
    bare = Statistics({name: Group(name, 6) for name in stats.groups})
    assert second_order_loss(bare, plan) is None
