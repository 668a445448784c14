"""The widths that groups may have, and the loss at each."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ccsolve.recipes.steps import Steps

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ladder:
    """The widths that a group may have, rising, and the loss at each, convex."""

    widths: NDArray[np.int64]
    losses: Array

    @classmethod
    def of(cls, widths: list[int], losses: Array) -> "Ladder":
        """Take the losses by classes gone; each further one counts for no less.

        A quadratic loss may fall again as a group empties, far from where it was
        fitted, and an allocation that believes it empties the group. So no step counts
        for less than the steps before it, and none for less than 0.
        """
        k = np.array(widths, dtype=np.int64)
        rises = np.maximum.accumulate(np.maximum(np.diff(losses), 0.0))
        convex = np.concatenate([[0.0], np.cumsum(rises)])
        return cls(k, convex[len(convex) - 1 - k])

    def at(self, width: int) -> float:
        """Give the loss at one of the widths."""
        return float(self.losses[np.searchsorted(self.widths, width)])


def ladders(steps: Steps, losses: Mapping[str, Array]) -> dict[str, Ladder]:
    """Give every group's ladder from its losses by classes gone."""
    return {
        name: Ladder.of(widths, np.asarray(losses[name], dtype=float))
        for name, widths in steps.items()
    }


@dataclass(frozen=True)
class Allocation:
    """Widths within the limits, and what is known of them.

    Attributes
    ----------
    widths : by group.
    loss : the sum of the groups' losses, made convex (`Ladder`).
    predicted : the sum of the groups' losses as they were predicted.
    bound : a proven lower bound of `loss` over all admissible widths; -inf without one.
    prices : by resource, the fall of the loss per unit of limit added, >= 0; empty
        where no program was solved.
    resolution : differences between loss and bound up to this are rounding.
    solver : what is known of the solver's run, for the provenance.
    """

    widths: dict[str, int]
    loss: float
    predicted: float = math.nan
    bound: float = -math.inf
    prices: Mapping[str, float] = field(default_factory=dict)
    resolution: float = 0.0
    solver: Mapping[str, object] = field(default_factory=dict)


def loss_at(rungs: Mapping[str, Ladder], widths: Mapping[str, int]) -> float:
    """Give the sum of the losses at widths on the ladders."""
    return math.fsum(rungs[name].at(width) for name, width in widths.items())


def predicted_at(losses: Mapping[str, Array], widths: Mapping[str, int]) -> float:
    """Give the sum of the losses, by classes gone and as they are, at the widths."""
    return math.fsum(
        float(losses[name][len(losses[name]) - 1 - width])
        for name, width in widths.items()
    )
