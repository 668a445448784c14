"""Layers that will be bottlenecks, fitted as such: what one loses, others mend."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ccsolve.errors import InvalidProblem
from ccsolve.factors import Factor
from ccsolve.plans import Plan
from ccsolve.recipes.joint import RECIPE
from ccsolve.recipes.joint_bottlenecks import Bottleneck
from ccsolve.statistics import Statistics
from ccsolve_torch.graph import Graph
from ccsolve_torch.repairing.affine import Affine
from ccsolve_torch.repairing.regression import Choice, Fit, Moments

RIDGE = 1e-3
"""In units of the columns' mean variance."""


@dataclass(frozen=True, eq=False)
class Waist:
    """The ranks (out, into) of a layer, and what errors in its outputs count.

    `curvature` (n, n) is of all outputs of the dense layer; None where all count alike
    behind the batch norm.
    """

    ranks: tuple[int, int]
    curvature: Tensor | None

    def chosen(
        self,
        free: Choice,
        start: Fit,
        rows: Moments,
        held: Moments | None,
        affine: Affine,
        left: Tensor | None,
    ) -> Choice:
        """Give the fit of these ranks to all rows, from what was chosen without them.

        Its error is that of the same fit without the held-back rows, on these.
        """
        every = rows if held is None else rows.plus(held)
        fit = self.narrowed(free.fit, every, affine, left)
        if held is None:
            return Choice(fit, free.before, rows.error(fit))
        kept = free.fit is start
        unseen = start if kept else rows.solve(start, free.fit.ridge, affine.free_bias)
        after = held.error(self.narrowed(unseen, rows, affine, left))
        return Choice(fit, free.before, after)

    def narrowed(
        self, fit: Fit, rows: Moments, affine: Affine, left: Tensor | None
    ) -> Fit:
        """Give the fit of these ranks that loses least of a fit, on the rows it is of.

        `left` says which outputs of the dense layer remain, None for all. O(d³).
        """
        n, weight = rows.rows, fit.weight[0]
        mean, wanted = rows.x[0] / n, rows.t[0] / n
        h = rows.xx[0] / n
        if affine.free_bias:
            h = h - torch.outer(mean, mean)
        h = h + RIDGE * h.diagonal().mean().clamp(min=1e-30) * torch.eye(len(h)).to(h)
        parts = (weight, h, self._counted(affine, left))
        held = [part.detach().cpu().double().numpy() for part in parts]
        layer = Bottleneck(*held, channels=affine.weight.shape[1])
        out, into = self.ranks
        found = torch.from_numpy(layer.fitted(into, out)).to(weight)
        bias = wanted - found @ mean if affine.free_bias else fit.bias[0]
        return Fit(found[None], bias[None], fit.ridge)

    def _counted(self, affine: Affine, left: Tensor | None) -> Tensor:
        """Give the curvature in the branch's outputs, behind the batch norm."""
        scale = affine.scale.cpu()
        if self.curvature is None:
            return torch.eye(len(scale), dtype=torch.float64)
        outputs = len(scale) if left is None else len(left)
        if len(self.curvature) != outputs:
            raise InvalidProblem(
                f"statistics of a layer with {len(self.curvature)} outputs, where the "
                f"model's has {outputs}; give those that the plan was made from"
            )
        own = self.curvature if left is None else self.curvature[left][:, left]
        safe = torch.where(scale == 0, torch.ones_like(scale), scale)
        return own / torch.outer(safe, safe)


def waists_of(
    plan: Plan, graph: Graph, statistics: Statistics | None
) -> dict[str, Waist]:
    """Give the bottlenecks of a plan of the recipe "joint", by the layer's weight."""
    if plan.recipe != RECIPE:
        return {}
    return {
        graph.layers[name].weight: Waist(_ranks(factor), _curvature(statistics, name))
        for name, factor in plan.factors.items()
        if name in graph.layers
    }


def _ranks(factor: Factor) -> tuple[int, int]:
    out, into = map(int, factor.ranks)
    return out, into


def _curvature(statistics: Statistics | None, name: str) -> Tensor | None:
    layers: Mapping[str, Any] = {} if statistics is None else statistics.layers
    curvature = layers[name].output_curvature if name in layers else None
    return None if curvature is None else torch.tensor(curvature, dtype=torch.float64)
