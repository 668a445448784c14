"""What was done to layers that became chains, and what it saved."""

from collections.abc import Iterator
from dataclasses import dataclass

from ccsolve.factors import Factor
from ccsolve.problems.records import reduced
from ccsolve.statistics import Cost


@dataclass(frozen=True)
class FactoredLayer:
    """One layer that became a chain.

    Parameters
    ----------
    name
        The layer's name in the model.
    factor
        What was asked.
    ranks
        The ranks as integers, per group; a rank that the others leave no room for
        has been lowered.
    stages
        (groups, outputs, inputs, kernel...) of each stage, channels per group; one
        stage where the ranks are so large that the layer itself is smaller.
    error
        ‖W - Z‖ / ‖W‖, Frobenius, of the weight W and the weight Z of the chain.
    weighted_error
        ‖(W - Z) C^½‖ / ‖W C^½‖ with the input moment C that the fit was weighted by:
        the root of the relative squared error of the layer's outputs without bias.
        None where the fit was not weighted.
    before, after
        Multiply-accumulates per sample, and parameters with the bias.
    """

    name: str
    factor: Factor
    ranks: tuple[int, ...]
    stages: tuple[tuple[int, ...], ...]
    error: float
    weighted_error: float | None
    before: Cost
    after: Cost

    __reduce__ = reduced

    @property
    def warning(self) -> str:
        """Say in what the chain is larger than the layer was; "" where in nothing."""
        larger = [
            f"{after / before:.2f}x the {kind}"
            for kind, before, after in _both(self.before, self.after)
            if after > before
        ]
        return f"larger than the layer: {', '.join(larger)}" if larger else ""

    def __str__(self) -> str:
        """Give one line."""
        error = f"error {self.error:.3f}"
        if self.weighted_error is not None:
            error += f" ({self.weighted_error:.3f} weighted)"
        cost = ", ".join(
            f"{kind} {before:,.0f} -> {after:,.0f}"
            for kind, before, after in _both(self.before, self.after)
        )
        warning = f"; WARNING {self.warning}" if self.warning else ""
        ranks = ", ".join(map(str, self.ranks))
        return f"{self.name}: {self.factor.format} ({ranks}), {error}, {cost}{warning}"


@dataclass(frozen=True)
class FactorReport:
    """The record of one factorisation; `print(small.factor_report)` gives it as text.

    Parameters
    ----------
    layers
        One entry per layer that became a chain.
    original, achieved
        Cost of the model and of the one with chains.
    equivalence
        Largest difference of the model with chains to the model that holds the
        chains' weights Z in its layers, relative to the largest output.
    """

    layers: tuple[FactoredLayer, ...]
    original: Cost
    achieved: Cost
    equivalence: float

    __reduce__ = reduced

    def __str__(self) -> str:
        """Give the report as lines of text."""
        lines = [str(layer) for layer in self.layers]
        for kind, before, after in _both(self.original, self.achieved):
            removed = 100 * (1 - after / before) if before else 0.0
            lines.append(
                f"{kind}: {before:,.0f} -> {after:,.0f}, {removed:.1f} % removed"
            )
        lines.append(f"dense weights = chains up to {self.equivalence:.1e}")
        return "\n".join(lines)


def _both(before: Cost, after: Cost) -> Iterator[tuple[str, float, float]]:
    for kind in ("macs", "params"):
        yield kind, getattr(before, kind), getattr(after, kind)
