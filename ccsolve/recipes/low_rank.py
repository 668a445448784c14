"""Ranks shared over the layers by a program: which layers become chains, and of what.

Every layer has one option for each rank (of "tucker" and "tt" for each pair) and one to
stay as it is; a `RateAllocation` takes one of each. Published work sets ranks by hand,
or prices one budget (Idelbayev and Carreira-Perpiñán, CVPR 2020, whose inner step is
that program's Lagrangian).
"""

from collections.abc import Collection, Mapping

from ccsolve.plans import Plan
from ccsolve.recipes.chain_options import check_modes, check_split
from ccsolve.recipes.chains import chainables
from ccsolve.recipes.rank_grids import Fixed
from ccsolve.recipes.rank_plans import Search, plan_of
from ccsolve.recipes.ranks import Rules, Times, rules_of
from ccsolve.recipes.train_options import Modes, modes_by
from ccsolve.statistics import Statistics


def svd(
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    split: str = "channel",
    metric: str = "auto",
    times: Mapping[str, Times] | None = None,
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, Fixed] | None = None,
    time_limit: float = 10.0,
    gap: float = 1e-6,
    seed: int = 0,
) -> Plan:
    """Give every layer a rank, or leave it as it is: chains of two layers.

    The objective is the sum of the layers' losses, the bound is over all ranks that
    `multiple_of` and `min_keep` allow. Nothing fits any more: no layer can have a rank
    of less loss without breaking a budget.

    Parameters
    ----------
    stats, limits
        The statistics, and by resource the absolute amount that may remain.
    split
        "channel" or "spatial", see `Factor`; layers with fewer than two kernel axes
        are split along channels. "spatial" takes the metric "weights".
    metric
        How a layer's loss at a rank is measured. "weights": ‖W - Z‖² / ‖W‖². "inputs":
        E‖(W - Z)x‖² / E‖Wx‖². "loss": the rise of the loss, by the Gauss-Newton of the
        layer's outputs, ½E[εᵀMε] with ε = (W - Z)x. "auto": the last of these for which
        all layers have statistics. Z is the fit that `apply` makes: of the inputs'
        moment where the metric has one (give `apply` a calibration, or `factorise`
        these statistics), else of the weights.
    times
        For a budget on latency: layer -> ranks (a tuple) -> microseconds, () for the
        layer as it is; what has no time is no option. `ccsolve_torch.measure_chains`
        measures them.
    multiple_of, min_keep
        Ranks are multiples of the one, and no less than the other.
    fixed
        Layer -> the rank that it has, 0 to stay as it is; of several bonds one number
        for all, each at most what it can have, or a list of one for each.
    time_limit, gap, seed
        Of the program.

    Raises
    ------
    Infeasible
        A budget is below what the smallest ranks allowed cost.
    MissingStatistics
        No layer's weight was collected, or not what the metric needs.
    Unsupported
        A budget on memory: what chains hold is not known before they are made. A fixed
        rank of a layer whose chains cannot be counted.
    """
    rules = _svd_rules(stats, split, metric, multiple_of, min_keep)
    search = Search(time_limit, gap, seed)
    return plan_of(stats, limits, rules, times, fixed, search)


def tucker(
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    metric: str = "auto",
    times: Mapping[str, Times] | None = None,
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, Fixed] | None = None,
    time_limit: float = 10.0,
    gap: float = 1e-6,
    seed: int = 0,
) -> Plan:
    """Give every layer ranks of its output and input channels: chains of three layers.

    The loss of a pair of ranks is that of the higher-order SVD, from one eigenvalue
    problem for each side, see `two_sided_losses`: fits do no worse in the weights. At
    most 32 ranks of each side, evenly spread, are paired; the bound is over these.
    Kernels of one weight, and linear layers, become chains of two layers.

    Parameters and errors as of the recipe "svd".
    """
    rules = rules_of(stats, "tucker", "channel", metric, multiple_of, min_keep)
    search = Search(time_limit, gap, seed)
    return plan_of(stats, limits, rules, times, fixed, search)


def tt(
    stats: Statistics,
    limits: Mapping[str, float],
    *,
    modes: Modes | None = None,
    metric: str = "auto",
    times: Mapping[str, Times] | None = None,
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, Fixed] | None = None,
    time_limit: float = 10.0,
    gap: float = 1e-6,
    seed: int = 0,
) -> Plan:
    """Give every layer the ranks of a tensor train (n_out, kernel, n_in).

    Its chain, its cost and the bound on its loss are those of "tucker" with the same
    ranks; the fit truncates bond by bond.

    With `modes` outputs and inputs are products of modes themselves (Yin et al., CVPR
    2021): a layer's map of outputs, or of inputs, is then held as its cores where that
    takes fewer weights, see `stages_of`. The loss counted is what truncation loses at
    most, the sum of the bonds' tails, in the weights. About 1,000 ranks are offered.

    All but `modes` are as of the recipe "svd", errors too.

    Parameters
    ----------
    modes
        A number k: n_out as k modes, n_in as k modes, as equal as they can be, in all
        layers of one group; or (n_out, kernel, n_in), where that loses less. Or layer
        -> modes as `Factor` has them; (n_out, kernel, n_in) for all others. Takes the
        metric "weights", and no budget on latency.
    """
    rules = _tt_rules(stats, limits, modes, metric, (multiple_of, min_keep))
    search = Search(time_limit, gap, seed)
    return plan_of(stats, limits, rules, times, fixed, search)


def rules_for(
    recipe: str,
    stats: Statistics,
    resources: Collection[str],
    *,
    split: str = "channel",
    modes: Modes | None = None,
    metric: str = "auto",
    multiple_of: int = 1,
    min_keep: int = 1,
) -> Rules:
    """Give the rules of "svd", "tucker" or "tt"; options and errors as of the recipe.

    `resources` are what has a budget.
    """
    if recipe == "svd":
        return _svd_rules(stats, split, metric, multiple_of, min_keep)
    if recipe == "tucker":
        return rules_of(stats, recipe, "channel", metric, multiple_of, min_keep)
    return _tt_rules(stats, resources, modes, metric, (multiple_of, min_keep))


def _svd_rules(
    stats: Statistics, split: str, metric: str, multiple_of: int, min_keep: int
) -> Rules:
    check_split(split, metric)
    metric = "weights" if split == "spatial" else metric
    return rules_of(stats, "svd", split, metric, multiple_of, min_keep)


def _tt_rules(
    stats: Statistics,
    resources: Collection[str],
    modes: Modes | None,
    metric: str,
    steps: tuple[int, int],
) -> Rules:
    check_modes(modes, metric, resources)
    metric = metric if modes is None else "weights"
    shapes = modes_by(chainables(stats), modes)
    either = not isinstance(modes, Mapping)
    return rules_of(stats, "tt", "channel", metric, *steps, shapes, either=either)
