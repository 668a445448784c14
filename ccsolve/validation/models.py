"""How a network's loss is modelled: curvature, its shrinkage, and both dampings."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ccsolve.errors import InvalidProblem
from ccsolve.statistics import Statistics


@dataclass(frozen=True)
class LossModel:
    """The second-order model of what removal costs, with what steadies it.

        ΔL(u) = -μ·gᵀu + ½·uᵀ((1 - ρ)·H + ρ·T + λ·I)u     u = 1 for classes that go

    Attributes
    ----------
    curvature : H, "ggn" or "fisher".
    cross : whether H has blocks between groups.
    shrinkage : ρ from 0 to 1, or "auto" for its estimate from the samples.
    target : T, "diagonal", "identity" or "groups"; see `Statistics.network_program`.
    damping : λ, in the units of H.
    first_order : μ.
    """

    curvature: str = "ggn"
    cross: bool = False
    shrinkage: float | str = 0.0
    target: str = "diagonal"
    damping: float = 0.0
    first_order: float = 1.0

    def options(self) -> dict[str, Any]:
        """Give the options of `Statistics.network_program`."""
        return asdict(self)

    def __str__(self) -> str:
        """Give one line: what differs from the plain blocks."""
        parts = [self.curvature, "whole" if self.cross else "blocks"]
        if self.shrinkage != 0:
            rho = self.shrinkage
            amount = rho if isinstance(rho, str) else f"{rho:g}"
            parts.append(f"shrunk {amount} to {self.target}")
        if self.damping:
            parts.append(f"damping {self.damping:.3g}")
        return ", ".join([*parts, f"first order {self.first_order:g}"])


def loss_models(
    stats: Statistics,
    *,
    curvature: str = "ggn",
    first_order: Sequence[float] = (0.0, 1.0),
    dampings: Sequence[float] = (0.0, 0.1),
    auto: bool = True,
) -> tuple[LossModel, ...]:
    """Give a small grid of models to choose from.

    Blocks as they are and, with `auto`, shrunk by the estimated intensity to their
    diagonals; where rows are held also the whole curvature, as it is and shrunk to its
    blocks; each with every weight of the gradient; and the blocks with every damping.

    Parameters
    ----------
    curvature
        "ggn" or "fisher".
    first_order
        Weights μ of the gradient; those other than 0 need it.
    dampings
        λ in units of the mean diagonal of H.
    auto
        Whether shrunk models are among them; they need the noise of the curvature.
    """
    held = list(stats.groups.values())
    if not held:
        raise InvalidProblem("the statistics hold no groups; collect of a network")
    forms: list[dict[str, Any]] = [{}]
    shrunk = {"shrinkage": "auto", "target": "diagonal"}
    if auto:
        forms.append(shrunk)
    if all(group.rows(curvature) is not None for group in held):
        forms.append({"cross": True})
        forms += [{"cross": True, **shrunk, "target": "groups"}] if auto else []
    diagonals = [group.hessian(curvature).diagonal() for group in held]
    unit = float(np.concatenate(diagonals).mean())
    forms += [{"damping": share * unit} for share in dampings if share]
    return tuple(
        LossModel(curvature=curvature, first_order=float(weight), **form)
        for weight in first_order
        for form in forms
    )
