"""What a page is about: plans of one network, and what is known of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ccsolve.errors import InvalidProblem
from ccsolve.plans import Plan
from ccsolve.report.curve import Curve
from ccsolve.report.likeness import Likeness, all_likeness
from ccsolve.report.measurements import Measurement
from ccsolve.statistics import Statistics


@dataclass(frozen=True, eq=False)
class Subject:
    """Plans of one network, by name, with what else a page shows where it is given.

    Parameters
    ----------
    plans
        By name, at least one; all of the same groups.
    stats
        The statistics that they were made from: names, costs, likeness of channels.
    curve
        The loss-budget curve, see `ccsolve.report.curve.traced`.
    measured
        Predicted losses beside measured ones.
    title
        Of the page; by default what the statistics call the network.

    Raises
    ------
    InvalidProblem
        No plan, or plans, statistics and curve are of different networks.
    """

    plans: Mapping[str, Plan]
    stats: Statistics | None = None
    curve: Curve | None = None
    measured: tuple[Measurement, ...] = ()
    title: str = field(default="")

    def __post_init__(self) -> None:
        """Check that all of it is of one network."""
        if not self.plans:
            raise InvalidProblem("no plan; give one or more to report on")
        (first, plan), *others = self.plans.items()
        for name, other in others:
            _check_same(f"plan {name!r}", other.sizes, f"plan {first!r}", plan.sizes)
        if self.curve is not None:
            _check_curve(self.curve, f"plan {first!r}", plan.sizes)
        if self.stats is not None:
            sizes = {name: group.size for name, group in self.stats.groups.items()}
            _check_same(f"plan {first!r}", plan.sizes, "the statistics", sizes)
            for name, other in self.plans.items():
                _check_fingerprint(name, other, self.stats)

    @property
    def sizes(self) -> Mapping[str, int]:
        """Group name -> classes of the dense network."""
        return next(iter(self.plans.values())).sizes

    @property
    def original(self) -> Mapping[str, float]:
        """What the dense network takes, by resource."""
        return {
            name: amount
            for plan in reversed(list(self.plans.values()))
            for name, amount in plan.original.items()
        }

    @property
    def heading(self) -> str:
        """The page's title."""
        network = "" if self.stats is None else str(self.stats.meta.get("network", ""))
        return self.title or network.partition(";")[0] or "Compression plan"

    @cached_property
    def likeness(self) -> dict[str, Likeness]:
        """The correlations of the groups' channels, where statistics tell them."""
        return {} if self.stats is None else dict(all_likeness(self.stats))


def _check_same(
    name: str, sizes: Mapping[str, int], other: str, others: Mapping[str, int]
) -> None:
    if dict(sizes) != dict(others):
        raise InvalidProblem(
            f"{name} has {len(sizes)} groups of {sum(sizes.values())} channels, "
            f"{other} {len(others)} of {sum(others.values())}, or by other names; "
            "expected one network"
        )


def _check_curve(curve: Curve, name: str, sizes: Mapping[str, int]) -> None:
    for point in curve.points:
        for group, width in point.widths.items():
            if not 0 <= width <= sizes.get(group, -1):
                there = f"{sizes[group]} channels" if group in sizes else "none"
                raise InvalidProblem(
                    f"the front keeps {width} channels of group {group!r}, of which "
                    f"{name} has {there}; expected one network"
                )


def _check_fingerprint(name: str, plan: Plan, stats: Statistics) -> None:
    both = plan.fingerprint and stats.fingerprint
    if both and plan.fingerprint != stats.fingerprint:
        raise InvalidProblem(
            f"plan {name!r} was made from other statistics (fingerprint "
            f"{plan.fingerprint[:12]}, not {stats.fingerprint[:12]}); give those"
        )
