"""What was done to a model: asked and achieved, the equivalence check, the repair."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ccsolve.problems.records import reduced
from ccsolve.statistics import Cost
from ccsolve_torch.repair import Refit


@dataclass(frozen=True, eq=False)
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
        with closed gates, relative to the largest output.
    repair
        "none", "recalibrate" or "least_squares".
    refits
        One per layer that least squares fitted.
    kept
        Group name -> classes that remain.
    frozen
        Layer name -> why its channels could not be removed.
    """

    recipe: str
    original: Cost
    asked: Mapping[str, float]
    achieved: Cost
    equivalence: float
    repair: str
    refits: tuple[Refit, ...]
    kept: Mapping[str, NDArray[np.int64]]
    frozen: Mapping[str, str]

    __reduce__ = reduced

    def __str__(self) -> str:
        """Give the report as lines of text."""
        lines = [f"recipe {self.recipe}, repair {self.repair}"]
        for name in ("macs", "params"):
            before, after = (
                getattr(cost, name) for cost in (self.original, self.achieved)
            )
            asked = (
                f", asked at most {self.asked[name]:,.0f}" if name in self.asked else ""
            )
            removed = 100 * (1 - after / before) if before else 0.0
            lines.append(
                f"{name}: {before:,.0f} -> {after:,.0f}, {removed:.1f} % removed{asked}"
            )
        lines.append(f"closed gates = smaller model up to {self.equivalence:.1e}")
        lines += [
            f"{fit.layer}: relative squared error {fit.before:.3f} -> {fit.after:.3f}"
            for fit in self.refits
        ]
        lines.append(f"{len(self.kept)} groups, {len(self.frozen)} layers frozen")
        return "\n".join(lines)
