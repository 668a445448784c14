"""The program over all channels of a network that statistics give."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ccsolve.errors import InvalidProblem, Unsupported
from ccsolve.problems.checks import real_number
from ccsolve.problems.network import NetworkSelection
from ccsolve.problems.width_costs import WidthBudget, WidthTable
from ccsolve.problems.width_ladders import per_group
from ccsolve.statistics.group import Group
from ccsolve.statistics.latency import MOST_GROUPS, LatencyTable
from ccsolve.statistics.whole_curvature import GROUPS, whole_curvature

if TYPE_CHECKING:
    from ccsolve.statistics.network import Statistics

Product = tuple[Iterable[str], float]


def network_program(
    stats: "Statistics",
    limits: Mapping[str, float],
    *,
    curvature: str = "ggn",
    cross: bool = False,
    damping: float = 0.0,
    first_order: float = 1.0,
    shrinkage: float | str = 0.0,
    target: str = "diagonal",
    multiple_of: Any = 1,
    min_keep: Any = None,
    max_keep: Any = None,
    fixed: Any = None,
) -> NetworkSelection:
    """Give the program that chooses channels and widths of all groups at once.

    It minimises ΔL(u) = -μ·gᵀu + ½·uᵀ(H + damping·I)u over the channels u = 1 - z that
    go, the second-order Taylor loss of their removal.

    Parameters
    ----------
    limits
        By resource ("macs", "params", "latency", "memory") the amount that may remain.
    curvature
        "ggn" or "fisher".
    cross
        Whether H has blocks between groups: from the rows of all groups, which are of
        the same samples. False: blocks on the groups alone.
    damping
        Added to the diagonal of H, in its units.
    first_order
        Weight μ of the gradient; 0 leaves it out, and then none is needed.
    shrinkage, target
        As in `Statistics.channel_selection`, group by group; with ``cross`` of H as a
        whole, and then the target may be "groups": H without what joins groups.
    multiple_of
        Of the widths: a number, or by group's name.
    min_keep
        Fewest classes that stay. A number holds for all groups, besides their own
        `min_keep`; by name it replaces it: 0 where a residual connection lets all of a
        block go.
    max_keep
        Most classes that stay, a number or by name; all of them where nothing is said.
    fixed
        (n,), or by group's name (size,): -1 free, 0 removed, 1 kept.

    Raises
    ------
    Infeasible
        A budget is below the narrowest network's cost.
    MissingStatistics
        Curvature, its rows for ``cross``, gradients, latency or memory are missing.
    """
    groups = list(stats.groups.values())
    if not isinstance(cross, bool | np.bool_):
        raise InvalidProblem(f"cross = {cross!r}; expected True or False")
    if cross:
        form = whole_curvature(groups, curvature, shrinkage, target, stats.samples)
    else:
        form = _separate(groups, curvature, shrinkage, target)
    ones = np.ones(sum(group.size for group in groups))
    half = _halved(form, real_number("damping", damping, 0.0), len(ones))
    gradient = first_order * _gradient(groups, real_number("first_order", first_order))
    labels = np.repeat(np.arange(len(groups)), [group.size for group in groups])
    made = {"groups": labels, "names": list(stats.groups), **half}
    rowsum = 2.0 * NetworkSelection(**made).form.multiply(ones)
    return NetworkSelection(
        **made,
        q=gradient - rowsum,
        constant=float(0.5 * rowsum.sum() - gradient.sum()),
        budgets=budgets_of(stats, limits),
        multiple_of=_by_name("multiple_of", stats, multiple_of, 1),
        min_keep=_least(stats, min_keep),
        max_keep=_most(stats, max_keep),
        fixed=_fixings(stats, fixed),
    )


def absolute_limits(
    stats: "Statistics", asked: Mapping[str, float | None]
) -> dict[str, float]:
    """Give by resource the amount that may remain, from fractions or amounts.

    InvalidProblem for anything but a float in (0, 1] or a whole number above 0.
    """
    found: dict[str, float] = {}
    for name, value in asked.items():
        if value is None:
            continue
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        share = isinstance(value, float | np.floating) and 0 < value <= 1
        if not (share or (whole and value > 0)):
            raise InvalidProblem(
                f"budget {name} = {value!r}; expected what may remain: a float in "
                "(0, 1], a fraction of the original, or a whole number, an amount"
            )
        found[name] = float(value) * stats.cost().of(name) if share else float(value)
    return found


def budgets_of(stats: "Statistics", limits: Mapping[str, float]) -> list[WidthBudget]:
    """Give the budgets on widths: one for each resource, for memory one per step."""
    found = []
    for name, limit in limits.items():
        stats.cost().of(name)
        if name == "latency":
            found.append(_latency_budget(stats, limit))
        elif name == "memory":
            found += _memory_budgets(stats, limit)
        else:
            terms = (term for op in stats.operations for term in op.terms)
            parts = [(term.groups, float(getattr(term, name))) for term in terms]
            found.append(_summed(stats, limit, name, parts))
    return found


def _summed(
    stats: "Statistics",
    limit: float,
    name: str,
    parts: Iterable[Product],
    tables: Sequence[WidthTable] = (),
) -> WidthBudget:
    places = {group: place for place, group in enumerate(stats.groups)}
    fixed, linear, products = 0.0, {}, {}
    for groups, amount in parts:
        match sorted(places[group] for group in groups):
            case []:
                fixed += amount
            case [g]:
                linear[g] = linear.get(g, 0.0) + amount
            case [g, h]:
                products[g, h] = products.get((g, h), 0.0) + amount
    return WidthBudget(limit, linear, products, tuple(tables), fixed, name)


def _memory_budgets(stats: "Statistics", limit: float) -> list[WidthBudget]:
    assert stats.memory is not None
    weights = [(part.groups, float(part.count)) for part in stats.memory.weights]
    return [
        _summed(
            stats,
            limit,
            f"memory, step {place}",
            weights + [(part.groups, float(part.count)) for part in step],
        )
        for place, step in enumerate(stats.memory.steps or ((),))
    ]


def _latency_budget(stats: "Statistics", limit: float) -> WidthBudget:
    """Tables count by the least rising ones above them, as `LatencyTable.rising`."""
    places = {group: place for place, group in enumerate(stats.groups)}
    parts: list[Product] = []
    tables = []
    for table in stats.latency:
        if len(table.groups) > MOST_GROUPS:
            parts += table.products()
        else:
            tables.append(_table(table.rising(), places))
    return _summed(stats, limit, "latency", parts, tables)


def _table(table: LatencyTable, places: Mapping[str, int]) -> WidthTable:
    return WidthTable(
        table.microseconds,
        {places[name]: count for name, count in table.inputs.items()},
        {places[name]: count for name, count in table.outputs.items()},
        table.read,
        table.made,
    )


def _separate(
    groups: Sequence[Group], curvature: str, shrinkage: float | str, target: str
) -> dict[str, Any]:
    if target == GROUPS:
        raise Unsupported(
            "target='groups' with cross=False: nothing joins groups; give cross=True, "
            "or target='diagonal' or 'identity'"
        )
    options = {"shrinkage": shrinkage, "target": target}
    return {"blocks": [group.hessian(curvature, **options) for group in groups]}


def _halved(form: Mapping[str, Any], damping: float, n: int) -> dict[str, Any]:
    """Give ½(H + damping·I) for H in the same form."""
    if "Q" in form:
        return {"Q": 0.5 * (form["Q"] + damping * np.eye(n))}
    if "factor" not in form:
        return {
            "blocks": [0.5 * (H + damping * np.eye(len(H))) for H in form["blocks"]]
        }
    half: dict[str, Any] = {"factor": np.sqrt(0.5) * form["factor"]}
    if "blocks" in form:
        half["blocks"] = [0.5 * H for H in form["blocks"]]
    return half | {"diagonal": 0.5 * (form.get("diagonal", np.zeros(n)) + damping)}


def _gradient(groups: Sequence[Group], first_order: float) -> np.ndarray:
    parts = [group.slope(first_order) for group in groups]
    return np.concatenate(parts) if parts else np.zeros(0)


def _least(stats: "Statistics", min_keep: Any) -> np.ndarray:
    """Give min_keep of each group, which names replace and a number raises."""
    own = [group.min_keep for group in stats.groups.values()]
    if min_keep is None:
        return np.array(own)
    if isinstance(min_keep, Mapping):
        _require_known("min_keep", stats, min_keep)
        asked = [min_keep.get(name, g.min_keep) for name, g in stats.groups.items()]
        return per_group("min_keep", asked, len(own), 0)
    asked = per_group("min_keep", min_keep, len(own), 0)
    sizes = [group.size for group in stats.groups.values()]
    return np.minimum(np.maximum(own, asked), sizes)


def _most(stats: "Statistics", max_keep: Any) -> np.ndarray:
    """Give the most classes of each group that may stay."""
    sizes = [group.size for group in stats.groups.values()]
    if isinstance(max_keep, Mapping):
        _require_known("max_keep", stats, max_keep)
        max_keep = [max_keep.get(n, g.size) for n, g in stats.groups.items()]
    asked = sizes if max_keep is None else max_keep
    return np.minimum(per_group("max_keep", asked, len(sizes), 0), sizes)


def _by_name(name: str, stats: "Statistics", value: Any, default: int) -> np.ndarray:
    """Give one number for each group, from one for all or by the groups' names."""
    if isinstance(value, Mapping):
        _require_known(name, stats, value)
        value = [value.get(group, default) for group in stats.groups]
    return per_group(name, value, len(stats.groups), default)


def _fixings(stats: "Statistics", fixed: Any) -> Any:
    """Give the fixings (n,), from such a vector or from one by the groups' names."""
    if not isinstance(fixed, Mapping):
        return fixed
    _require_known("fixed", stats, fixed)
    parts = []
    for name, group in stats.groups.items():
        own = np.asarray(fixed.get(name, np.full(group.size, -1)))
        if own.shape != (group.size,):
            raise InvalidProblem(
                f"fixed[{name!r}] has shape {own.shape}; expected ({group.size},)"
            )
        parts.append(own)
    return np.concatenate(parts)


def _require_known(name: str, stats: "Statistics", given: Mapping[str, Any]) -> None:
    unknown = [key for key in given if key not in stats.groups]
    if unknown:
        raise InvalidProblem(
            f"{name} names the group {unknown[0]!r}; the statistics hold "
            f"{', '.join(stats.groups)[:200]}"
        )
