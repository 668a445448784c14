"""Trains over factors of channels in plans; and ranks fixed bond by bond."""

import math

import numpy as np
import pytest

import ccsolve
from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.plans import Plan
from ccsolve.statistics.generate import random_chain
from tests.recipes.rank_networks import (
    CHAIN,
    TENSORS,
    TRAINS,
    WIDE,
    latency_stats,
    with_grouped,
    with_runs,
)
from tests.recipes.test_low_rank import loss_at


@pytest.mark.parametrize("recipe", ["tucker", "tt"])
def test_ranks_can_be_fixed_bond_by_bond(tmp_path, recipe: str) -> None:
    fixed = {"conv1": (4, 2), "conv2": [5, 3], "classifier": (2,)}
    plan = ccsolve.plan(CHAIN, macs=0.9, recipe=recipe, fixed=fixed)
    assert {n: plan.factors[n].ranks for n in fixed} == {
        name: tuple(ranks) for name, ranks in fixed.items()
    }
    assert plan.factors["conv1"].format == recipe
    expected = math.fsum(loss_at(CHAIN, n, f, "loss") for n, f in plan.factors.items())
    assert plan.objective == pytest.approx(expected)
    plan.save(tmp_path / "plan.json")
    again = Plan.load(tmp_path / "plan.json")
    assert again.provenance["fixed"]["conv1"] == [4, 2]


@pytest.mark.parametrize(
    ("fixed", "message"),
    [
        ({"conv2": (5, 3, 2)}, "3 ranks; expected one number, or one for each of 2"),
        ({"conv2": ()}, "0 ranks"),
        ({"conv2": (99, 3)}, r"fixed\['conv2'\]\[0\] = 99"),
        ({"conv2": (0, 3)}, r"fixed\['conv2'\]\[0\] = 0"),
        ({"conv2": (2.0, 3)}, r"fixed\['conv2'\]\[0\] = 2.0"),
        ({"conv2": "44"}, "'44'"),
    ],
)
def test_ranks_that_cannot_be_fixed(fixed, message) -> None:
    with pytest.raises(InvalidProblem, match=message):
        ccsolve.plan(CHAIN, macs=0.9, recipe="tucker", fixed=fixed)


def test_ranks_that_leave_no_room_are_refused() -> None:
    """Of a kernel of 9 weights one side has at most 9 times the other's rank."""
    stats = with_runs(random_chain((12, 12, 4)))
    with pytest.raises(InvalidProblem, match="leave room for"):
        ccsolve.plan(stats, macs=0.9, recipe="tucker", fixed={"conv2": (12, 1)})
    alone = ccsolve.plan(stats, macs=0.9, recipe="tucker", fixed={"conv2": (9, 1)})
    assert alone.factors["conv2"].ranks == (9, 1)


def test_what_cannot_be_measured_cannot_be_fixed() -> None:
    with pytest.raises(Unsupported, match="cannot be counted or measured"):
        stats = with_grouped(CHAIN, "conv2")
        ccsolve.plan(stats, macs=0.9, recipe="svd", metric="loss", fixed={"conv2": 2})


def test_trains_over_factors_of_channels() -> None:
    """Weights that are such trains lose nothing, where pairs of ranks lose much."""
    fixed = dict.fromkeys(TENSORS.layers, 0)
    free = {name: 0 for name in fixed if name not in TRAINS}
    dense = TENSORS.cost().params
    least = sum(TENSORS.layers[name].weight.size for name in TRAINS)
    ends = (2 * (modes[0] + modes[-1]) for modes in TRAINS.values())
    cores = sum(ends) + sum(4 * sum(modes[1:-1]) for modes in TRAINS.values())
    asked = int(dense - least + cores)
    plan = ccsolve.plan(TENSORS, params=asked, recipe="tt", modes=TRAINS, fixed=free)
    assert plan.objective == pytest.approx(0, abs=1e-6)
    assert {name: plan.factors[name].ranks for name in TRAINS} == {
        name: (2, 2, 2, 2) for name in TRAINS
    }
    assert plan.achieved["params"] == dense - least + cores
    pairs = ccsolve.plan(
        TENSORS, params=asked, recipe="tt", metric="weights", fixed=free
    )
    assert pairs.objective > 0.1
    found = ccsolve.plan(TENSORS, params=asked, recipe="tt", modes=2, fixed=free)
    assert found.factors["conv2"].modes == TRAINS["conv2"]


@pytest.mark.parametrize("given", [{"params": 0.5}, {"macs": 0.6}])
def test_a_number_of_modes_loses_no_more_than_none(given) -> None:
    """Pairs of ranks are offered beside the trains, unless modes are given by layer."""
    for stats in (WIDE, TENSORS):
        plain = ccsolve.plan(stats, **given, recipe="tt", metric="weights")
        found = ccsolve.plan(stats, **given, recipe="tt", modes=2)
        assert found.objective <= plain.objective + plain.resolution
    named = ccsolve.plan(TENSORS, **given, recipe="tt", modes=TRAINS)
    assert all(named.factors[n].modes for n in TRAINS if n in named.factors)


@pytest.mark.parametrize("multiple", [1, 3])
def test_trains_lose_no_more_than_is_counted(multiple: int) -> None:
    """The loss of truncating bond by bond, from the factors that it gives."""
    stats = with_runs(random_chain((8, 12)))
    plan = ccsolve.plan(stats, params=0.4, recipe="tt", modes=2, multiple_of=multiple)
    assert plan.provenance["metric"] == "weights" and plan.factors
    for name, factor in plan.factors.items():
        weight = stats.layers[name].weight
        n, c, *_ = weight.shape
        tensor = np.moveaxis(weight.reshape(n, c, -1), 1, -1)
        modes = factor.modes or (*(m for m in (n, tensor.shape[1], c) if m > 1),)
        fit = ccsolve.solve(
            ccsolve.LowRankFit(tensor.reshape(modes), "tt", ranks=factor.ranks),
            method="tt_svd",
        )
        worth = float(np.sum(weight.astype(np.float64) ** 2))
        counted = plan.provenance["layers"][name]["loss"]
        assert 2 * fit.objective / worth <= counted * (1 + 1e-5) + 1e-9
        assert counted <= 1


def test_ranks_of_trains_can_be_fixed() -> None:
    fixed = {"conv2": (3, 2, 5, 4)}
    plan = ccsolve.plan(TENSORS, macs=0.9, recipe="tt", modes=2, fixed=fixed)
    assert plan.factors["conv2"].ranks == (3, 2, 5, 4)
    alone = ccsolve.plan(TENSORS, macs=0.9, recipe="tt", modes=2, fixed={"conv2": 3})
    assert alone.factors["conv2"].ranks == (3, 3, 3, 3)
    with pytest.raises(InvalidProblem, match="one for each of 4 bonds"):
        ccsolve.plan(TENSORS, macs=0.9, recipe="tt", modes=2, fixed={"conv2": (2, 2)})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modes": 0}, "modes = 0"),
        ({"modes": 2.5}, "modes = 2.5"),
        ({"modes": {"conv9": (4, 4, 9, 16)}}, "modes names 'conv9'"),
        ({"modes": {"conv2": (4, 5, 9, 16)}}, r"modes\['conv2'\]: modes"),
        ({"modes": 2, "metric": "loss"}, "modes with metric 'loss'"),
    ],
)
def test_modes_that_cannot_be(options, message) -> None:
    with pytest.raises((InvalidProblem, Unsupported), match=message):
        ccsolve.plan(TENSORS, macs=0.9, recipe="tt", **options)


def test_groups_have_no_trains() -> None:
    grouped = with_grouped(with_runs(random_chain((8, 12))), "conv2")
    with pytest.raises(InvalidProblem, match="of 2 groups; expected one group"):
        ccsolve.plan(grouped, params=0.8, recipe="tt", modes={"conv2": (8, 9, 8)})
    plan = ccsolve.plan(grouped, params=0.5, recipe="tt", modes=2)
    assert all(f.modes == () for n, f in plan.factors.items() if n == "conv2")
    with pytest.raises(Unsupported, match="latency with modes"):
        ccsolve.plan(latency_stats(), latency=200, recipe="tt", modes=2)


@pytest.mark.parametrize("recipe", ["svd", "tucker", "tt", "admm_tt", "linear_conv"])
@pytest.mark.parametrize("name", ["fixed", "times"])
def test_what_is_not_by_layer_is_refused(recipe: str, name: str) -> None:
    if (recipe, name) == ("linear_conv", "times"):
        return
    with pytest.raises(InvalidProblem, match=f"{name} = 3; expected a mapping"):
        ccsolve.plan(CHAIN, params=0.9, recipe=recipe, **{name: 3})


@pytest.mark.parametrize("recipe", ["svd", "tucker", "tt", "linear_conv"])
def test_numpy_numbers_are_numbers(recipe: str) -> None:
    asked = {"conv1": 0, "conv2": 3}
    given = {name: np.int64(rank) for name, rank in asked.items()}
    plain, other = (
        ccsolve.plan(CHAIN, params=0.9, recipe=recipe, metric="weights", fixed=some)
        for some in (asked, given)
    )
    assert other.factors == plain.factors and other.primary == plain.primary
    assert "conv1" not in {**other.factors, **other.primary}


def test_modes_of_one_element_may_stand_anywhere() -> None:
    n, c, *kernel = CHAIN.layers["conv2"].weight.shape
    size = int(np.prod(kernel))
    for modes in ((n, 1, size, 1, c), (1, n, size, c, 1)):
        plan = ccsolve.plan(
            *(CHAIN, 0.8),
            recipe="tt",
            modes={"conv2": modes},
            fixed={"conv2": 2, "classifier": 0},
        )
        factor = plan.factors["conv2"]
        assert factor.modes == modes and max(factor.ranks) == 2
        assert plan.achieved["macs"] <= plan.asked["macs"]


@pytest.mark.parametrize("modes", [4, None, "ab", (0, 2), (2.0, 3)])
def test_wrong_modes_name_their_layer(modes: object) -> None:
    with pytest.raises(InvalidProblem, match=r"modes\['conv2'\]: factor: mode"):
        ccsolve.plan(CHAIN, params=0.8, recipe="tt", modes={"conv2": modes})
