"""The recipe "linear_conv": how many filters are primary, within the parameters."""

from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from itertools import product
from typing import Any

import numpy as np
import pytest

import ccsolve
from ccsolve.errors import Infeasible, InvalidProblem, MissingStatistics, Unsupported
from ccsolve.recipes.linear_conv import linear_filters
from ccsolve.recipes.linear_plans import primary_losses
from ccsolve.statistics import Layer

STATS = ccsolve.Statistics.load(
    str(files("ccsolve.data") / "digits_resnet.safetensors")
)
CONVOLUTIONS = [n for n, one in STATS.layers.items() if one.kind == "conv"]
RNG = np.random.default_rng(0)


def layer() -> Layer:
    x, j = RNG.standard_normal((40, 18)), RNG.standard_normal((9, 6))
    return Layer(
        name="a",
        kind="conv",
        weight=RNG.standard_normal((6, 2, 3, 3)),
        input_moment=x.T @ x / 40,
        output_curvature=j.T @ j,
    )


def weights(count: int, filters: int, columns: int) -> int:
    return count * columns + (filters - count) * count


def params_of(plan: ccsolve.Plan) -> float:
    """Count the parameters from the shapes alone."""
    saved = 0
    for name, count in plan.primary.items():
        n, *rest = STATS.layers[name].weight.shape
        saved += n * np.prod(rest) - weights(count, n, int(np.prod(rest)))
    return STATS.cost().params - saved


@pytest.mark.parametrize("metric", ["loss", "inputs", "weights"])
def test_losses_are_those_of_the_filters_that_are_chosen(metric: str) -> None:
    one = layer()
    losses = primary_losses(one, metric)
    assert (np.diff(losses) <= 0).all()
    assert losses[-1] == pytest.approx(0, abs=1e-9)
    assert one.input_moment is not None and one.output_curvature is not None
    W = one.weight.reshape(6, 18)
    C = np.eye(18) if metric == "weights" else one.input_moment
    M = one.output_curvature / 2 if metric == "loss" else np.eye(6)
    whole = 1.0 if metric == "loss" else float(np.trace(W @ C @ W.T))
    for count in range(1, 6):
        found = linear_filters(W, count, moment=C)
        made = np.zeros_like(W)
        made[found.primary] = W[found.primary]
        made[found.secondary] = found.coefficients @ W[found.primary]
        least = float(np.vdot(M @ (W - made), (W - made) @ C)) / whole
        if metric != "loss":
            # Swaps begin at the pivots, and never end above them.
            assert least <= losses[count - 1] * (1 + 1e-9)


@pytest.mark.parametrize("part", [0.9, 0.6])
def test_the_budget_is_kept_and_counted_by_hand(part: float) -> None:
    plan = ccsolve.plan(STATS, params=part, recipe="linear_conv", metric="weights")
    assert plan.primary
    assert plan.widths == plan.sizes
    assert plan.achieved["params"] == params_of(plan) <= plan.asked["params"]
    assert plan.achieved["macs"] == plan.original["macs"]
    assert plan.bound <= plan.objective


def test_the_program_is_solved() -> None:
    free = CONVOLUTIONS[:3]
    fixed: Mapping[str, int] = {n: 0 for n in CONVOLUTIONS if n not in free}
    options: dict[str, Any] = {"recipe": "linear_conv", "metric": "weights"}
    plan = ccsolve.plan(STATS, params=0.96, fixed=fixed, **options)
    shapes = [STATS.layers[name].weight.shape for name in free]
    losses = [primary_losses(STATS.layers[name], "weights") for name in free]
    rest = STATS.cost().params - sum(np.prod(shape) for shape in shapes)
    best = np.inf
    for counts in product(*(range(1, shape[0] + 1) for shape in shapes)):
        paid = sum(
            weights(count, shape[0], int(np.prod(shape[1:])))
            for count, shape in zip(counts, shapes, strict=True)
        )
        if rest + paid <= plan.asked["params"]:
            lost = [
                loss[count - 1] if count < len(loss) else 0.0
                for count, loss in zip(counts, losses, strict=True)
            ]
            best = min(best, sum(lost))
    assert plan.objective == pytest.approx(best, rel=1e-6)
    assert set(plan.primary) <= set(free)


def test_options_shape_the_numbers() -> None:
    options: dict[str, Any] = {"recipe": "linear_conv", "metric": "weights"}
    plan = ccsolve.plan(STATS, params=0.7, multiple_of=2, min_keep=4, **options)
    assert all(count % 2 == 0 and count >= 4 for count in plan.primary.values())
    name = CONVOLUTIONS[1]
    held = ccsolve.plan(STATS, params=0.99, fixed={name: 3}, **options)
    assert held.primary[name] == 3


def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(Unsupported, match="macs with recipe 'linear_conv'"):
        ccsolve.plan(STATS, macs=0.5, recipe="linear_conv")
    with pytest.raises(Infeasible, match="params = 10, but the fewest primary"):
        ccsolve.plan(STATS, params=10, recipe="linear_conv")
    with pytest.raises(InvalidProblem, match="fixed names 'nothing'"):
        ccsolve.plan(STATS, params=0.9, recipe="linear_conv", fixed={"nothing": 1})
    bare = replace(layer(), input_moment=None)
    with pytest.raises(MissingStatistics, match="no input_moment was collected"):
        primary_losses(bare, "inputs")
