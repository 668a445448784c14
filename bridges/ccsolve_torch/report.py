"""What was done to a model: asked and achieved, the checks, the repair, the times."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ccsolve.errors import InvalidProblem
from ccsolve.io.strict_json import plain
from ccsolve.problems.records import reduced
from ccsolve.statistics import Cost
from ccsolve.statistics.cost import COUNTED
from ccsolve_torch.factoring.factor_report import FactoredLayer
from ccsolve_torch.repairing.repairing import Repair
from ccsolve_torch.running.footprint import Footprint
from ccsolve_torch.running.latency import Latency
from ccsolve_torch.typed_json import as_json

SLACK = 0.9
"""Share of the predicted gain that counts as reached: times scatter."""

RECORDS = ("report", "surgery", "factor_report")
"""The attributes of a result that say how it was made."""


def checked_names(model: nn.Module) -> nn.Module:
    """Give the model back if results of it can carry their records.

    InvalidProblem where it has something else under one of their names.
    """
    for name in RECORDS:
        kind = type(getattr(model, name, None))
        ours = kind.__module__.partition(".")[0] == __package__
        if hasattr(model, name) and not ours:
            raise InvalidProblem(
                f"model: its attribute {name!r} is a {kind.__name__} of its own, and "
                f"results keep a record under this name; expected a model without it, "
                f"rename the attribute"
            )
    return model


@dataclass(frozen=True)
class StepRecord:
    """One step of a compression: budgets, and the loss predicted and measured.

    Parameters
    ----------
    step
        Its number, from 1.
    asked, achieved
        By resource: what may remain and what does, absolute.
    predicted
        The rise of the loss that the step's program predicts, above the model that it
        began with; None where no program was solved. `bound` is proven of it.
    before, loss
        The mean loss of the model that it began with, and of the one that it gave.
    """

    step: int
    asked: Mapping[str, float]
    achieved: Mapping[str, float]
    predicted: float | None
    bound: float | None
    before: float
    loss: float

    @property
    def measured(self) -> float:
        """The rise of the loss that was measured."""
        return self.loss - self.before

    def __str__(self) -> str:
        """Give one line."""
        left = ", ".join(f"{v:,.0f} {name}" for name, v in self.achieved.items())
        guess = "-" if self.predicted is None else f"{self.predicted:.4g}"
        return (
            f"step {self.step}: {left}; loss {self.before:.4g} -> {self.loss:.4g}, "
            f"predicted rise {guess}, measured {self.measured:.4g}"
        )


_CHAINED = (
    ", and so may layers that stay whole (recipe 'ccp' or 'allocated') or a budget on "
    "latency"
)


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """The record of one surgery; `print(small.report)` gives it as text.

    Parameters
    ----------
    recipe
        The plan's recipe.
    original, achieved
        Cost of the dense and of the smaller model, each counted on the model itself.
    asked
        By resource: what may remain, absolute.
    equivalence
        Largest difference of the smaller model (before repair) to the dense model
        with closed gates, relative to the largest output; with the groups alone for
        which removing is the same as masking.
    approximation
        The same with all groups, None where those are all.
    approximate
        Group name -> why removing its channels is more than masking them.
    repair
        What was repaired and what it brought.
    factored
        One per layer that became a chain of smaller layers.
    memory
        Bytes before and after, for the example inputs.
    latency
        Measured times for the example inputs, None if not measured.
    kept
        Group name -> classes that remain.
    frozen
        Layer name -> why its channels could not be removed.
    seconds
        What each phase of the surgery took.
    masking
        What closing the gates changes in the dense model's outputs, measured like
        `equivalence`, None if unknown. At 0 the outputs do not depend on what was
        removed, and `equivalence` says nothing.
    planned
        By resource: what the plan's cost model says that remains; of latency and
        memory there is no count of the model itself.
    steps
        One for each step of a compression in several.
    """

    recipe: str
    original: Cost
    asked: Mapping[str, float]
    achieved: Cost
    equivalence: float
    approximation: float | None
    approximate: Mapping[str, str]
    repair: Repair
    factored: tuple[FactoredLayer, ...]
    memory: tuple[Footprint, Footprint]
    latency: Latency | None
    kept: Mapping[str, NDArray[np.int64]]
    frozen: Mapping[str, str]
    seconds: Mapping[str, float] = field(default_factory=dict)
    masking: float | None = None
    planned: Mapping[str, float] = field(default_factory=dict)
    steps: tuple[StepRecord, ...] = ()

    __reduce__ = reduced

    @property
    def warnings(self) -> tuple[str, ...]:
        """Say where the result is less than the numbers promise."""
        return (*self._vacuous(), *self._slow())

    def _vacuous(self) -> Iterator[str]:
        cut = self.achieved.params < self.original.params
        if self.masking == 0 and cut:
            yield (
                "closing the gates changes nothing in the outputs: that the smaller "
                "model gives the same could not fail; check with inputs, or outputs, "
                "that depend on what was removed"
            )

    def _slow(self) -> Iterator[str]:
        if self.latency is None or not self.achieved.macs:
            return
        predicted = self.original.macs / self.achieved.macs
        if self.latency.gain < SLACK * predicted:
            yield (
                f"measured {self.latency.gain:.2f} times as fast, MACs predict "
                f"{predicted:.2f}: at these sizes the time goes elsewhere; widths in "
                f"multiples of 8 or more (multiple_of) or larger batches may gain more"
                f"{_CHAINED if self.factored else ''}"
            )

    def data(self) -> dict[str, Any]:
        """Give all of it as JSON can hold it."""
        return plain(as_json(self))

    def __repr__(self) -> str:
        """Give one line."""
        removed = 100 * (1 - self.achieved.macs / max(self.original.macs, 1))
        return (
            f"Report(recipe={self.recipe!r}, {removed:.1f} % of the MACs removed, "
            f"equivalence={self.equivalence:.1e}, repair={self.repair.asked!r})"
        )

    def __str__(self) -> str:
        """Give the report as lines of text."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"recipe {self.recipe}, repair {self.repair.asked}"
        for name in COUNTED:
            before, after = (
                getattr(cost, name) for cost in (self.original, self.achieved)
            )
            yield f"{name}: {_change(before, after)}{self._limit(name)}"
        for name in sorted(self.asked.keys() - set(COUNTED)):
            after = self.planned.get(name, math.nan)
            yield f"{name}, as planned: {after:,.0f}{self._limit(name)}"
        for name in ("weights", "activations"):
            before, after = (getattr(part, name) for part in self.memory)
            yield f"{name}, bytes: {_change(before, after)}"
        yield from map(str, self.steps)
        yield from self._times()
        yield from self._checks()
        yield from self._repairs()
        yield f"{len(self.kept)} groups, {len(self.frozen)} layers frozen"

    def _limit(self, name: str) -> str:
        asked = self.asked.get(name)
        return "" if asked is None else f", asked at most {asked:,.0f}"

    def _times(self) -> Iterator[str]:
        if self.latency is not None:
            times = self.latency
            yield (
                f"latency: {1e3 * times.before:.3g} -> {1e3 * times.after:.3g} ms for "
                f"{times.samples} samples, {times.gain:.2f} times as fast"
            )
        for warning in self.warnings:
            yield f"warning: {warning}"

    def _checks(self) -> Iterator[str]:
        masking = (
            ""
            if self.masking is None
            else (f"; the gates change the outputs by {self.masking:.1e}")
        )
        yield f"closed gates = smaller model up to {self.equivalence:.1e}{masking}"
        if self.approximation is not None:
            reasons = sorted(set(self.approximate.values()))
            yield (
                f"with {len(self.approximate)} groups where removing is more than "
                f"masking, up to {self.approximation:.1e} ({'; '.join(reasons[:3])})"
            )

    def _repairs(self) -> Iterator[str]:
        for name, distance in self.repair.distances.items():
            kept = (
                "" if name in ("cut", "chains", *self.repair.done) else ", taken back"
            )
            yield f"distance to the dense outputs, {name}: {distance:.4f}{kept}"
        for fit in self.repair.refits:
            yield (
                f"{fit.layer}: relative squared error {fit.before:.3f} -> "
                f"{fit.after:.3f} ({fit.choice})"
            )
        if left := self.repair.unfitted:
            yield f"{len(left)} that lost inputs were not fitted: {', '.join(left[:5])}"
        for layer in self.factored:
            yield str(layer)


def _change(before: float, after: float) -> str:
    removed = 100 * (1 - after / before) if before else 0.0
    return f"{before:,.0f} -> {after:,.0f}, {removed:.1f} % removed"
