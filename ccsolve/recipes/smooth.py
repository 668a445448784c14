"""Widths by Collaborative Compression's program: exponential curves, one price."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ccsolve.api import solve
from ccsolve.errors import Unsupported
from ccsolve.problems import SmoothRateAllocation
from ccsolve.recipes.bills import Bills
from ccsolve.recipes.ladders import ladders
from ccsolve.recipes.marginal import filled_up
from ccsolve.recipes.steps import Steps, admissible_steps, fits, require_attainable
from ccsolve.sensitivity.curves import Exponential
from ccsolve.sensitivity.fitting import exponential_fit
from ccsolve.statistics import Statistics

Array = NDArray[np.float64]

HALVINGS = 50

NOTHING, LEAST_RATE = 1e-50, 1e-6
"""The curve of a group that no class of is missed."""


def smooth_widths(
    stats: Statistics,
    limits: Mapping[str, float],
    losses: Mapping[str, Array],
    *,
    multiple_of: int = 1,
    min_keep: int = 1,
    fixed: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Give widths by the Global Compression Rate Optimization of CC.

    Every group's losses are fitted by scale·exp(rate·C), C the share of its classes
    that goes (`exponential_fit`, in the losses' own units); `SmoothRateAllocation`
    chooses the shares, a group's size being what the network saves without it, by what
    it saves at the narrowest width. Its costs add up, those of a network are products
    of widths: so `remove` is raised, by bisection, until the widths, rounded down, are
    within the limit. What still fits is put back (`filled_up`).

    Li et al., CVPR 2021, with the groups as layers; theirs are the layers' outputs
    alone. O(G log G) for each of 50 halvings.

    Parameters
    ----------
    stats, losses, multiple_of, min_keep, fixed
        See `exact_widths`.
    limits
        One resource: the program has one constraint.

    Raises
    ------
    Unsupported
        Several budgets.
    Infeasible
        The budget is below the cost of the narrowest network allowed.
    """
    if len(limits) != 1:
        raise Unsupported(
            f"allocation 'smooth' with budgets on {', '.join(limits)}; expected one "
            "budget, or allocation='exact'"
        )
    steps = admissible_steps(stats, multiple_of, min_keep, fixed)
    require_attainable(stats, limits, {name: step[0] for name, step in steps.items()})
    curves = _curves(steps, losses)
    widths = _least_removed(stats, limits, steps, curves)
    return filled_up(stats, limits, ladders(steps, losses), widths)


def _curves(steps: Steps, losses: Mapping[str, Array]) -> dict[str, Exponential]:
    """Fit the groups that have a choice."""
    return {
        name: _curve(np.maximum(np.asarray(losses[name], dtype=float), 0.0))
        for name, widths in steps.items()
        if len(widths) > 1
    }


def _curve(losses: Array) -> Exponential:
    if np.count_nonzero(losses[1:]) < 2:
        # Nothing to fit: a group of two classes, or one that is not missed.
        return Exponential(max(float(losses.max()), NOTHING), LEAST_RATE)
    return exponential_fit(np.linspace(0.0, 1.0, len(losses)), losses, normalised=False)


def _least_removed(
    stats: Statistics,
    limits: Mapping[str, float],
    steps: Steps,
    curves: Mapping[str, Exponential],
) -> dict[str, int]:
    """Give the widths of the least removal that is within the limits."""
    dense = {name: widths[-1] for name, widths in steps.items()}
    narrow = {name: widths[0] for name, widths in steps.items()}
    if fits(stats, limits, dense):
        return dense
    sizes = _sizes(stats, limits, steps, curves)
    caps = np.array([1.0 - narrow[name] / dense[name] for name in curves])
    low, high, found = 0.0, 1.0, narrow
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        widths = dense | _at(curves, sizes, caps, middle, steps)
        if fits(stats, limits, widths):
            high, found = middle, widths
        else:
            low = middle
    return found


def _sizes(
    stats: Statistics,
    limits: Mapping[str, float],
    steps: Steps,
    curves: Mapping[str, Exponential],
) -> Array:
    """Give what the widest network saves at each group's narrowest width."""
    narrow, wide = (
        np.array([steps[name][end] for name in stats.groups], dtype=float)
        for end in (0, -1)
    )
    saved = -Bills.of(stats, list(limits), steps).changes(wide, narrow - wide)[0]
    by_name = dict(zip(stats.groups, saved.tolist(), strict=True))
    # Per share of the group, as the program counts.
    shares = {name: 1.0 - steps[name][0] / steps[name][-1] for name in curves}
    sizes = np.array([by_name[name] / shares[name] for name in curves])
    # A group that costs nothing has nothing to give; the program wants sizes > 0.
    return np.maximum(sizes / max(sizes.max(initial=0.0), 1e-300), 1e-12)


def _at(
    curves: Mapping[str, Exponential],
    sizes: Array,
    caps: Array,
    share: float,
    steps: Steps,
) -> dict[str, int]:
    """Give the widths if that share of what all caps remove must go."""
    program = SmoothRateAllocation(
        [curve.scale for curve in curves.values()],
        [curve.rate for curve in curves.values()],
        sizes,
        remove=share * float(sizes @ caps),
        cap=caps,
    )
    rates = solve(program, "bisection").x
    return {
        name: _rounded(steps[name], rate)
        for name, rate in zip(curves, rates, strict=True)
    }


def _rounded(widths: list[int], rate: float) -> int:
    """Give the largest admissible width that removes at least that share."""
    most = (1.0 - rate) * widths[-1] + 1e-9
    return max((width for width in widths if width <= most), default=widths[0])
