"""Seeded families of rate allocations, for tests, documentation and benchmarks.

Each function gives the same program for the same arguments. `netlike` has the laws of
a network's tables, smooth up to noise; `pisinger` has whole data, some of it made to be
hard for exact methods. Every program has a point within all of its budgets.
"""

import math
from typing import Literal, get_args

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.problems.allocation import RateAllocation
from ccsolve.problems.checks import real_number, whole_number
from ccsolve.problems.option_tables import MOST_BUDGETS

Kind = Literal["uncorrelated", "weak", "strong", "subset_sum"]

NOISE = 0.03
"""Relative noise of the network's tables."""

_MANY = 2**31


def netlike(
    layers: int, options: int, budgets: int = 1, seed: int = 0, share: float = 0.5
) -> RateAllocation:
    """Give the ranks of factorised convolutions as a program, with its laws and noise.

    A layer has k x k kernels between c_in and c_out channels on a map of s x s; its
    options are a grid of ranks (r, t), r ≤ c_in, t ≤ c_out, in a·b ≤ ``options``
    points with a = ⌊√options⌋ (100, 992 and 3,969 of 100, 1,000 and 4,000). The costs
    are, in this order, MACs s²(c_in·r + r·t·k² + t·c_out), parameters, a latency that
    grows in steps of 8 channels, and the memory of the maps; the loss is a sum of the
    power-law tails beyond both ranks. All carry 3 % of noise.

    Parameters
    ----------
    budgets : how many of the four costs have one.
    share : of the cost from all smallest to all largest ranks that each budget allows.
    """
    for name, value in (("layers", layers), ("options", options)):
        whole_number(name, value, 1, _MANY)
    whole_number("budgets", budgets, 1, MOST_BUDGETS)
    if not 0 <= real_number("share", share) <= 1:
        raise InvalidProblem(f"share = {share!r}; expected from 0 to 1")
    rng = np.random.default_rng(seed)
    tables = [_factorised_layer(options, budgets, rng) for _ in range(layers)]
    losses, costs = [own for own, _ in tables], [paid for _, paid in tables]
    smallest = np.sum([paid[0] for paid in costs], axis=0)
    largest = np.sum([paid[-1] for paid in costs], axis=0)
    allowed = smallest + share * np.maximum(largest - smallest, 0.0)
    return RateAllocation(losses, costs, allowed)


def pisinger(
    kind: Kind,
    layers: int,
    options: int,
    budgets: int = 1,
    seed: int = 0,
    largest: int = 1000,
) -> RateAllocation:
    """Give a knapsack test program of Pisinger's; all data are whole numbers.

    With weights w uniform in 1..``largest`` and profits p, losses are -p:

    - "uncorrelated": p uniform in 1..``largest`` as well;
    - "weak": p uniform within 10 of w, at least 1;
    - "subset_sum": p = w;
    - "strong": p = w + 10, sorted by w, and both summed up within a layer, so that no
      option is dominated or above the hull.

    Every budget allows half of the cheapest and the dearest choice together (EJOR 83,
    1995, section 5). With several budgets p follows the sum of the weights, and the
    budgets are raised so that one point, the middle option of every layer, keeps all.
    """
    if kind not in get_args(Kind):
        raise InvalidProblem(f"kind = {kind!r}; expected one of {get_args(Kind)}")
    for name, value in (("layers", layers), ("options", options), ("largest", largest)):
        whole_number(name, value, 1, _MANY)
    whole_number("budgets", budgets, 1, MOST_BUDGETS)
    rng = np.random.default_rng(seed)
    weights = rng.integers(1, largest + 1, (layers, options, budgets))
    profits = _profits(kind, weights, largest, rng)
    if kind == "strong":
        weights, profits = _summed(weights, profits)
    ends = weights.min(axis=1) + weights.max(axis=1)
    allowed = ends.sum(axis=0) // 2
    if budgets > 1:
        allowed = np.maximum(allowed, weights[:, options // 2].sum(axis=0))
    return RateAllocation(list(-profits), list(weights), allowed)


def _factorised_layer(
    options: int, budgets: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Give losses (K,) and costs (K, B) of one layer."""
    rows = math.isqrt(options)
    c_in, c_out = 2.0 ** rng.integers(5, 10, 2)
    kernel, side = float(rng.choice([1, 3])), 2.0 ** rng.integers(2, 6)
    steps = [np.arange(1, count + 1) / count for count in (rows, options // rows)]
    a, b = (part.ravel() for part in np.meshgrid(*steps, indexing="ij"))
    r, t = np.ceil(a * c_in), np.ceil(b * c_out)
    parameters = c_in * r + r * t * kernel**2 + t * c_out
    blocks = np.ceil(r / 8.0) * np.ceil(t / 8.0)
    overhead = 0.05 * c_in * c_out / 64.0
    costs = np.column_stack(
        [
            side**2 * parameters,
            parameters,
            side * (overhead + blocks * kernel),
            side**2 * (r + t + c_out),
        ]
    )[:, :budgets]
    costs = costs * rng.uniform(1.0 - NOISE, 1.0 + NOISE, costs.shape)
    losses = rng.lognormal(0.0, 1.0) * (_tail(a, rng) + _tail(b, rng))
    return losses * rng.uniform(1.0 - NOISE, 1.0 + NOISE, len(losses)), costs


def _tail(share: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Give what a power-law spectrum holds beyond a share of its modes."""
    power = rng.uniform(0.5, 2.0)
    return np.maximum((1.0 + 16.0 * share) ** -power - 17.0**-power, 0.0)


def _profits(
    kind: Kind, weights: np.ndarray, largest: int, rng: np.random.Generator
) -> np.ndarray:
    together = weights.sum(axis=2)
    if kind == "uncorrelated":
        return rng.integers(1, largest + 1, together.shape)
    if kind == "weak":
        return np.maximum(1, together + rng.integers(-10, 11, together.shape))
    return together + 10 if kind == "strong" else together


def _summed(weights: np.ndarray, profits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give both summed up within the layers, the light options first."""
    order = np.argsort(profits, axis=1, kind="stable")
    weights = np.take_along_axis(weights, order[..., None], axis=1)
    profits = np.take_along_axis(profits, order, axis=1)
    return weights.cumsum(axis=1), profits.cumsum(axis=1)
