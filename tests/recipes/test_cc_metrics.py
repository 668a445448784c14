"""The metrics of CC: what they price, and the bounds of coarse grids."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import ccsolve
from ccsolve.criteria import refit_removal
from ccsolve.criteria.refitting import comparable, readers, regular
from ccsolve.criteria.removal import RIDGE
from ccsolve.errors import MissingStatistics
from ccsolve.recipes.compression.cells import cell_losses
from ccsolve.recipes.compression.decisions import Decision, Network
from ccsolve.recipes.compression.grid import grid_decision
from ccsolve.recipes.compression.metrics import layer_scales, strongest
from ccsolve.recipes.compression.options import Option, options_of
from ccsolve.recipes.compression.prices import Entrywise, Refitted
from ccsolve.recipes.compression.sites import Site, sites_of
from ccsolve.recipes.steps import Steps, admissible_steps
from ccsolve.statistics.generate import random_chain
from tests.recipes.cc_networks import mixed

STATS = random_chain((6, 8, 5))


def refitted() -> Network:
    sites = sites_of(STATS, metric="refit")
    orders = {name: refit_removal(STATS, name).order for s in sites for name in s.sizes}
    return Network(STATS, sites, orders, Refitted.of(STATS, sites))


def test_the_worth_of_an_entry_is_that_of_the_diagonals():
    layer = STATS.layers["conv2"]
    scale = layer_scales(STATS, ["conv2"])["conv2"]
    (part,) = sites_of(STATS, metric="curvature")[0].parts
    assert layer.input_moment is not None and layer.output_curvature is not None
    for a, b in ((0, 0), (3, 7), (5, 20)):
        expected = layer.output_curvature[a, a] * layer.input_moment[b, b]
        assert part.squared[a, b] == pytest.approx(0.5 * scale * expected)


def test_channels_without_a_chain_cost_what_a_refit_leaves():
    """The same as greedy removal counts, which sweeps instead of solving."""
    net = refitted()
    site, _ = net.parts["conv2"]
    losses = refit_removal(STATS, "conv1").loss
    whole = {name: group.size for name, group in STATS.groups.items()}
    for width in range(1, 7):
        found = net.loss(site, Decision({**whole, "conv1": width}, {}))
        assert found == pytest.approx(losses[6 - width], rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("rank", [1, 3])
def test_a_chain_costs_what_the_best_map_of_its_rank_leaves(rank: int):
    """Against the map itself, and against other maps of that rank."""
    net = refitted()
    site, part = net.parts["conv3"]
    whole = {name: group.size for name, group in STATS.groups.items()}
    widths = {**whole, "conv2": 5}
    found = net.loss(site, Decision(widths, {"conv3": rank}))
    layer = STATS.layers["conv3"]
    (reader,) = readers(STATS, "conv2")
    scale = comparable(STATS, "conv2", [reader])
    h, left = regular(reader, RIDGE), part.columns(net.gone(site, widths))
    assert layer.output_curvature is not None
    curved = layer.output_curvature.astype(float) + 1e-9 * np.eye(5)

    def loss(small: np.ndarray) -> float:
        off = reader.weight.copy()
        off[left] -= small
        return 0.5 * scale * float(np.trace(curved @ (off.T @ h @ off)))

    inner = h[np.ix_(left, left)]
    fitted = np.linalg.solve(inner, (h @ reader.weight)[left])
    root = np.linalg.cholesky(curved)
    values, vectors = np.linalg.eigh(root.T @ fitted.T @ inner @ fitted @ root)
    own = vectors[:, np.argsort(-values)[:rank]]
    best = fitted @ root @ own @ own.T @ np.linalg.inv(root)
    assert np.linalg.matrix_rank(best) == rank
    assert found == pytest.approx(loss(best), rel=1e-5)
    rng = np.random.default_rng(0)
    for _ in range(20):
        down = rng.standard_normal((5, rank))
        other = fitted @ down @ np.linalg.pinv(down)
        assert found <= loss(other) * (1 + 1e-6)


def test_losses_fall_with_channels_and_ranks():
    net = refitted()
    site, part = net.parts["conv3"]
    ladders = [
        net.price(part, part.columns(net.gone(site, {"conv2": width})))
        for width in range(1, 9)
    ]
    for fewer, more in pairwise(ladders):
        assert (np.diff(fewer) <= 1e-12).all()
        length = min(len(fewer), len(more))
        assert (more[:length] <= fewer[:length] + 1e-12).all()
    assert ladders[-1][-1] == 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("levels", [2, 3, None])
def test_bounds_hold_where_layers_share_channels(seed: int, levels: int | None):
    """No decision at random that fits is below the bound."""
    stats = mixed(seed)
    sites = sites_of(stats)
    rng = np.random.default_rng(seed)
    orders = {n: rng.permutation(s.sizes[n]) for s in sites for n in s.sizes}
    net, steps = Network(stats, sites, orders, Entrywise()), admissible_steps(stats)
    limits = {"params": 0.6 * stats.cost().params}
    solved = grid_decision(
        net, limits, steps, levels=levels, multiple=1, time_limit=10.0, seed=0
    )
    losses = [net.loss_of(solved.decision)]
    for _ in range(300):
        widths = {name: int(rng.choice(step)) for name, step in steps.items()}
        ranks = {
            n: int(rng.integers(1, 5))
            for n, (_, p) in net.parts.items()
            if p.components
        }
        chosen = net.sound(
            widths, {n: r for n, r in ranks.items() if rng.random() < 0.6}
        )
        if net.fits(limits, chosen):
            losses.append(net.loss_of(chosen))
    assert len(losses) > 20
    assert solved.bound <= min(losses) * (1 + 1e-9)


@pytest.mark.parametrize("levels", [2, 3, None])
@pytest.mark.parametrize("name", ["mixed", "chain"])
def test_no_decision_is_below_the_loss_of_its_cell(name: str, levels: int | None):
    """All widths of each site, and all ranks of its first layer."""
    if name == "chain":
        net, stats = refitted(), STATS
    else:
        stats = mixed(2)
        sites = sites_of(stats)
        orders = {n: np.arange(s.sizes[n]) for s in sites for n in s.sizes}
        net = Network(stats, sites, orders, Entrywise())
    steps = admissible_steps(stats)
    for site in net.sites:
        options = options_of(net, site, steps, levels, 1)
        bounds = cell_losses(net, site, steps, options)
        for decision in decisions(net, site, steps):
            cell = covering(site, options, decision)
            assert net.loss(site, decision) >= bounds[cell] - 1e-12


def decisions(net: Network, site: Site, steps: Steps) -> Iterator[Decision]:
    whole = {name: step[-1] for name, step in steps.items()}
    for chosen in itertools.product(*(steps[name] for name in site.sizes)):
        widths = {**whole, **dict(zip(site.sizes, chosen, strict=True))}
        yield Decision(widths, {})
        for part in (part for part in site.parts if part.components):
            for rank in range(1, part.components):
                yield net.sound(widths, {part.name: rank})


def covering(site: Site, options: list[Option], decision: Decision) -> int:
    """Give the place of the largest option that the decision is nowhere below."""

    def below(option: Option) -> bool:
        narrow = any(decision.widths[n] < w for n, w in option.widths.items())
        plain = option.ranks or not decision.ranks
        thin = any(decision.ranks.get(n, r) < r for n, r in option.ranks.items())
        return narrow or thin or not plain

    fitting = [place for place, option in enumerate(options) if not below(option)]
    widest = options[fitting[-1]].widths
    same = [place for place in fitting if options[place].widths == widest]
    # A plain layer belongs to the option without chains, which stands last.
    return same[-1]


def test_auto_is_refit_where_its_statistics_are():
    plan = ccsolve.plan(STATS, macs=0.5, recipe="cc", allocation="exact")
    assert plan.provenance["metric"] == "refit" == strongest(STATS, STATS.layers)
    bare = replace(
        STATS,
        layers={
            n: replace(one, input_moment=None, input_mean=None)
            for n, one in STATS.layers.items()
        },
    )
    plan = ccsolve.plan(bare, macs=0.5, recipe="cc", allocation="exact")
    assert plan.provenance["metric"] == "gradient"
    assert ccsolve.plan(STATS, macs=0.5, recipe="cc").provenance["metric"] == "gradient"
    for metric in ("curvature", "refit"):
        with pytest.raises(MissingStatistics, match="layers/conv2: no input moments"):
            ccsolve.plan(bare, 0.5, recipe="cc", allocation="exact", metric=metric)
