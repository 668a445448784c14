"""Budgets used up: what plans of widths must keep, whatever made them."""

from collections.abc import Mapping

from ccsolve.statistics import Statistics


def limits_of(stats: Statistics, fraction: float, resource: str) -> dict[str, float]:
    """Give limits at a fraction of the dense MACs, the parameters, or of "both"."""
    dense = stats.cost()
    limits = {"macs": fraction * dense.macs, "params": fraction * dense.params}
    return limits if resource == "both" else {resource: limits[resource]}


def assert_used_up(
    stats: Statistics,
    limits: Mapping[str, float],
    widths: Mapping[str, int],
    multiple: int,
) -> None:
    """Check that the limits hold and that no step of any group fits any more."""

    def fits(candidate: Mapping[str, int]) -> bool:
        cost = stats.cost(candidate)
        return all(cost.of(name) <= limit for name, limit in limits.items())

    assert fits(widths)
    for name, width in widths.items():
        size = stats.groups[name].size
        assert width % multiple == 0 or width == size
        wider = min((width // multiple + 1) * multiple, size)
        assert width == size or not fits({**widths, name: wider})
