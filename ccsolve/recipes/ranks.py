"""The ranks that a layer may have: what each choice loses, and what it costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ccsolve.errors import MissingStatistics, Unsupported
from ccsolve.factors import Factor
from ccsolve.recipes.chain_options import check_rules
from ccsolve.recipes.chains import Chainable, chainables
from ccsolve.recipes.rank_grids import Fixed, Ranks, fixed_ranks, offered
from ccsolve.recipes.train_options import bond_tails, losses_at, train_options
from ccsolve.sensitivity import low_rank_losses, spatial_losses, two_sided_losses
from ccsolve.statistics import Layer, Statistics
from ccsolve.statistics.cost import COUNTED

Array = NDArray[np.float64]
Shape = tuple[int, ...]
Times = Mapping[tuple[int, ...], float]
"""Ranks -> microseconds of a layer; no ranks for the layer as it is."""


UNITS: Mapping[str, str] = MappingProxyType(
    {
        "loss": "predicted rise of the loss",
        "inputs": "squared errors of outputs, each a share of its layer's",
        "weights": "squared errors of weights, each a share of its layer's",
    }
)
"""What the objective is, by metric."""


@dataclass(frozen=True)
class Rules:
    """Which factors layers may have, and how their losses are measured.

    Parameters
    ----------
    format, split
        Of every `Factor`; layers with a kernel of one weight are split in two, "svd".
    metric
        See `low_rank_losses`. "weights" and "inputs" count as shares of what the whole
        layer is worth, "loss" as it is.
    multiple_of, min_keep
        Ranks are multiples of the one, and no less than the other.
    modes
        Of trains, by layer, see `modes_by`; others have (n_out, kernel, n_in).
    either
        Whether layers that have modes may be trains over (n_out, kernel, n_in) as well.
    """

    format: str
    split: str
    metric: str
    multiple_of: int
    min_keep: int
    modes: Mapping[str, Shape] = field(default_factory=dict)
    either: bool = False


def rules_of(
    stats: Statistics,
    format: str,
    split: str,
    metric: str,
    multiple_of: int,
    min_keep: int,
    modes: Mapping[str, Shape] | None = None,
    *,
    either: bool = False,
) -> Rules:
    """Give the rules, checked; "auto" is the strongest metric that all layers have."""
    check_rules(metric, multiple_of, min_keep)
    if metric == "auto":
        metric = _strongest(stats)
    return Rules(
        format,
        split,
        metric,
        int(multiple_of),
        int(min_keep),
        dict(modes or {}),
        either,
    )


def _strongest(stats: Statistics) -> str:
    """Give the metric nearest to the loss that all layers have statistics for."""
    layers = [
        stats.layers[name]
        for name, chain in chainables(stats).items()
        if chain.groups == 1
    ]
    if not layers or any(layer.input_moment is None for layer in layers):
        return "weights"
    curved = all(layer.output_curvature is not None for layer in layers)
    return "loss" if curved else "inputs"


@dataclass(frozen=True, eq=False)
class Choices:
    """The options of one layer: factors, or None for the layer as it is.

    `costs` (K, B) are of the resources that have a budget, in their order.
    """

    factors: tuple[Factor | None, ...]
    losses: Array
    costs: Array


def choices(
    layer: Layer,
    chain: Chainable,
    rules: Rules,
    resources: Sequence[str],
    times: Times | None = None,
    fixed: Fixed | None = None,
) -> Choices:
    """Give what a layer may become, without what another option is better than.

    Parameters
    ----------
    layer, chain
        Its statistics, and how it can be a chain.
    rules
        Which factors there are.
    resources
        What has a budget: "macs", "params", "latency".
    times
        For a budget on latency: ranks without a time are no option.
    fixed
        The one rank that it may have (of every bond, at most what it can have), or a
        rank for each bond; 0 for the layer as it is.
    """
    factors, losses = _factors(layer, chain, rules, fixed)
    counted = _counted(chain, tuple(factors))
    columns = [_column(counted, factors, name, times) for name in resources]
    costs = np.stack(columns, axis=1)
    kept = np.flatnonzero(np.isfinite(costs).all(axis=1))
    if fixed is None:
        kept = kept[_efficient(losses[kept], costs[kept])]
    chosen = tuple(factors[i] for i in kept.tolist())
    return Choices(chosen, losses[kept], costs[kept])


def _factors(
    layer: Layer, chain: Chainable, rules: Rules, fixed: Fixed | None
) -> tuple[Sequence[Factor | None], Array]:
    """Give all factors and their losses; the layer as it is comes first."""
    if isinstance(fixed, int | np.integer) and fixed == 0:
        return [None], np.zeros(1)
    if not _measurable(chain, rules):
        _require_free(layer, fixed)
        return [None], np.zeros(1)
    found, losses = _chains(layer, chain, rules, fixed)
    if fixed is not None:
        return found, losses
    if rules.either and layer.name in rules.modes:
        more = _chains(layer, chain, replace(rules, modes={}), fixed)
        found, losses = [*more[0], *found], np.concatenate([more[1], losses])
    return [None, *found], np.concatenate([[0.0], losses])


def _chains(
    layer: Layer, chain: Chainable, rules: Rules, fixed: Fixed | None
) -> tuple[Sequence[Factor | None], Array]:
    """Give all factors of the rules, and their losses."""
    form, modes = _form(layer.name, chain, rules)
    if form.modes:
        ranks, losses = _of_train(layer, form.modes, rules, fixed)
    else:
        ranks = _ranks(layer.name, modes, rules, fixed)
        losses = _losses(layer, chain, rules)[tuple(ranks.T)]
    return [replace(form, ranks=some) for some in map(tuple, ranks.tolist())], losses


def _ranks(name: str, modes: Shape, rules: Rules, fixed: Fixed | None) -> Ranks:
    if fixed is None:
        return offered(modes, rules.multiple_of, rules.min_keep)
    return np.array([fixed_ranks(f"fixed[{name!r}]", fixed, modes)])


def _of_train(
    layer: Layer, modes: Shape, rules: Rules, fixed: Fixed | None
) -> tuple[Ranks, Array]:
    if fixed is None:
        return train_options(layer.weight, modes, rules.multiple_of, rules.min_keep)
    ranks = _ranks(layer.name, modes, rules, fixed)
    return ranks, losses_at(bond_tails(layer.weight, modes), ranks)


def _form(name: str, chain: Chainable, rules: Rules) -> tuple[Factor, Shape]:
    """Give the layer's factor, of any ranks, and the modes between which bonds are."""
    n, c, *kernel = chain.shape
    size = prod(kernel)
    if modes := rules.modes.get(name, ()):
        return Factor("tt", 1, modes=modes), modes
    if _paired(chain, rules):
        return Factor(rules.format, 1), (n, size, c)
    if _spatial(chain, rules):
        return Factor("svd", 1, "spatial"), (n * prod(kernel[1:]), c * kernel[0])
    return Factor("svd", 1), (n, c * size)


def _require_free(layer: Layer, fixed: Fixed | None) -> None:
    if fixed is not None:
        raise Unsupported(
            f"fixed names {layer.name!r}, whose chains cannot be counted or measured "
            f"by these statistics and this metric; fix it at 0, or leave it out"
        )


def _measurable(chain: Chainable, rules: Rules) -> bool:
    """Say whether losses and costs of the layer's chains are known."""
    plain = not _paired(chain, rules) and not _spatial(chain, rules)
    plain = plain and not (rules.modes and chain.axes)
    return (plain or chain.strides) and (chain.groups == 1 or rules.metric == "weights")


def require_strides(chains: Mapping[str, Chainable], rules: Rules) -> None:
    """Raise MissingStatistics where no chain of these rules can be counted."""
    kernels = [
        chain
        for chain in chains.values()
        if _paired(chain, rules) or _spatial(chain, rules)
    ]
    if kernels and not any(chain.strides for chain in kernels):
        raise MissingStatistics(
            f"the statistics do not say where strides stand, which chains of format "
            f"{rules.format!r} and split {rules.split!r} need; collect them again with "
            f"ccsolve_torch.collect, or take recipe 'svd'"
        )


def _paired(chain: Chainable, rules: Rules) -> bool:
    return rules.format != "svd" and prod(chain.shape[2:]) > 1


def _spatial(chain: Chainable, rules: Rules) -> bool:
    return rules.format == "svd" and rules.split == "spatial" and chain.axes > 1


def _losses(layer: Layer, chain: Chainable, rules: Rules) -> Array:
    """Give the losses by ranks kept, from 0 to the full ones."""
    metric, groups = rules.metric, chain.groups
    if _paired(chain, rules):
        table = two_sided_losses(layer, metric=metric, groups=groups).loss
    elif _spatial(chain, rules):
        table = spatial_losses(layer, groups=groups)[::-1]
    else:
        fit = None if metric == "weights" else "inputs"
        table = low_rank_losses(layer, metric=metric, fit=fit, groups=groups)[::-1]
    if metric == "loss":
        return table
    worth = table.flat[0]
    return table / worth if worth > 0 else np.zeros_like(table)


@lru_cache(maxsize=256)
def _counted(chain: Chainable, factors: tuple[Factor | None, ...]) -> Array:
    """Give (K, 2) multiply-accumulates and parameters; layers alike are counted once.

    Exact: both are whole numbers below 2⁵³.
    """
    rows = []
    for factor in factors:
        cost = chain.dense() if factor is None else chain.as_factored(factor)
        rows.append([cost[name] for name in COUNTED])
    return np.array(rows, dtype=np.float64)


def _column(
    counted: Array, factors: Sequence[Factor | None], name: str, times: Times | None
) -> Array:
    if name in COUNTED:
        return counted[:, COUNTED.index(name)]
    if times is None:  # nothing is known: the layer counts with all else
        return np.array([0.0 if factor is None else np.inf for factor in factors])
    keys: list[Any] = [() if factor is None else factor.ranks for factor in factors]
    return np.array([times.get(key, np.inf) for key in keys])


def _efficient(losses: Array, costs: Array) -> NDArray[np.bool_]:
    """Say of each option whether no other one is as good and as cheap."""
    stays = np.zeros(len(losses), dtype=bool)
    seen = np.empty((0, costs.shape[1]))
    for option in np.lexsort((*costs.T, losses)):
        if not (seen <= costs[option]).all(axis=1).any():
            stays[option] = True
            seen = np.concatenate([seen, costs[option][None]])
    return stays
