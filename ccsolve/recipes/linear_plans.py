"""LinearConv as a recipe: how many filters of each layer are primary, by a program.

A layer of n filters over d columns that holds n_p of them has n_p·d + (n - n_p)·n_p
weights; its other filters are combinations of these (Kahatapitiya and Rodrigo, WACV
2021, who take half of every layer). Which n_p a budget of parameters is worth most in
is one option per layer and number.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import (
    Infeasible,
    InvalidProblem,
    MissingStatistics,
)
from ccsolve.plans import Plan
from ccsolve.problems.checks import whole_number
from ccsolve.recipes.chain_options import check_mapping, check_params_alone
from ccsolve.recipes.chains import Chainable, chainables
from ccsolve.recipes.linear_conv import gram_of
from ccsolve.recipes.rank_allocation import shared, spent
from ccsolve.recipes.ranks import UNITS, Choices, Rules, rules_of
from ccsolve.statistics import Layer, Statistics

Array = NDArray[np.float64]

RECIPE = "linear_conv"


def plan(
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    metric: str = "auto",
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
    time_limit: float = 10.0,
    gap: float = 1e-6,
    seed: int = 0,
) -> Plan:
    """Say how many filters of each convolution are primary, within the parameters.

    The loss of n_p filters is that of the first n_p pivots of a QR, which
    `linear_filters` never exceeds when the filters are chosen; all n of them take
    O(n³ + n²·d). Losses of layers add up, and the bound is over these losses.

    Parameters
    ----------
    stats, limits
        The statistics, with layers, and what may remain of "params": multiplications
        stay as they are.
    metric
        "loss", "inputs" or "weights", see the recipe "svd"; "auto" is the first that
        all layers have statistics for.
    multiple_of, min_keep
        n_p is a multiple of the one, and no less than the other.
    fixed
        Layer -> its n_p, 0 to stay as it is.
    time_limit, gap, seed
        Of the program.

    Raises
    ------
    InvalidProblem
        An unknown layer or metric, or a number of filters that it does not have.
    Infeasible
        The budget is below what the fewest primary filters leave.
    MissingStatistics
        No convolution's weight was collected, or not what the metric needs.
    Unsupported
        A budget on anything but parameters.
    """
    check_params_alone(limits)
    rules = rules_of(stats, "svd", "channel", metric, multiple_of, min_keep)
    chains = _convolutions(stats)
    held = _checked(chains, fixed)
    counts = {
        name: _counts(chain, rules, held.get(name)) for name, chain in chains.items()
    }
    options = {
        name: _choices(stats.layers[name], counts[name], rules.metric)
        for name in chains
    }
    total = stats.cost()
    dense = math.fsum(chain.dense()["params"] for chain in chains.values())
    rest, search = total.params - dense, {"time_limit": time_limit, "gap": gap}
    _require_attainable(rest, options, limits["params"])
    shares = shared(options, {"params": rest}, limits, **search, seed=seed)
    (paid,) = spent(options, shares.chosen)
    return Plan(
        recipe=RECIPE,
        keep={name: np.arange(group.size) for name, group in stats.groups.items()},
        sizes={name: group.size for name, group in stats.groups.items()},
        primary=dict(_made_of_others(chains, counts, shares.chosen)),
        achieved={"macs": total.macs, "params": rest + paid},
        objective=shares.objective,
        bound=min(shares.solution.bound, shares.objective),
        prices={"params": shares.prices[0]},
        resolution=shares.solution.resolution,
        provenance={
            "metric": rules.metric,
            "multiple_of": multiple_of,
            "min_keep": min_keep,
            "fixed": held,
            **search,
            "seed": seed,
            "objective": UNITS[rules.metric],
            "price": UNITS[rules.metric],
            "bound": "over the numbers that were offered, on these losses",
        },
    )


def primary_losses(layer: Layer, metric: str) -> Array:
    """Give what is lost when the first 1, 2, ..., n pivots are primary; (n,).

    "loss": ½ tr M R with M the curvature of the loss in the outputs and R = K - K_:P
    K_PP⁻¹ K_P:, K = W Σ Wᵀ; "inputs": tr R over tr K; "weights": the same with Σ = 1.
    Pivots are those of a QR of WΣ^½, one after the other, so losses never rise.
    """
    rows = layer.weight.reshape(len(layer.weight), -1).astype(np.float64)
    moment = None if metric == "weights" else _part(layer, "input_moment")
    left = gram_of(rows, None if moment is None else moment.astype(np.float64))
    scale, weights = float(np.trace(left)), np.eye(len(rows))
    if metric == "loss":
        weights, scale = _part(layer, "output_curvature").astype(np.float64), 2.0
    losses = np.empty(len(rows))
    for step in range(len(rows)):
        pivot = int(np.diagonal(left).argmax())
        largest = left[pivot, pivot]
        if largest > 0:
            left = left - np.outer(left[pivot], left[pivot]) / largest
        # Rounding must not take a row twice.
        left[pivot] = left[:, pivot] = 0.0
        losses[step] = max(0.0, float(np.vdot(weights, left)))
    losses = losses / scale if scale > 0 else losses
    return np.minimum.accumulate(losses)


def _convolutions(stats: Statistics) -> dict[str, Chainable]:
    """Give the plain convolutions of one group."""
    return {
        name: chain
        for name, chain in chainables(stats).items()
        if chain.groups == 1 and not chain.transposed and chain.axes > 0
    }


def _require_attainable(
    rest: float, options: Mapping[str, Choices], limit: float
) -> None:
    least = rest + math.fsum(item.costs.min() for item in options.values())
    if least > limit:
        raise Infeasible(
            f"budget params = {limit:.0f}, but the fewest primary filters allowed "
            f"take {least:.0f}; raise the budget to that, lower min_keep or "
            "multiple_of, or fix less"
        )


def _made_of_others(
    chains: Mapping[str, Chainable],
    counts: Mapping[str, list[int]],
    chosen: Mapping[str, int],
) -> Iterator[tuple[str, int]]:
    """Give the layers that do not stay as they are, with their n_p."""
    for name, option in chosen.items():
        if counts[name][option] < chains[name].shape[0]:
            yield name, counts[name][option]


def _part(layer: Layer, name: str) -> Array:
    part = getattr(layer, name)
    if part is None:
        raise MissingStatistics(
            f"layers/{layer.name}: no {name} was collected; collect with "
            "layers='moments', or take metric 'weights'"
        )
    return part


def _checked(
    chains: Mapping[str, Chainable], fixed: Mapping[str, int] | None
) -> dict[str, int]:
    check_mapping("fixed", fixed)
    held: dict[str, Any] = dict(fixed or {})
    for name, count in held.items():
        if name not in chains:
            raise InvalidProblem(
                f"fixed names {name!r}, which is no convolution of one group; expected "
                f"among {', '.join(chains)[:200]}"
            )
        whole_number(f"fixed[{name!r}]", count, 0, chains[name].shape[0])
    return held


def _counts(chain: Chainable, rules: Rules, fixed: int | None) -> list[int]:
    """Give the numbers of primary filters on offer; all stands for the layer."""
    n, *rest = chain.shape
    if fixed is not None:
        return [fixed or n]
    columns = math.prod(rest)
    return [
        count
        for count in range(rules.multiple_of, n, rules.multiple_of)
        if count >= rules.min_keep and _weights(count, n, columns) < n * columns
    ] + [n]


def _weights(count: int, filters: int, columns: int) -> int:
    """Give n_p·d + (n - n_p)·n_p."""
    return count * columns + (filters - count) * count


def _choices(layer: Layer, counts: list[int], metric: str) -> Choices:
    n = len(layer.weight)
    columns = layer.weight[0].size
    losses = primary_losses(layer, metric)
    losses[-1] = 0.0
    costs = [[float(_weights(count, n, columns))] for count in counts]
    return Choices(
        (None,) * len(counts),
        np.array([losses[count - 1] for count in counts]),
        np.array(costs),
    )
