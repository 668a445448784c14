"""What a layer loses with the channels that it has left, at every rank of a chain."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ccsolve.criteria.refitting import regular
from ccsolve.criteria.removal import RIDGE
from ccsolve.problems.output_weights import through_root
from ccsolve.recipes.compression.components import components_of
from ccsolve.recipes.compression.metrics import layer_scales, whole_reader
from ccsolve.recipes.compression.sites import Array, Part, Site
from ccsolve.statistics import Layer, Statistics

TOP, WEIGHTED = "top", "weighted"

Price = Callable[[Part, NDArray[np.bool_]], Array]
"""Of a layer and a mask of the columns that it has left: its losses as a chain of 0, 1,
..., R ranks, the last without any truncation."""


@dataclass(frozen=True, eq=False)
class Entrywise:
    """Σ s∘(W' - W)², nothing fitted again, s the part's `squared`.

    `truncation` says which components of a chain remain: "top", the largest, as the
    authors' code has it in the end, or "weighted", those worth most.
    """

    truncation: str = TOP
    known: dict[tuple[str, bytes], Array] = field(default_factory=dict)

    def __call__(self, part: Part, left: NDArray[np.bool_]) -> Array:
        """Give the losses at every rank; O(R·n·d) once for each set of columns."""
        key = part.name, left.tobytes()
        if key not in self.known:
            self.known[key] = self._losses(part, left)
        return self.known[key]

    def _losses(self, part: Part, left: NDArray[np.bool_]) -> Array:
        kept = np.where(left, part.weight, 0.0)
        most = min(len(kept), int(left.sum()))
        if not part.components:
            return np.full(most + 1, _square(part, part.weight - kept))
        parts = components_of(kept, min(kept.shape))
        order = np.arange(parts.left.shape[1])
        if self.truncation == WEIGHTED:
            order = np.argsort(-parts.worths(part.squared), kind="stable")
        off, losses = part.weight.copy(), []
        for k in order[:most]:
            losses.append(_square(part, off))
            off -= np.outer(parts.left[:, k], parts.right[:, k])
        return np.array([*losses, _square(part, part.weight - kept)])


def _square(part: Part, off: Array) -> float:
    return float(np.vdot(part.squared, np.square(off)))


@dataclass(frozen=True, eq=False)
class _Moments:
    """H (d, d), C = HWR (d, r), ½·scale, and n, the filters."""

    h: Array
    cross: Array
    half: float
    filters: int

    @cached_property
    def whole(self) -> float:
        """What all columns keep: the same sum, so that they lose nothing at all."""
        return float(self.kept(np.ones(len(self.h), dtype=bool))[-1])

    def kept(self, left: NDArray[np.bool_]) -> Array:
        """Give what 0, 1, ..., min(n, columns) eigenvalues keep."""
        values = np.zeros(min(self.filters, int(left.sum())))
        if len(values):
            cross = self.cross[left]
            fitted = np.linalg.solve(self.h[np.ix_(left, left)], cross)
            found = np.linalg.eigvalsh(cross.T @ fitted)[::-1][: len(values)]
            values[: len(found)] = found.clip(min=0.0)
        return self.half * np.concatenate([[0.0], np.cumsum(values)])


@dataclass(frozen=True, eq=False)
class Refitted:
    """What is lost once the layer is fitted again: min over W' of ½ tr(M E[εεᵀ]).

    ε is the error of W'x + b in the outputs, M the Gauss-Newton of the loss in them. On
    columns S, with R Rᵀ = M and H the ridged covariance of x, the least squares keep
    the eigenvalues of (HWR)_Sᵀ H_SS⁻¹ (HWR)_S, and a chain of rank r the r largest
    (reduced-rank regression): so channels and ranks are priced together, exactly.
    `layer_scales` makes losses of layers compare.
    """

    moments: Mapping[str, _Moments]
    known: dict[tuple[str, bytes], Array] = field(default_factory=dict)

    @classmethod
    def of(cls, stats: Statistics, sites: Sequence[Site]) -> "Refitted":
        """Take the moments of all layers of the sites."""
        names = [part.name for site in sites for part in site.parts]
        scales = layer_scales(stats, names)
        return cls({n: _moments(stats.layers[n], scale) for n, scale in scales.items()})

    def __call__(self, part: Part, left: NDArray[np.bool_]) -> Array:
        """Give the losses at every rank; O(d³) once for each set of columns."""
        key = part.name, left.tobytes()
        if key not in self.known:
            held = self.moments[part.name]
            self.known[key] = np.maximum(held.whole - held.kept(left), 0.0)
        return self.known[key]


def _moments(layer: Layer, scale: float) -> _Moments:
    reader, half = whole_reader(layer), 0.5 * scale
    h = regular(reader, RIDGE)
    cross = h @ through_root(reader.worth, reader.curvature)
    return _Moments(h, cross, half, len(layer.weight))
