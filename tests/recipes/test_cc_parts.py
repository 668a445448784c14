"""Paths, curves, decisions and the knapsack of Collaborative Compression."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from ccsolve import Factor, Plan
from ccsolve.errors import InvalidProblem, MissingStatistics
from ccsolve.recipes.compression.components import components_of
from ccsolve.recipes.compression.curves import channel_order, curve_of, unit_path
from ccsolve.recipes.compression.decisions import Decision, Network
from ccsolve.recipes.compression.grid import grid_decision
from ccsolve.recipes.compression.paths import Path, Walk, compressed, paper_cost
from ccsolve.recipes.compression.prices import Entrywise
from ccsolve.recipes.compression.rates import Rule, _carried_out
from ccsolve.recipes.compression.sites import Site, sites_of
from ccsolve.recipes.compression.survivors import surviving_weights
from ccsolve.recipes.steps import admissible_steps
from ccsolve.sensitivity import Exponential, unit_curve
from ccsolve.statistics.generate import random_chain
from tests.recipes.cc_networks import mixed

STATS = random_chain((6, 8, 5))


def floors(site: Site, least: int = 1) -> dict[str, int]:
    return dict.fromkeys(site.sizes, least)


def network(stats=STATS, truncation: str = "top") -> Network:
    sites = sites_of(stats)
    orders = {name: channel_order(s, name) for s in sites for name in s.sizes}
    return Network(stats, sites, orders, Entrywise(truncation))


@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (5, 5), (1, 3)])
def test_components_are_the_singular_ones(shape: tuple[int, int]):
    rng = np.random.default_rng(0)
    matrix, squared = rng.standard_normal(shape), rng.random(shape)
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    parts = components_of(matrix, min(shape))
    for k in range(min(shape)):
        one = s[k] * np.outer(u[:, k], vt[k])
        np.testing.assert_allclose(parts.product(np.array([k])), one, atol=1e-12)
        assert parts.worths(squared)[k] == pytest.approx((squared * one**2).sum())
        assert parts.products(squared)[k] == pytest.approx((squared * one).sum())
    np.testing.assert_allclose(parts.product(), matrix, atol=1e-12)


@pytest.mark.parametrize("site", sites_of(STATS), ids=lambda site: site.parts[0].name)
def test_unit_paths_are_unit_curves(site: Site):
    (part,) = site.parts
    curve, path = unit_curve(STATS.layers[part.name]), unit_path(site)
    np.testing.assert_allclose(path.losses[1:], curve.losses, rtol=1e-9)
    for step in range(1, len(path.losses)):
        assert path.gone(step).sum() == curve.channels[step - 1]
        assert path.lost(step) == [curve.components[step - 1]]
    # Where no channel is left, or a rank above what they leave, ours is what is built.
    ours, theirs = path.rates()[1:], curve.rates
    assert (ours >= theirs - 1e-12).all()
    possible = part.components - curve.components <= (
        (site.classes - curve.channels) * part.weight.shape[1] / site.classes
    )
    np.testing.assert_allclose(ours[possible], theirs[possible], atol=1e-12)


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("batch", [0.01, 0.3])
def test_paths_take_every_unit_once(place: int, batch: float):
    site = sites_of(mixed())[place]
    path = compressed(site, floors(site), Walk(batch=batch))
    classes = path.units[path.units >= 0]
    assert len(set(classes.tolist())) == len(classes)
    assert len(classes) == site.classes - len(site.sizes)
    for lost, part in zip(path.lost(len(path.units)), site.parts, strict=True):
        assert lost == max(part.components - 1, 0)
    for name, size in site.sizes.items():
        assert sorted(path.order(name).tolist()) == list(range(size))
    assert path.losses[0] == 0 and path.losses.min() >= 0


def test_paths_stop_at_the_floors():
    site = sites_of(STATS)[0]
    path = compressed(site, floors(site, 4), Walk())
    assert (path.units >= 0).sum() == site.classes - 4


def test_greedy_paths_take_the_least_loss_each_time():
    """Without a look-ahead every step is the best single removal."""
    site = sites_of(STATS)[1]
    (part,) = site.parts
    path = compressed(site, floors(site), Walk(gamma=0.0))
    first = unit_path(site)
    assert path.losses[1] == pytest.approx(first.losses[1])
    assert path.units[0] == first.units[0]
    assert path.losses[1] <= float((part.squared * part.weight**2).sum())


def test_the_papers_cost():
    site = sites_of(STATS)[0]
    (part,) = site.parts
    n, d = part.weight.shape
    gone = np.zeros(site.classes, dtype=bool)
    assert paper_cost(site, gone, [0]) == site.macs == 64 * n * d
    gone[:2] = True
    left = d - 2 * 9
    assert paper_cost(site, gone, [0]) == 64 * n * left
    assert paper_cost(site, gone, [3]) == 64 * (n - 3) * (left + n)


def test_curves_of_what_is_not_missed_are_flat():
    site = sites_of(STATS)[0]
    nothing = Path(site, np.zeros(0, dtype=np.int64), np.zeros(1))
    assert curve_of(nothing, normalised=False).rate < 1e-5


def test_decisions_cost_what_the_statistics_say_and_chains_less():
    net = network()
    widths = {"conv1": 4, "conv2": 5, "conv3": 5}
    plain = net.cost(Decision(widths, {}))
    whole = STATS.cost(widths)
    assert (plain.macs, plain.params) == (whole.macs, whole.params)
    chained = net.cost(Decision(widths, {"conv3": 2}))
    n, d = 5, 5 * 9
    assert chained.params == whole.params + 2 * (n + d) - n * d
    assert chained.macs == whole.macs + 64 * (2 * (n + d) - n * d)


def test_only_chains_that_save_are_made():
    net = network()
    widths = {"conv1": 4, "conv2": 5, "conv3": 5}
    assert net.sound(widths, {"conv3": 5}).ranks == {}
    assert net.sound(widths, {"conv3": 4}).ranks == {"conv3": 4}
    assert net.sound(widths, {"conv3": 4}, 3).ranks == {"conv3": 3}
    assert net.sound(widths, {"conv3": 1}, 3).ranks == {"conv3": 3}
    # Filters that nobody reads any more leave no rank to them.
    assert net.sound({**widths, "conv2": 2}, {"conv2": 4}).ranks == {}


@pytest.mark.parametrize("truncation", ["top", "weighted"])
def test_losses_from_scratch(truncation: str):
    net = network(truncation=truncation)
    (site, part) = net.parts["conv3"]
    decision = Decision({"conv1": 6, "conv2": 6, "conv3": 5}, {"conv3": 2})
    kept = STATS.layers["conv3"].weight.astype(float)
    kept = np.where(np.isin(np.arange(8), net.kept("conv2", 6))[:, None, None], kept, 0)
    u, s, vt = np.linalg.svd(kept.reshape(5, -1), full_matrices=False)
    terms = [s[k] * np.outer(u[:, k], vt[k]) for k in range(5)]
    worth = [float((part.squared * term**2).sum()) for term in terms]
    chosen = [0, 1] if truncation == "top" else np.argsort(worth)[-2:].tolist()
    off = sum(terms[k] for k in chosen) - part.weight
    expected = float((part.squared * off**2).sum())
    assert net.loss(site, decision) == pytest.approx(expected)


@pytest.mark.parametrize("fraction", [0.35, 0.5, 0.8])
def test_the_knapsack_is_the_best_of_all_choices(fraction: float):
    """Against every width and every rank of a small chain."""
    stats = random_chain((3, 4, 2))
    net = network(stats)
    steps = admissible_steps(stats, fixed={"conv3": 2})
    limits = {"macs": fraction * stats.cost().macs}
    solved = grid_decision(
        net, limits, steps, levels=None, multiple=1, time_limit=10.0, seed=0
    )
    ranks = [[{}, *({name: r} for r in range(1, 4))] for name in ("conv2", "conv3")]
    best = np.inf
    for a, b in itertools.product(steps["conv1"], steps["conv2"]):
        for one, two in itertools.product(*ranks):
            decision = net.sound({"conv1": a, "conv2": b, "conv3": 2}, {**one, **two})
            if net.fits(limits, decision):
                best = min(best, net.loss_of(decision))
    assert net.fits(limits, solved.decision)
    assert net.loss_of(solved.decision) == pytest.approx(best, rel=1e-9)
    assert solved.bound == pytest.approx(best, rel=1e-6)
    for levels in (2, 3):
        coarse = grid_decision(
            net, limits, steps, levels=levels, multiple=1, time_limit=10.0, seed=0
        )
        assert 0 < coarse.bound <= best * (1 + 1e-9)


def test_layers_with_more_than_one_reader_are_one_knapsack_item():
    stats = mixed()
    net = network(stats)
    steps = admissible_steps(stats)
    limits = {"params": 0.6 * stats.cost().params}
    solved = grid_decision(
        net, limits, steps, levels=None, multiple=1, time_limit=10.0, seed=0
    )
    assert 0 <= solved.bound <= net.loss_of(solved.decision)
    assert net.fits(limits, solved.decision)


def test_components_come_back_where_channels_alone_reach_the_rate():
    """conv2 is 8 x 6·9. With three channels 216 weights, as a chain of rank 6 210."""
    stats = random_chain((6, 8, 5))
    net = network(stats)
    sites = sites_of(stats)
    units = np.array([-1, -1, 0, 1, 2, 3, 4])
    first = Path(sites[0], units, np.linspace(0, 1, 8))
    other = Path(sites[1], np.zeros(0, dtype=np.int64), np.zeros(1))
    steps = admissible_steps(stats, fixed={"conv3": 5})
    rule = Rule([first, other], [Exponential(1.0, 1.0)] * 2, steps, 0.95, True, 1)
    measured = [first.rates(), other.rates()]
    assert measured[0][5] == pytest.approx(1 - 210 / 432)
    for left, ranks in ((216, {}), (215, {"conv2": 6})):
        targets = np.array([1 - left / 432, 0.0])
        found = _carried_out(net, rule, measured, targets)
        assert found.widths["conv1"] == 3
        assert found.ranks == ranks


def test_statistics_without_layers_or_gradients_are_refused():
    with pytest.raises(MissingStatistics, match="no layers"):
        sites_of(replace(STATS, layers={}))
    with pytest.raises(MissingStatistics, match="layers/classifier: no mean gradient"):
        sites_of(STATS, [])
    with pytest.raises(InvalidProblem, match="leave_out names the layer 'conv9'"):
        sites_of(STATS, ["conv9"])


def test_the_slip_counts_components_as_the_authors_do():
    stats = random_chain((2, 9, 3))
    whole, slipped = (sites_of(stats, slip=slip)[0].parts[0] for slip in (False, True))
    assert whole.components == 9 and slipped.components == 2 * 3


def test_survivors_want_a_plan_of_svd_chains():
    plan = Plan(
        recipe="by hand",
        keep={name: range(group.size) for name, group in STATS.groups.items()},
        sizes={name: group.size for name, group in STATS.groups.items()},
        factors={"conv2": Factor("tucker", 2)},
    )
    with pytest.raises(InvalidProblem, match="expected an 'svd'"):
        surviving_weights(STATS, plan)
