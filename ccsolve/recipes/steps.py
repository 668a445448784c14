"""Which widths groups may have, and whether widths are within budgets."""

from collections.abc import Mapping

from ccsolve.errors import Infeasible, InvalidProblem
from ccsolve.problems.checks import whole_number
from ccsolve.statistics import Group, Statistics

Steps = Mapping[str, list[int]]

_LARGEST = 10**9


def admissible_steps(
    stats: Statistics,
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
    between: Mapping[str, tuple[int, int]] | None = None,
) -> dict[str, list[int]]:
    """Give the widths that each group may have, rising; the dense one is the last.

    Parameters
    ----------
    stats
        The groups.
    multiple_of
        Widths are multiples of this, or the group's dense width.
    min_keep
        Fewest classes of every group, besides each group's own `min_keep`.
    fixed
        Widths of groups that have no choice, whatever the rest says.
    between
        By group the least and the largest of these widths; both are among them.

    Raises
    ------
    InvalidProblem
        An unknown group, or a fixed width that it cannot have.
    """
    multiple_of = whole_number("multiple_of", multiple_of, 1, _LARGEST)
    min_keep = whole_number("min_keep", min_keep, 0, _LARGEST)
    held = _fixed(stats, fixed or {})
    found = {
        name: [held[name]]
        if name in held
        else _admissible(group, multiple_of, min_keep)
        for name, group in stats.groups.items()
    }
    for name, (least, most) in (between or {}).items():
        found[name] = [width for width in found[name] if least <= width <= most]
    return found


def _fixed(stats: Statistics, fixed: Mapping[str, int]) -> dict[str, int]:
    if not isinstance(fixed, Mapping):
        raise InvalidProblem(
            f"fixed = {fixed!r:.80}; expected widths by name: {{'group': 8, ...}}"
        )
    unknown = sorted(set(fixed) - set(stats.groups))
    if unknown:
        raise InvalidProblem(
            f"fixed names the group {unknown[0]!r}; the statistics hold "
            f"{', '.join(stats.groups)[:200]}"
        )
    return {
        name: whole_number(f"fixed[{name!r}]", width, 0, stats.groups[name].size)
        for name, width in fixed.items()
    }


def _admissible(group: Group, multiple_of: int, min_keep: int) -> list[int]:
    least = min(max(group.min_keep, min_keep), group.size)
    first = -(-least // multiple_of) * multiple_of
    return [*range(first, group.size, multiple_of), group.size]


def fits(
    stats: Statistics, limits: Mapping[str, float], widths: Mapping[str, int]
) -> bool:
    """Say whether the cost at the widths is within every limit."""
    cost = stats.cost(widths)
    return all(cost.of(name) <= limit for name, limit in limits.items())


def require_attainable(
    stats: Statistics, limits: Mapping[str, float], narrowest: Mapping[str, int]
) -> None:
    """Raise Infeasible if the narrowest network allowed breaks a limit."""
    cost = stats.cost(narrowest)
    for name, limit in limits.items():
        cheapest = cost.of(name)
        if cheapest > limit:
            raise Infeasible(
                f"budget {name} = {limit:.0f}, but the narrowest network allowed takes "
                f"{cheapest:.0f}; raise the budget to that, or lower min_keep or "
                "multiple_of"
            )
